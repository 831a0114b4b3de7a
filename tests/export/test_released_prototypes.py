"""The paper authors' released prototypes in a bundle: what lies near what is what sounds like it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx, from the extra `test`")

from synthetic_bundle import synthetic_files, synthetic_manifest

from edge.bundle import Bundle
from edge.bundle_arrays import npz_bytes
from edge.bundle_writer import write_bundle
from edge.labels import resolve_labels
from edge.manifest import LabelEntry
from edge.scoring import scores
from export.starter.vocabulary import VOCABULARY

DIM = 512


@pytest.fixture(scope="module")
def released(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The released LAION-CLAP prototypes as a bundle's; the encoder beside them stands for none."""
    vectors = np.load(shared_data / "clap-prototypes" / "esc50_clap_k35.npy").astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    files = synthetic_files(with_background=False)
    graph = files["audio_encoder.fp32.onnx"]
    files["prototypes.fp32.npz"] = npz_bytes(
        vectors=vectors,
        owners=np.arange(50, dtype=np.int32),
        encoder_sha256=hashlib.sha256(graph).hexdigest(),
    )
    golden = np.load(shared_data / "clap-goldens" / "golden_audio_emb.npy").astype(np.float32).reshape(-1)
    log_mel = np.zeros((synthetic_manifest().n_frames, 64), np.float32)
    files["golden.fp32.npz"] = npz_bytes(log_mel=log_mel, embedding=golden / np.linalg.norm(golden))
    manifest = synthetic_manifest(with_background=False)
    labels = tuple(
        LabelEntry(
            word.name, "label", word.aliases, (word.dataset_name,), None, "released", 35, {"fp32": 0.5}, None
        )
        for word in VOCABULARY
    )
    entry = replace(manifest.encoders[0], embedding_dim=DIM)
    directory = tmp_path_factory.mktemp("released") / "bundle"
    return write_bundle(directory, replace(manifest, labels=labels, encoders=(entry,)), files)


@pytest.fixture(scope="module")
def neighbours(released: Bundle) -> dict[str, list[str]]:
    """Each class's others, the nearest first, as the product's own scoring ranks them."""
    prototypes = released.prototypes(released.encoder_entry())
    cosines = scores(prototypes.vectors, prototypes)
    np.fill_diagonal(cosines, -1.0)
    names = [word.dataset_name for word in VOCABULARY]
    return {name: [names[i] for i in np.argsort(-row)] for name, row in zip(names, cosines, strict=True)}


def test_their_labels_can_be_asked_for(released: Bundle) -> None:
    assert resolve_labels(["dog"], released.manifest.labels) == ["dog bark"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("rooster", "hen"),
        ("sea_waves", "wind"),
        ("door_wood_knock", "door_wood_creaks"),
        ("mouse_click", "keyboard_typing"),
        ("coughing", "sneezing"),
        ("helicopter", "airplane"),
        ("chirping_birds", "crow"),
    ],
)
def test_sounds_that_are_alike_are_neighbours(neighbours: dict[str, list[str]], one: str, other: str) -> None:
    assert other in neighbours[one][:4] or one in neighbours[other][:4]


def test_the_nearest_neighbour_is_mostly_of_the_same_group(neighbours: dict[str, list[str]]) -> None:
    names = [word.dataset_name for word in VOCABULARY]
    group = {name: place // 10 for place, name in enumerate(names)}  # ESC-50's five groups of ten
    same = [group[name] == group[near[0]] for name, near in neighbours.items()]
    # By chance 9 of 49.
    assert np.mean(same) > 0.5
