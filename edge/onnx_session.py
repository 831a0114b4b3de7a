"""ONNX Runtime, opened the way this program needs it: its only import.

ONNX Runtime makes denormals zero once a process: in the thread that makes the first session, and in those
that this thread starts later. So make encoders in the thread that encodes, or before that one starts.
"""

from __future__ import annotations

import importlib.metadata
import logging
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.errors import EncoderError, first_line
from edge.settings import Provider
from edge.types import Embedding

logger = logging.getLogger(__name__)

NORM_TOLERANCE = 1e-2
AGAIN = "export the bundle again with edge-export"
INSTALL = (
    'install it with pip install "edge-listen[cpu]" (or [gpu] for an NVIDIA GPU in a PC; '
    "Debian: apt install python3-onnxruntime; Jetson: NVIDIA's own onnxruntime-gpu wheel)"
)
_ORT_NAMES = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider",),
    # What TensorRT cannot run goes to CUDA, so that it stays on the GPU.
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}


class Graph:
    """An ONNX graph, ready to run.

    Args:
        path: its file.
        provider: "auto" takes CUDA where it loads, else the CPU, and says so in the log. One asked for by
            name runs the whole graph, or the constructor raises.
        n_threads: threads within an operation; they wait without spinning.
        input_type: ONNX's name for what all its inputs hold; its outputs hold "float".

    Attributes:
        provider: what it runs on.
        inputs: name → dimensions of each input; a name or None stands for an open dimension.
        outputs: likewise of each output.

    Raises: EncoderError if ONNX Runtime, the provider or the graph cannot be used.
    """

    def __init__(
        self,
        path: Path,
        provider: Provider = "auto",
        n_threads: int = 1,
        input_type: Literal["float", "int64"] = "float",
    ) -> None:
        self.path = path
        self.session, self.provider = _open(path, provider, n_threads)
        self.inputs = self._dims("input", self.session.get_inputs(), input_type)
        self.outputs = self._dims("output", self.session.get_outputs(), "float")
        logger.info("graph %s runs on %s, %d thread(s)", path.name, self.provider, n_threads)

    def _dims(self, kind: str, nodes: Sequence[Any], holds: str) -> dict[str, list[int | str | None]]:
        for node in nodes:
            if node.type != f"tensor({holds})":
                raise EncoderError(
                    f"{self.path} is not the encoder it should be: its {kind} {node.name} is {node.type}, "
                    f"not tensor({holds}); {AGAIN}"
                )
        return {node.name: list(node.shape) for node in nodes}

    def expect(
        self, kind: Literal["inputs", "outputs"], expected: Mapping[str, tuple[int | None, ...]]
    ) -> None:
        """Check names and dimensions; None, or a dimension that the graph leaves open, fits any.

        Raises: EncoderError.
        """
        found = self.inputs if kind == "inputs" else self.outputs
        fits = found.keys() == expected.keys() and all(
            len(found[name]) == len(dims)
            and all(
                want is None or not isinstance(have, int) or have == want
                for have, want in zip(found[name], dims, strict=True)
            )
            for name, dims in expected.items()
        )
        if not fits:
            raise EncoderError(
                f"{self.path} is not the encoder it should be: its {kind} must be {_listed(expected)}, "
                f"but are {_listed(found)}; {AGAIN}"
            )

    def run(self, feeds: Mapping[str, NDArray[np.float32] | NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """All outputs, in the graph's order. Raises: EncoderError if the graph cannot take the inputs."""
        try:
            outputs: list[NDArray[np.float32]] = self.session.run(None, dict(feeds))
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            shapes = _listed({name: list(array.shape) for name, array in feeds.items()})
            raise EncoderError(f"{self.path} failed on {shapes}: {_reason(error)}") from error
        return outputs


def checked_embedding(
    output: NDArray[np.float32], path: Path, if_not_finite: str = "try --provider cpu"
) -> Embedding:
    """The one embedding of a graph's output.

    if_not_finite: what to do about values that aren't.
    Raises: EncoderError if it is of another shape than (1, embedding_dim), not finite, or of a norm off 1 by
        more than 1e-2.
    """
    if output.ndim != 2 or len(output) != 1:
        raise EncoderError(f"{path} yielded an array of {output.shape}, not one embedding; {AGAIN}")
    embedding: Embedding = np.asarray(output[0], np.float32)
    # Finite only if every value is.
    norm = float(np.linalg.norm(embedding))
    if not np.isfinite(norm):
        raise EncoderError(f"{path} yielded a value that is not finite; {if_not_finite}")
    if abs(norm - 1.0) > NORM_TOLERANCE:
        raise EncoderError(f"{path} yielded an embedding of norm {norm:.4g}, not 1; {AGAIN}")
    return embedding


def _listed(nodes: Mapping[str, Sequence[int | str | None]]) -> str:
    return (
        ", ".join(
            f"{name} ({', '.join('n' if d is None else str(d) for d in dims)})"
            for name, dims in nodes.items()
        )
        or "none"
    )


def prefers_gpu(provider: Provider) -> bool:
    """Whether this provider, or for "auto" this ONNX Runtime, is one for a GPU. Raises: EncoderError."""
    return provider in ("cuda", "tensorrt") or (
        provider == "auto" and "cuda" in _available(_import_onnxruntime())
    )


def _available(ort: Any) -> list[str]:
    return [name for name, needed in _ORT_NAMES.items() if needed[0] in ort.get_available_providers()]


def _open(path: Path, provider: Provider, n_threads: int) -> tuple[Any, Provider]:
    """A session on a graph, and the provider that it runs on."""
    ort = _import_onnxruntime()
    available = _available(ort)
    if provider != "auto":
        if provider not in available:
            raise EncoderError(
                f"provider {provider} is not in this ONNX Runtime; it has: {', '.join(available)}; "
                "ask for one of these, or use an environment with onnxruntime-gpu instead of onnxruntime"
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
        raise EncoderError(f"{path} cannot be run on {provider}: {_reason(error)}") from error
    # A provider whose libraries are missing is dropped without an exception.
    if names[0] not in session.get_providers():
        raise EncoderError(
            f"provider {provider} did not load, probably for want of NVIDIA's CUDA, cuDNN or TensorRT "
            "libraries; install those that this ONNX Runtime was built for, or use --provider cpu"
        )
    return session


def _import_onnxruntime() -> Any:
    _refuse_fatal_version()
    try:
        import onnxruntime  # noqa: PLC0415  absent on many a machine; the message says what to install
    except ImportError as error:
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"fails: {_reason(error)}"
        raise EncoderError(f"ONNX Runtime {reason}; {INSTALL}") from error
    # Errors arrive as exceptions; its own log would put lines of C++ among ours.
    onnxruntime.set_default_logger_severity(4)
    return onnxruntime


def _refuse_fatal_version() -> None:
    """Refuse, before it is imported, the wheel that ends the process by an illegal instruction."""
    if platform.machine() not in ("aarch64", "arm64"):
        return
    try:
        distribution = importlib.metadata.distribution("onnxruntime")
    except importlib.metadata.PackageNotFoundError:
        return
    # A wheel's installer leaves its name; Debian's own build of the release, for any 64-bit ARM, has none.
    if distribution.version == "1.21.0" and distribution.read_text("INSTALLER"):
        raise EncoderError(
            'ONNX Runtime 1.21.0 dies on a Raspberry Pi 4; install another: pip install "onnxruntime!=1.21.0"'
        )


def _reason(error: BaseException) -> str:
    """What ONNX Runtime says, without its code and the rest of its lines."""
    return first_line(error).rpartition("[ONNXRuntimeError] : ")[2]
