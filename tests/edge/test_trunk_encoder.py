"""The encoder in two graphs: the same embeddings as from whole windows, at the cost of a hop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.errors import EncoderError
from edge.trunk_encoder import TrunkHeadEncoder

N_MELS = 8
STRIDE = 4
KERNEL = 7
N_OUTPUTS = 4
N_FRAMES = KERNEL + (N_OUTPUTS - 1) * STRIDE
HOP = 2 * STRIDE
WEIGHTS = np.random.default_rng(1).standard_normal((3, 1, KERNEL, 1)).astype(np.float32)


def value(name: str, *dims: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)


def model(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, NDArray[Any]]
) -> bytes:
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def trunk_onnx() -> bytes:
    """One convolution over time, whose state is the frames that its next output needs."""
    carried = KERNEL - STRIDE
    return model(
        [
            helper.make_node("Unsqueeze", ["log_mel", "axis_1"], ["new"]),
            helper.make_node("Concat", ["state_0", "new"], ["all"], axis=2),
            helper.make_node("Conv", ["all", "weights"], ["maps"], strides=[STRIDE, 1]),
            helper.make_node("Slice", ["all", "from", "to", "axis_2"], ["next_state_0"]),
        ],
        [value("log_mel", 1, "n", N_MELS), value("state_0", 1, 1, carried, N_MELS)],
        [value("maps", 1, 3, "m", N_MELS), value("next_state_0", 1, 1, carried, N_MELS)],
        {
            "weights": WEIGHTS,
            "axis_1": np.array([1]),
            "axis_2": np.array([2]),
            "from": np.array([-carried]),
            "to": np.array([1 << 40]),
        },
    )


def head_onnx(n_outputs: int = N_OUTPUTS) -> bytes:
    """Every map weighs differently, so a wrong one, or one out of place, shows."""
    return model(
        [
            helper.make_node("Flatten", ["maps"], ["flat"]),
            helper.make_node("LpNormalization", ["flat"], ["embedding"], axis=1, p=2),
        ],
        [value("maps", 1, 3, n_outputs, N_MELS)],
        [value("embedding", 1, 3 * n_outputs * N_MELS)],
        {},
    )


def whole(log_mel: NDArray[np.float32]) -> NDArray[np.float64]:
    """The definition: each output from its own frames, no state."""
    starts = range(0, N_FRAMES - KERNEL + 1, STRIDE)
    maps = np.array(
        [[WEIGHTS[c, 0, :, 0].astype(float) @ log_mel[s : s + KERNEL] for s in starts] for c in range(3)]
    )
    return maps.ravel() / np.linalg.norm(maps)


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    trunk, head = tmp_path / "trunk.onnx", tmp_path / "head.onnx"
    trunk.write_bytes(trunk_onnx())
    head.write_bytes(head_onnx())
    return trunk, head


@pytest.fixture
def stream() -> NDArray[np.float32]:
    return np.random.default_rng(2).standard_normal((400, N_MELS)).astype(np.float32)


def n_frames_run(encoder: TrunkHeadEncoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    seen: list[int] = []
    run = encoder._trunk.run

    def watched(feeds: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        seen.append(feeds["log_mel"].shape[1])
        return run(feeds)

    monkeypatch.setattr(encoder._trunk, "run", watched)
    return seen


def test_windows_in_turn_embed_as_each_would_alone(paths: Any, stream: NDArray[np.float32]) -> None:
    encoder = TrunkHeadEncoder(paths, STRIDE, N_FRAMES, HOP, "cpu")
    for start in range(0, 20 * HOP, HOP):
        window = stream[start : start + N_FRAMES]
        np.testing.assert_allclose(encoder.encode(window), whole(window), atol=1e-6)


def test_only_the_frames_of_a_hop_go_through_the_trunk(
    paths: Any, stream: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = TrunkHeadEncoder(paths, STRIDE, N_FRAMES, HOP, "cpu")
    seen = n_frames_run(encoder, monkeypatch)
    for start in range(0, 3 * HOP, HOP):
        encoder.encode(stream[start : start + N_FRAMES])
    assert seen == [N_FRAMES + 1, HOP, HOP]


@pytest.mark.parametrize("jump", [1, STRIDE, HOP - 1, HOP + STRIDE, 5 * HOP, -HOP])
def test_a_window_that_does_not_follow_is_computed_whole(
    paths: Any, stream: NDArray[np.float32], jump: int
) -> None:
    encoder = TrunkHeadEncoder(paths, STRIDE, N_FRAMES, HOP, "cpu")
    for start in (100, 100 + HOP, 100 + HOP + jump, 100 + 2 * HOP + jump):
        window = stream[start : start + N_FRAMES]
        np.testing.assert_allclose(encoder.encode(window), whole(window), atol=1e-6)


@pytest.mark.parametrize("hop", [None, 1, STRIDE + 1])
def test_a_hop_off_the_stride_is_computed_whole(
    paths: Any, stream: NDArray[np.float32], hop: int | None
) -> None:
    encoder = TrunkHeadEncoder(paths, STRIDE, N_FRAMES, hop, "cpu")
    for start in range(0, 10 * (hop or 3), hop or 3):
        window = stream[start : start + N_FRAMES]
        np.testing.assert_allclose(encoder.encode(window), whole(window), atol=1e-6)


def test_a_failed_window_does_not_spoil_the_next(
    paths: Any, stream: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = TrunkHeadEncoder(paths, STRIDE, N_FRAMES, HOP, "cpu")
    encoder.encode(stream[:N_FRAMES])
    with monkeypatch.context() as context:
        context.setattr(encoder._head, "run", lambda _: [np.full((1, 96), np.nan, np.float32)])
        with pytest.raises(EncoderError, match="not finite"):
            encoder.encode(stream[HOP : HOP + N_FRAMES])
    for start in (2 * HOP, 3 * HOP):
        window = stream[start : start + N_FRAMES]
        np.testing.assert_allclose(encoder.encode(window), whole(window), atol=1e-6)


def test_graphs_that_do_not_fit_each_other_are_refused(paths: Any) -> None:
    encoder = TrunkHeadEncoder(paths, STRIDE, N_FRAMES, HOP, "cpu")
    encoder.check_shapes(N_MELS, 3 * N_OUTPUTS * N_MELS)
    with pytest.raises(EncoderError, match=r"trunk\.onnx is not the encoder it should be: its inputs"):
        encoder.check_shapes(N_MELS + 1, 3 * N_OUTPUTS * N_MELS)
    with pytest.raises(EncoderError, match=r"head\.onnx is not the encoder it should be: its outputs"):
        encoder.check_shapes(N_MELS, 5)


def test_a_clip_encoder_in_place_of_the_head_is_refused(paths: Any) -> None:
    with pytest.raises(EncoderError, match="input maps must have four fixed dimensions"):
        TrunkHeadEncoder((paths[0], paths[0]), STRIDE, N_FRAMES, HOP, "cpu")
