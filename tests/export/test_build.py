"""From a network to a bundle, without training: packing, centroids, and whose results a work folder holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

for needed in ("torch", "onnx", "tqdm"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extra `export`")

import torch  # noqa: E402 - after the skip
from synthetic_bundle import (  # noqa: E402
    synthetic_labels,
    synthetic_manifest,
    write_synthetic_bundle,
)

from edge.config import ListenConfig  # noqa: E402
from edge.pipeline import prepare  # noqa: E402
from export.starter.build import StarterSettings, _claim  # noqa: E402
from export.starter.calibration import final_fold_members  # noqa: E402
from export.starter.data import Clip, DatasetError  # noqa: E402
from export.starter.graph import export_graphs  # noqa: E402
from export.starter.model import EMBEDDING_DIM, WINDOW_FRAMES, StarterEncoder  # noqa: E402
from export.starter.pack import Background, Trained, centroids, pack  # noqa: E402


def directions(n: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, EMBEDDING_DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_what_is_packed_loads_and_listens(tmp_path: Path) -> None:
    torch.manual_seed(0)
    clip = Clip("1-1-A-0.wav", tmp_path, 1, 0, "dog", "CC-BY", 'A, "B"', "http://freesound.org/1/")
    trained = Trained(
        graphs=export_graphs(StarterEncoder()),
        targets=[target for target in range(50) if target != 1],
        directions=directions(50, 1),
        thresholds=np.linspace(0.5, 0.7, 50, dtype=np.float32),
        backgrounds=[Background("background hum", directions(3, 2), 12)],
        clips=[clip],
        golden_log_mel=np.zeros((WINDOW_FRAMES, 64), np.float32),
        accuracy={"figure": 0.5},
        created="2026-01-01T00:00:00Z",
    )
    pack(tmp_path / "bundle", trained)
    pipeline = prepare(ListenConfig(labels=("crying_baby", "Dogs"), bundle=tmp_path / "bundle"))
    assert list(pipeline.rules) == ["baby cry", "dog bark"]
    assert "rooster" not in pipeline.prototypes.names
    assert pipeline.prototypes.names[1] == "pig"
    assert np.array_equal(pipeline.prototypes.vectors[1], trained.directions[2])
    assert pipeline.rules["dog bark"].on_threshold == 0.5
    golden = pipeline.bundle.golden(pipeline.entry)
    assert pipeline.encoder.encode(golden.log_mel) @ golden.embedding == pytest.approx(1.0, abs=1e-4)
    listed = (tmp_path / "bundle" / "attribution.csv").read_text("utf-8").splitlines()
    assert listed == [
        "file,author,licence,source,labels",
        '1-1-A-0.wav,"A, ""B""",CC-BY,http://freesound.org/1/,dog bark',
    ]
    assert sum(entry.size_bytes for entry in pipeline.bundle.manifest.files.values()) < 8e6


def test_the_last_folds_free_clips_of_known_labels_are_the_members(tmp_path: Path) -> None:
    audio = tmp_path / "a.wav"
    audio.write_bytes(b"sound")
    clips = [
        Clip(f"{fold}-1-A-{target}.wav", audio, fold, target, "", licence, "A", "http://freesound.org/1/")
        for fold, target, licence in [
            (4, 2, "CC0"), (4, 2, "CC-BY-NC"), (1, 2, "CC0"), (4, 1, "CC-BY"), (4, 0, "CC-BY"),
        ]
    ]  # fmt: skip
    labels = [label for label in synthetic_labels() if label.kind == "label"]
    names = ["pig", "dog bark", "siren"]
    manifest = replace(
        synthetic_manifest(), labels=tuple(replace(la, name=n) for la, n in zip(labels, names, strict=True))
    )
    bundle = replace(write_synthetic_bundle(tmp_path / "bundle"), manifest=manifest)
    members = final_fold_members(bundle, clips)
    assert [place for place, _ in members] == [0, 1]


def test_centroids_are_the_middles_of_clouds() -> None:
    centres = directions(3, 3)
    rng = np.random.default_rng(4)
    cloud = np.repeat(centres, 100, axis=0) + 0.01 * rng.standard_normal((300, EMBEDDING_DIM))
    cloud /= np.linalg.norm(cloud, axis=1, keepdims=True)
    found = centroids(cloud.astype(np.float32), 3, seed=1)
    assert (found @ centres.T).max(axis=0) == pytest.approx(1.0, abs=0.01)


def test_results_for_other_settings_or_data_are_not_gone_on_with(tmp_path: Path) -> None:
    audio = tmp_path / "a.wav"
    audio.write_bytes(b"sound")
    clips = [Clip("1-1-A-0.wav", audio, 1, 0, "dog", "CC0", "A", "http://freesound.org/1/")]
    _claim(tmp_path, StarterSettings(), clips)
    _claim(tmp_path, StarterSettings(false_share=0.1), clips)  # thresholds are set anew each time
    with pytest.raises(DatasetError, match="give another --work"):
        _claim(tmp_path, StarterSettings(seed=2), clips)
    audio.write_bytes(b"other sound")
    with pytest.raises(DatasetError, match="give another --work"):
        _claim(tmp_path, StarterSettings(), clips)
