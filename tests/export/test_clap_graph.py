"""The audio encoder as ONNX graphs: what ships computes what was exported, at any batch, on any provider."""

from __future__ import annotations

import logging

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch, from the extra `export`")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs ONNX Runtime, from the extra `cpu`")

import clap_audio  # noqa: E402 - after the skip
import onnx  # noqa: E402
from clap_audio import SMALL  # noqa: E402
from onnx import TensorProto, numpy_helper  # noqa: E402

from export.clap.encoders import exported  # noqa: E402
from export.clap.geometry import Image  # noqa: E402
from export.onnx_export import to_onnx  # noqa: E402
from export.quantize import dynamic_int8  # noqa: E402

both_images = pytest.mark.parametrize("image", Image)


def export(image: Image) -> onnx.ModelProto:
    return exported(clap_audio.encoder(SMALL, image))


@pytest.fixture(scope="module")
def fp32() -> dict[Image, onnx.ModelProto]:
    return {image: export(image) for image in Image}


@pytest.fixture(scope="module")
def int8(fp32) -> dict[Image, onnx.ModelProto]:
    return {image: dynamic_int8(model) for image, model in fp32.items()}


def run(model: onnx.ModelProto, log_mels: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(["embedding"], {"log_mel": log_mels})[0]


def embed(image: Image, log_mels: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return clap_audio.encoder(SMALL, image)(torch.from_numpy(log_mels)).numpy()


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def nodes(model: onnx.ModelProto, op_type: str) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type == op_type]


@both_images
@pytest.mark.parametrize("n_clips", [1, 2, 5])
def test_the_graph_embeds_as_the_module_does_at_any_batch(fp32, image, n_clips):
    log_mels = clap_audio.log_mels()[:n_clips]
    found = run(fp32[image], log_mels)
    assert (found.shape, found.dtype) == ((n_clips, 512), np.float32)
    assert np.abs(found - embed(image, log_mels)).max() <= 1e-5


@both_images
def test_the_graph_is_one_that_old_runtimes_and_accelerators_know(fp32, int8, image):
    for model in (fp32[image], int8[image]):
        assert [(used.domain, used.version) for used in model.opset_import] == [("", 17)]
        assert model.ir_version <= 9  # ONNX Runtime 1.17 knows no later one
        assert {node.domain for node in model.graph.node} == {""}


@both_images
def test_the_graph_finds_out_nothing_at_run_time_that_is_known_at_export(fp32, image):
    # CUDA would send such nodes to the CPU, between nodes on the GPU.
    shape_work = {"Shape", "Size", "If", "Loop", "Scan", "ConstantOfShape", "Range", "NonZero", "Where"}
    assert not shape_work & {node.op_type for node in fp32[image].graph.node}


@both_images
def test_the_graph_has_the_bundles_names_and_only_the_batch_open(fp32, int8, image):
    for model in (fp32[image], int8[image]):
        (taken,), (given,) = model.graph.input, model.graph.output
        assert (taken.name, given.name) == ("log_mel", "embedding")
        first, *rest = taken.type.tensor_type.shape.dim
        assert first.dim_param
        assert [dim.dim_value for dim in rest] == [1001, 64]


def test_the_same_weights_export_to_the_same_bytes(fp32, int8):
    again = export(Image.HALF)
    assert again.SerializeToString() == fp32[Image.HALF].SerializeToString()
    assert dynamic_int8(again).SerializeToString() == int8[Image.HALF].SerializeToString()


@both_images
def test_masked_tokens_are_masked_to_nothing_and_not_to_denormals(fp32, image):
    tables = [value for value in constants(fp32[image]).values() if value.shape[-2:] in ((64, 64), (32, 32))]
    masked = [table for table in tables if table.min() < -80.0]
    assert len(masked) == 3  # the shifted block of each stage but the last
    for table in masked:
        # exp(-104) rounds to zero in single precision: here that is so for scores of up to thousands.
        assert table[table < -80.0].max() < -9000.0


@both_images
def test_every_product_with_weights_is_one_of_integers_when_quantised(fp32, int8, image):
    known = constants(fp32[image])
    weighted = [n for kind in ("MatMul", "Gemm") for n in nodes(fp32[image], kind) if n.input[1] in known]
    between_activations = [n for n in nodes(fp32[image], "MatMul") if n.input[1] not in known]
    assert len(weighted) == 7 * 6 + 3 + 1 + 2  # of blocks, mergings, the patches and the projection
    assert len(nodes(int8[image], "MatMulInteger")) == len(weighted)
    assert len(nodes(int8[image], "MatMul")) == len(between_activations) == 7 * 2
    assert not nodes(int8[image], "Gemm")


@both_images
def test_weights_are_signed_with_a_scale_for_each_output_and_activations_unsigned(int8, image):
    model = int8[image]
    known = constants(model)
    products = nodes(model, "MatMulInteger")
    quantised_as_they_come = {n.output[0] for n in nodes(model, "DynamicQuantizeLinear")}
    assert {product.input[0] for product in products} <= quantised_as_they_come  # of uint8 by definition
    for product in products:
        weight = known[product.input[1]]
        scale = known[product.input[1].removesuffix("_quantized") + "_scale"]
        assert weight.dtype == np.int8
        assert scale.shape == (weight.shape[1],)
        assert known[product.input[3]].dtype == np.int8
        assert not known[product.input[3]].any()
    floats = [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT]
    assert max(numpy_helper.to_array(t).ndim for t in floats if "bias" not in t.name) <= 3


@both_images
def test_the_quantised_graph_embeds_nearly_as_the_full_one(fp32, int8, image):
    for log_mel in clap_audio.log_mels():
        (full,), (quantised,) = run(fp32[image], log_mel[None]), run(int8[image], log_mel[None])
        assert full @ quantised > 0.99
        assert 1e-6 < np.abs(full - quantised).max() < 0.05
        assert np.linalg.norm(quantised) == pytest.approx(1.0, abs=1e-5)


def test_quantising_leaves_the_model_and_the_log_as_they_were(fp32, caplog):
    before = fp32[Image.HALF].SerializeToString()
    with caplog.at_level(logging.DEBUG):
        dynamic_int8(fp32[Image.HALF])
        logging.getLogger("export").warning("still heard")
    assert fp32[Image.HALF].SerializeToString() == before
    assert [record.getMessage() for record in caplog.records] == ["still heard"]


def test_a_module_of_several_inputs_exports_with_each_ones_open_dimension():
    class Sum(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a.sum(dim=1) + b.sum(dim=1)

    model = to_onnx(Sum(), {"a": torch.zeros(1, 3), "b": torch.zeros(1, 4)}, "c", {"a": 0, "b": 0, "c": 0})
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(session.run(None, {"a": a, "b": b})[0], [7.0, 16.0])
