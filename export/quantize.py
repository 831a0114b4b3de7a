"""fp32 ONNX → int8, in the schemes that were measured to pay (docs/clap.md)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def dynamic_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantise the weights of all matrix products by constants; activations are quantised as they come.

    Weights are S8 with a scale for each output (per tensor costs a cosine of 0.98), activations U8, which x86
    multiplies faster than S8. `model` is not changed.

    Where this machine can't add such products up (x86 without VNNI), weights have seven bits: what is made is
    then right here, where it is measured, and everywhere.
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
            reduce_range=not adds_products_exactly(),
        )
        return onnx.load(path)


@cache
def adds_products_exactly() -> bool:
    """Whether ONNX Runtime's sums of U8 by S8 products are right here.

    On x86 without VNNI two products are added in 16 bits, which saturate (onnxruntime.ai, "Quantize ONNX
    models": "reduce_range").
    """
    from onnxruntime import InferenceSession  # noqa: PLC0415 - slow to import

    length = 64
    left, right = np.full((1, length), 255, np.uint8), np.full((length, 16), 127, np.int8)
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["left", "right"], ["sums"])],
        "products",
        [helper.make_tensor_value_info("left", onnx.TensorProto.UINT8, [1, length])],
        [helper.make_tensor_value_info("sums", onnx.TensorProto.INT32, [1, 16])],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (sums,) = session.run(None, {"left": left})
    return bool((sums == 255 * 127 * length).all())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the quantiser logs of every tensor, by the root logger."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
