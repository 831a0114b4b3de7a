"""int8 weights on processors of both kinds: those that add products of 8 bits up, and those that overflow."""

from __future__ import annotations

import numpy as np
import pytest

for needed in ("onnx", "onnxruntime"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extras `export` and `cpu`")

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnxruntime import InferenceSession  # noqa: E402

from export import quantize  # noqa: E402


def product(weights: np.ndarray) -> onnx.ModelProto:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weights.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_products_of_large_values_are_right_on_this_machine() -> None:
    # All weights and values at the ends of their ranges: where products overflow, these do.
    weights = np.full((64, 4), 1.0, np.float32)
    model = quantize.dynamic_int8(product(weights))
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": np.full((1, 64), 1.0, np.float32)})
    np.testing.assert_allclose(y, 64.0, rtol=0.01)


@pytest.mark.parametrize("largest", [127, 64])
def test_weights_have_seven_bits_where_products_overflow(
    largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize, "adds_products_exactly", lambda: largest == 127)
    weights = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    model = quantize.dynamic_int8(product(weights))
    stored = [
        numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 2
    ]
    assert np.abs(stored[0].astype(int)).max() in (largest - 1, largest)
