"""The encoder's graph, run by ONNX Runtime: the only import of onnxruntime."""

from __future__ import annotations

import importlib.metadata
import logging
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge.bundle import Bundle
from edge.errors import EncoderError
from edge.manifest import EncoderEntry
from edge.types import Embedding, LogMel

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]

logger = logging.getLogger(__name__)

INSTALL = (
    'install it with pip install "edge-listen[cpu]" (or [gpu] for an NVIDIA GPU in a PC; '
    "Debian: apt install python3-onnxruntime; Jetson: NVIDIA's own onnxruntime-gpu wheel)"
)
NORM_TOLERANCE = 1e-2
INPUT_NAME, OUTPUT_NAME = "log_mel", "embedding"
_ORT_NAMES = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    # What TensorRT cannot run goes to CUDA, so that it stays on the GPU.
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}


class OnnxEncoder:
    """Implements `edge.types.Encoder` by an ONNX graph.

    The graph takes `log_mel` float32 (batch, n_frames, n_mels) and yields `embedding` float32
    (batch, embedding_dim) of unit L2 norm.

    Args:
        paths: the graph's file first, then those that it refers to, beside it.
        provider: "auto" takes CUDA where it loads, else the CPU, and says so in `provider` and in the log.
            One asked for by name runs the whole graph, or the constructor raises.
        n_threads: threads within an operation; they wait without spinning.

    ONNX Runtime makes denormals zero once a process: in the thread that makes the first encoder, and in those
    that this thread starts later. So make it in the thread that encodes, or before that one starts.

    Raises: EncoderError if ONNX Runtime, the provider or the graph cannot be used.
    """

    def __init__(self, paths: Sequence[Path], provider: Provider = "auto", n_threads: int = 1) -> None:
        self._path = paths[0]
        self._session, self.provider = _open(_import_onnxruntime(), self._path, provider, n_threads)
        logger.info("encoder %s runs on %s, %d thread(s)", self._path.name, self.provider, n_threads)
        self._log_mel_dims = _dims(self._path, "input", INPUT_NAME, self._session.get_inputs(), 3)
        self._embedding_dims = _dims(self._path, "output", OUTPUT_NAME, self._session.get_outputs(), 2)

    def check_shapes(self, n_frames: int, n_mels: int, embedding_dim: int) -> None:
        """Compare the graph's shapes with what is expected of it. A dimension left open by the graph fits.

        Raises: EncoderError.
        """
        for name, dims, expected in (
            (INPUT_NAME, self._log_mel_dims, (1, n_frames, n_mels)),
            (OUTPUT_NAME, self._embedding_dims, (1, embedding_dim)),
        ):
            if any(isinstance(have, int) and have != want for have, want in zip(dims, expected, strict=True)):
                raise EncoderError(
                    f"{self._path}: {name} of the graph is {_shape_text(dims)}, "
                    f"but must be {_shape_text(expected)}; export the bundle again with edge-export"
                )

    def encode(self, log_mel: LogMel) -> Embedding:
        """Embed one window.

        log_mel: (n_frames, n_mels) float32, in the unit that the bundle's `LogMelSpec` names.
        Returns: (embedding_dim,) float32, unit L2 norm.
        Raises: EncoderError if the graph cannot take it, or yields no embedding: another shape than
            (1, embedding_dim), a non-finite value, a norm off 1 by more than 1e-2.
        """
        batch = np.ascontiguousarray(log_mel, np.float32)[None]
        try:
            (output,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: batch})
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            raise EncoderError(
                f"{self._path} failed on a log-mel of {_shape_text(log_mel.shape)}: {_first_line(error)}"
            ) from error
        if output.ndim != 2 or len(output) != 1:
            raise EncoderError(
                f"{self._path} yielded an array of {_shape_text(output.shape)}, not one embedding"
            )
        embedding: Embedding = np.asarray(output[0], np.float32)
        # Finite only if every value is.
        norm = float(np.linalg.norm(embedding))
        if not np.isfinite(norm):
            raise EncoderError(f"{self._path} yielded a value that is not finite; try --provider cpu")
        if abs(norm - 1.0) > NORM_TOLERANCE:
            raise EncoderError(
                f"{self._path} yielded an embedding of norm {norm:.4g}, not 1; export the bundle again"
            )
        return embedding


