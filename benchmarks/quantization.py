"""Ways to make the CLAP audio encoder cheaper: how close each stays to fp32, and what it costs, in one run.

    python benchmarks/quantization.py --checkpoint 630k-audioset-best --pool recordings/ [--rounds 12]

Static schemes are calibrated on the first half of the clips, and all are judged on the second. One thread.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before numpy is imported, as edge.cli does
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # as edge does; here ONNX Runtime is imported first

import argparse
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from edge.encoder import ClipEncoder
from export.clap.audio_encoder import ClapAudioEncoder
from export.clap.checkpoint import Checkpoint, open_checkpoint
from export.clap.encoders import exported
from export.clap.geometry import Image
from export.clap.sample import sample_log_mels
from export.parity import compare
from export.pool.recordings import find_recordings
from export.pool.windows import WindowSettings
from export.quantize import dynamic_int8

N_CALIBRATION = 32
PRODUCTS = ["MatMul", "Gemm"]


class Clips(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """What a static scheme is calibrated on."""

    def __init__(self, log_mels: NDArray[np.float32]) -> None:
        self._left: Iterator[NDArray[np.float32]] = iter(log_mels)

    def get_next(self) -> dict[str, Any] | None:
        """The next clip, or None after the last."""
        log_mel = next(self._left, None)
        return None if log_mel is None else {"log_mel": log_mel[None]}


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--checkpoint", required=True, metavar="FILE", help="a checkpoint, or its published name"
    )
    parser.add_argument("--pool", required=True, type=Path, metavar="DIR", help="a folder of recordings")
    parser.add_argument("--rounds", type=int, default=12, metavar="N", help="turns of each (default: 12)")
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # the quantiser tells of every tensor
    checkpoint = open_checkpoint(options.checkpoint)
    log_mels = sample_log_mels(find_recordings(options.pool), WindowSettings(checkpoint.log_mel))
    calibration, judged = np.array_split(log_mels, 2)
    with tempfile.TemporaryDirectory() as folder:
        files = make(checkpoint, Path(folder), calibration)
        report({name: ClipEncoder([file], "cpu") for name, file in files.items()}, judged, options.rounds)


def make(checkpoint: Checkpoint, folder: Path, calibration: NDArray[np.float32]) -> dict[str, Path]:
    """A graph for each scheme, by name; the first is fp32."""
    fp32 = folder / "fp32.onnx"
    model = exported(ClapAudioEncoder(checkpoint.state, checkpoint.architecture))
    onnx.save(model, fp32)
    half = exported(ClapAudioEncoder(checkpoint.state, checkpoint.architecture, Image.HALF))
    constants = {tensor.name for tensor in model.graph.initializer}
    products = [n.name for n in model.graph.node if n.op_type in PRODUCTS and n.input[1] in constants]

    def dynamic(file: Path, **settings: Any) -> None:
        quantize_dynamic(fp32, file, op_types_to_quantize=PRODUCTS, weight_type=QuantType.QInt8, **settings)

    def static(file: Path, **settings: Any) -> None:
        quantize_static(
            fp32, file, Clips(calibration[:N_CALIBRATION]), op_types_to_quantize=PRODUCTS,
            nodes_to_quantize=products, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            **settings,
        )  # fmt: skip

    schemes: dict[str, Callable[[Path], None]] = {
        "dynamic, a scale per channel": lambda file: dynamic(file, per_channel=True),
        "dynamic, a scale per tensor": lambda file: dynamic(file, per_channel=False),
        "dynamic, weights of 7 bits": lambda file: dynamic(file, per_channel=True, reduce_range=True),
        "static, per channel (QDQ)": lambda file: static(
            file, per_channel=True, quant_format=QuantFormat.QDQ
        ),
        "static, per tensor (QOp)": lambda file: static(
            file, per_channel=False, quant_format=QuantFormat.QOperator
        ),
    }
    files = {
        "fp32": fp32,
        "half image, fp32": folder / "half.onnx",
        "half image, dynamic": folder / "half8.onnx",
    }
    onnx.save(half, files["half image, fp32"])
    onnx.save(dynamic_int8(half), files["half image, dynamic"])
    for place, (name, quantise) in enumerate(schemes.items()):
        files[name] = folder / f"{place}.onnx"
        quantise(files[name])
    return files


def report(encoders: dict[str, ClipEncoder], judged: NDArray[np.float32], n_rounds: int) -> None:
    """Print the table."""
    embedded = {name: np.array([encoder.encode(m) for m in judged]) for name, encoder in encoders.items()}
    taken_ms: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(n_rounds):
        for name, encoder in encoders.items():
            began_s = time.perf_counter()
            encoder.encode(judged[0])
            taken_ms[name].append(1e3 * (time.perf_counter() - began_s))
    print(f"{len(judged)} clips, one thread         ms   mean cosine  least    centred")
    for name in encoders:
        parity = compare(embedded[name], embedded["fp32"])
        print(
            f"{name:<30} {median(taken_ms[name]):5.1f}   {parity.cosine_mean:.5f}      "
            f"{parity.cosine_min:.5f}  {parity.centred_cosine:.5f}"
        )


if __name__ == "__main__":
    main()
