"""The audio encoder as ONNX graphs, each measured on real clips against what it was made from.

laion_clap's encoder ↔ our module ↔ fp32 graph ↔ int8 graph.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from edge.bundle_files import sha256_of
from edge.encoder import ClipEncoder
from edge.types import Embedding, LogMel
from export.clap.architecture import MEL_BINS
from export.clap.audio_encoder import ClapAudioEncoder
from export.clap.checkpoint import Checkpoint
from export.clap.geometry import N_FRAMES, Image
from export.clap.reference import Reference, ReferenceMissingError
from export.onnx_export import OPSET, to_onnx
from export.parity import FP32_LIMITS, INT8_LIMITS, Measured, measure, measure_agreement
from export.quantize import dynamic_int8

Precision = Literal["int8", "fp32"]
N_REFERENCE = 12
"""Clips that the slow ones, in torch, embed."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioGraph:
    """An encoder ready for the bundle.

    Attributes:
        precision: of its matrix products, and its name.
        image: how much of a clip it looks at.
        path: its file.
    """

    precision: Precision
    image: Image
    path: Path

    @cached_property
    def sha256(self) -> str:
        """Of its file."""
        return sha256_of([self.path])

    @cached_property
    def _encoder(self) -> ClipEncoder:
        return ClipEncoder([self.path], "cpu")

    def encode(self, log_mel: LogMel) -> Embedding:
        """Embed one clip, see `ClipEncoder.encode`. Several threads may at once."""
        return self._encoder.encode(log_mel)


Nearest = Callable[[NDArray[np.float32]], NDArray[np.intp]]
"""Embeddings (n, dim) → the number of each one's nearest prototype, made of the same encoder's embeddings."""


def make_encoders(
    checkpoint: Checkpoint,
    precisions: Sequence[Precision],
    log_mels: NDArray[np.float32],
    nearest: Nearest,
    folder: Path,
    images: Sequence[Image],
) -> tuple[list[AudioGraph], Measured]:
    """Export, quantise and measure.

    log_mels: (n_clips, 1001, 64) float32 to measure on, n_clips at least 1.
    folder: where the graphs' files go.
    images: what an int8 encoder may look at, the cheapest first: the first that stays within the limits
        is taken, or else the last.
    Returns: the graphs asked for, int8 first, and what was measured of them.
    """
    logger.info("exporting the audio encoder, %s", checkpoint.architecture.name)
    module = ClapAudioEncoder(checkpoint.state, checkpoint.architecture)
    fp32 = AudioGraph("fp32", Image.WHOLE, folder / "audio_encoder.fp32.onnx")
    whole = exported(module)
    onnx.save(whole, fp32.path)
    logger.info("comparing encoders on %d clips", len(log_mels))
    of_module = _by_torch(module, log_mels[:N_REFERENCE])
    of_fp32 = _embedded(fp32, log_mels)
    measured = Measured({"clips": str(len(log_mels)), "opset": str(OPSET), **_versions()})
    measured += _against_reference(checkpoint, log_mels[:N_REFERENCE], of_module)
    measured += measure("fp32", "module", of_fp32[:N_REFERENCE], of_module, FP32_LIMITS)
    graphs = []
    if "int8" in precisions:
        int8, of_int8 = _int8(checkpoint, whole, log_mels, of_fp32, nearest, folder, images)
        graphs.append(int8)
        measured += of_int8
    if "fp32" in precisions:
        graphs.append(fp32)
    return graphs, measured


def _int8(
    checkpoint: Checkpoint,
    whole: onnx.ModelProto,
    log_mels: NDArray[np.float32],
    of_fp32: NDArray[np.float32],
    nearest: Nearest,
    folder: Path,
    images: Sequence[Image],
) -> tuple[AudioGraph, Measured]:
    for image in images:
        graph = AudioGraph("int8", image, folder / f"audio_encoder.int8.{image.name.lower()}.onnx")
        model = whole
        if image is not Image.WHOLE:
            model = exported(ClapAudioEncoder(checkpoint.state, checkpoint.architecture, image))
        onnx.save(dynamic_int8(model), graph.path)
        embedded = _embedded(graph, log_mels)
        measured = measure("int8", "fp32", embedded, of_fp32, INT8_LIMITS)
        measured += measure_agreement("int8", "fp32", nearest(embedded), nearest(of_fp32))
        measured += Measured({"int8_image": image.name.lower()})
        if not measured.beyond_limits:
            break
        logger.info("  that is with the %s image, beyond the limits", image.name.lower())
    return graph, measured


def _against_reference(
    checkpoint: Checkpoint, log_mels: NDArray[np.float32], of_module: NDArray[np.float32]
) -> Measured:
    try:
        reference = Reference(checkpoint.state, checkpoint.architecture)
    except ReferenceMissingError as error:
        logger.warning("not compared with LAION's own encoder: %s", error)
        return Measured({"reference": "not installed, so not compared"})
    expected = np.concatenate([reference.embed(torch.from_numpy(m[None])).numpy() for m in log_mels])
    measured = measure("module", "reference", of_module, expected, FP32_LIMITS)
    return measured + Measured({"reference": f"laion_clap {reference.version}"})


def exported(module: ClapAudioEncoder) -> onnx.ModelProto:
    """The encoder's graph, `log_mel` (batch, 1001, 64) → `embedding` (batch, 512), in fp32."""
    example = torch.zeros(1, N_FRAMES, MEL_BINS)
    return to_onnx(module, {"log_mel": example}, "embedding", {"log_mel": 0, "embedding": 0})


def _by_torch(module: ClapAudioEncoder, log_mels: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return np.concatenate([module(torch.from_numpy(log_mel[None])).numpy() for log_mel in log_mels])


def _embedded(graph: AudioGraph, log_mels: NDArray[np.float32]) -> NDArray[np.float32]:
    graph.encode(log_mels[0])  # opens it, in this thread
    with ThreadPoolExecutor() as threads:
        return np.array(list(threads.map(graph.encode, log_mels)))


def _versions() -> dict[str, str]:
    # Of the module, for ONNX Runtime's distribution goes by several names.
    modules = (torch, onnx, importlib.import_module("onnxruntime"))
    return {module.__name__: str(module.__version__) for module in modules}