def load_encoder(
    bundle: Bundle, entry: EncoderEntry, provider: Provider = "auto", n_threads: int = 1
) -> OnnxEncoder:
    """Open one of a bundle's encoders and check its shapes against the manifest.

    Raises: EncoderError.
    """
    encoder = OnnxEncoder(bundle.encoder_paths(entry), provider, n_threads)
    manifest = bundle.manifest
    encoder.check_shapes(manifest.n_frames, manifest.log_mel.n_mels, entry.embedding_dim)
    return encoder


def _import_onnxruntime() -> Any:
    _refuse_fatal_version()
    try:
        import onnxruntime  # noqa: PLC0415  absent on many a machine; the message says what to install
    except ImportError as error:
        reason = (
            "is not installed" if isinstance(error, ModuleNotFoundError) else f"fails: {_first_line(error)}"
        )
        raise EncoderError(f"ONNX Runtime {reason}; {INSTALL}") from error
    # Errors arrive as exceptions; its own log would put lines of C++ among ours.
    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


def _refuse_fatal_version() -> None:
    """Refuse, before it is imported, the release that ends the process by an illegal instruction."""
    if platform.machine() not in ("aarch64", "arm64"):
        return
    try:
        version = importlib.metadata.version("onnxruntime")
    except importlib.metadata.PackageNotFoundError:
        return
    if version == "1.21.0":
        raise EncoderError(
            'ONNX Runtime 1.21.0 dies on a Raspberry Pi 4; install another: pip install "onnxruntime!=1.21.0"'
        )


def _open(ort: Any, path: Path, provider: Provider, n_threads: int) -> tuple[Any, str]:
    """A session, and the provider that it runs on."""
    available = [name for name, needed in _ORT_NAMES.items() if needed[0] in ort.get_available_providers()]
    if provider != "auto":
        if provider not in available:
            raise EncoderError(
                f"provider {provider} is not in this ONNX Runtime; it has: {', '.join(available)}; "
                f"ask for one of these, or {INSTALL}"
            )
        return _session(ort, path, provider, n_threads), provider
    if "cuda" in available:
        try:
            return _session(ort, path, "cuda", n_threads), "cuda"
        except EncoderError as error:
            logger.warning("CUDA is offered but cannot be used, so the encoder runs on the CPU: %s", error)
    return _session(ort, path, "cpu", n_threads), "cpu"


def _session(ort: Any, path: Path, provider: str, n_threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    if provider != "cpu":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    names = list(_ORT_NAMES[provider])
    try:
        # Without enable_fallback=0 a failing provider is replaced by the CPU, with a banner on stdout.
        session = ort.InferenceSession(str(path), options, providers=names, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's exceptions share no base of their own
        raise EncoderError(f"{path} cannot be run on {provider}: {_first_line(error)}") from error
    # A provider whose libraries are missing is dropped without an exception.
    if names[0] not in session.get_providers():
        raise EncoderError(
            f"provider {provider} did not load, probably for want of NVIDIA's CUDA, cuDNN or TensorRT "
            "libraries; install those that this ONNX Runtime was built for, or use --provider cpu"
        )
    return session


def _dims(path: Path, kind: str, name: str, found: Sequence[Any], n_dims: int) -> list[int | str | None]:
    """Dimensions of the graph's only input or output; a name or None stands for an open one."""
    fits = [node.name for node in found] == [name] and found[0].type == "tensor(float)"
    if not fits or len(found[0].shape) != n_dims:
        have = ", ".join(f"{node.name} {node.type} of {_shape_text(node.shape)}" for node in found) or "none"
        raise EncoderError(
            f"{path} is not an encoder: its {kind} must be {name}, float32 with {n_dims} dimensions, "
            f"but is {have}; export the bundle again with edge-export"
        )
    return list(found[0].shape)


def _shape_text(dims: Sequence[Any]) -> str:
    return f"({', '.join(map(str, dims))})"


def _first_line(error: BaseException) -> str:
    """What ONNX Runtime says, without its code and the rest of its lines."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.rpartition("[ONNXRuntimeError] : ")[2][:200]
