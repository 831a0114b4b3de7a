"""The starter's two graphs: what ships equals what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch, from the extra `export`")

from edge.trunk_encoder import TrunkHeadEncoder  # noqa: E402 - after the skip
from export.starter.graph import export_graphs  # noqa: E402
from export.starter.model import STRIDE_FRAMES, WINDOW_FRAMES, StarterEncoder  # noqa: E402


@pytest.fixture(scope="module")
def encoder() -> StarterEncoder:
    torch.manual_seed(0)
    made = StarterEncoder().eval()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    return made


@pytest.fixture(scope="module")
def paths(encoder: StarterEncoder, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = [tmp_path_factory.mktemp("graphs") / name for name in ("trunk.onnx", "head.onnx")]
    for path, graph in zip(made, export_graphs(encoder), strict=True):
        path.write_bytes(graph)
    return made


@pytest.mark.parametrize("hop_frames", [48, 16, None])
def test_streamed_windows_embed_as_the_trained_network_would(
    encoder: StarterEncoder, paths: list[Path], hop_frames: int | None
) -> None:
    stream = np.random.default_rng(1).normal(-2, 2, (WINDOW_FRAMES + 5 * 48, 64)).astype(np.float32)
    streaming = TrunkHeadEncoder(paths, STRIDE_FRAMES, WINDOW_FRAMES, hop_frames, "cpu")
    for start in range(0, 5 * 48, hop_frames or 30):
        window = stream[start : start + WINDOW_FRAMES]
        with torch.inference_mode():
            trained = encoder(torch.from_numpy(window[None]))[0].numpy()
        # Half-precision weights: as far as that rounding goes.
        assert float(streaming.encode(window) @ trained) > 0.99999


def test_frames_behind_the_window_change_nothing(encoder: StarterEncoder) -> None:
    log_mel = torch.randn(1, WINDOW_FRAMES + 8, 64)
    with torch.inference_mode():
        np.testing.assert_array_equal(encoder(log_mel), encoder(log_mel[:, :WINDOW_FRAMES]))
