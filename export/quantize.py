"""fp32 ONNX → int8, in the schemes that were measured to pay (docs/clap.md)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx


def dynamic_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantise the weights of all matrix products by constants; activations are quantised as they come.

    Weights are S8 with a scale for each output (per tensor costs a cosine of 0.98), activations U8, which x86
    multiplies faster than S8. `model` is not changed.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - slow to import

    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
        )
        return onnx.load(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the quantiser logs of every tensor, by the root logger."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
