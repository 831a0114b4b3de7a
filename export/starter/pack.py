"""From a trained encoder to the bundle directory that ships."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.bundle_arrays import npz_bytes
from edge.bundle_writer import write_bundle
from edge.frontend import STARTER
from edge.manifest import SCHEMA_VERSION, EncoderEntry, LabelEntry, Manifest, Provenance, RuleDefaults
from edge.trunk_encoder import TrunkHeadEncoder
from export.starter.cross_validation import WINDOW_HOP, WINDOW_LENGTH, Embed
from export.starter.data import Clip
from export.starter.model import EMBEDDING_DIM, STRIDE_FRAMES, WINDOW_FRAMES
from export.starter.vocabulary import VOCABULARY

ENCODER = "fp32"
RULES = RuleDefaults(margin=-0.08, off_margin=0.1, confirm_s=0.96, within_s=2.4, release_s=1.5, rivals="all")
"""A label must be nearly the best of all but its kin; docs/evaluation.md tells what that brings."""
GRAPH_FILES = ("audio_encoder.trunk.onnx", "audio_encoder.head.onnx")


@dataclass(frozen=True, eq=False)
class Trained:
    """What goes into the bundle.

    Attributes:
        graphs: the encoder's trunk and head as ONNX.
        targets: ESC-50's numbers of the labels that the bundle gets, ascending.
        directions: (50, 512) float32 of unit norm, the labels' prototypes, in order of ESC-50's targets.
        thresholds: (50,) float32 cosines, likewise.
        backgrounds: prototypes of what must not fire.
        clips: what it was trained from, for the attribution that CC BY asks for.
        golden_log_mel: (249, 64) float32.
        accuracy: figures measured on the way.
        created: RFC 3339, UTC.
    """

    graphs: tuple[bytes, bytes]
    targets: Sequence[int]
    directions: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    backgrounds: Sequence[Background]
    clips: Sequence[Clip]
    golden_log_mel: NDArray[np.float32]
    accuracy: Mapping[str, float | str]
    created: str


@dataclass(frozen=True, eq=False)
class Background:
    """Prototypes of one kind of background.

    Attributes:
        name: what it is called in reports.
        vectors: (n, embedding_dim) float32 of unit norm.
        n_clips: clips they were made from.
    """

    name: str
    vectors: NDArray[np.float32]
    n_clips: int


def graph_embed(graphs: tuple[bytes, bytes]) -> Embed:
    """The exported encoder as a function of arrays; the very arithmetic that ships."""
    with TemporaryDirectory() as directory:
        paths = [Path(directory) / name for name in GRAPH_FILES]
        for path, graph in zip(paths, graphs, strict=True):
            path.write_bytes(graph)
        encoder = TrunkHeadEncoder(paths, STRIDE_FRAMES, WINDOW_FRAMES, None, "cpu")

    def embed(log_mels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([encoder.encode(log_mel) for log_mel in log_mels])

    return embed


def centroids(embeddings: NDArray[np.float32], n_centroids: int, seed: int) -> NDArray[np.float32]:
    """Spherical k-means (Dhillon & Modha, 2001): unit vectors that stand for a cloud of them.

    embeddings: (n, dim) float32 of unit norm, n ≥ n_centroids.
    Returns: (n_centroids, dim) float32 of unit norm.
    """
    rng = np.random.default_rng(seed)
    centres = embeddings[rng.choice(len(embeddings), n_centroids, replace=False)]
    for _ in range(50):
        nearest = np.argmax(embeddings @ centres.T, axis=1)
        sums = np.stack(
            [
                embeddings[nearest == k].sum(axis=0) if np.any(nearest == k) else centres[k]
                for k in range(n_centroids)
            ]
        )
        centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centres.astype(np.float32)


def pack(directory: Path, trained: Trained) -> Bundle:
    """Write the bundle, replacing one that is there. Raises: BundleError."""
    backgrounds, embed = trained.backgrounds, graph_embed(trained.graphs)
    n_labels = len(trained.targets)
    vectors = np.concatenate([trained.directions[list(trained.targets)], *(b.vectors for b in backgrounds)])
    owners = np.concatenate(
        [np.arange(n_labels)]
        + [np.full(len(b.vectors), n_labels + index) for index, b in enumerate(backgrounds)]
    )
    sha256 = hashlib.sha256(b"".join(trained.graphs)).hexdigest()
    files: dict[str, bytes | Path] = {
        **dict(zip(GRAPH_FILES, trained.graphs, strict=True)),
        "prototypes.fp32.npz": npz_bytes(
            vectors=vectors, owners=owners.astype(np.int32), encoder_sha256=np.array(sha256)
        ),
        "golden.fp32.npz": npz_bytes(
            log_mel=trained.golden_log_mel, embedding=embed(trained.golden_log_mel[None])[0]
        ),
        "attribution.csv": attribution(trained.clips),
    }
    entry = EncoderEntry(
        name=ENCODER,
        kind="trunk+head",
        files=GRAPH_FILES,
        stride_frames=STRIDE_FRAMES,
        precision="fp32",
        meant_for="cpu",
        embedding_dim=EMBEDDING_DIM,
        prototypes="prototypes.fp32.npz",
        golden="golden.fp32.npz",
        pool=None,
    )
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name="edge-listen starter",
        created=trained.created,
        files={},
        log_mel=STARTER,
        window_s=WINDOW_LENGTH / STARTER.sample_rate_hz,
        clip_s=WINDOW_LENGTH / STARTER.sample_rate_hz,
        hop_s=WINDOW_HOP / STARTER.sample_rate_hz,
        padding="zero",
        rules=RULES,
        encoders=(entry,),
        text_encoder=None,
        recipe=None,
        labels=(*_labels(trained), *(_background_label(b) for b in backgrounds)),
        background=None,
        accuracy=trained.accuracy,
        parity={},
        provenance=Provenance(
            weights="trained by edge-listen (export/starter) on the clips in attribution.csv and on "
            "generated background; YAMNet (Google, Apache-2.0) was the teacher",
            licence="Apache-2.0",
            notes="Clips of ESC-50 under CC0 and CC BY only; no audio is contained. See MODEL_CARD.md.",
            attribution="attribution.csv",
        ),
    )
    return write_bundle(directory, manifest, files, replace=directory.exists())


def _labels(trained: Trained) -> list[LabelEntry]:
    return [
        LabelEntry(
            name=VOCABULARY[target].name,
            kind="label",
            aliases=VOCABULARY[target].aliases,
            dataset_names=(VOCABULARY[target].dataset_name,),
            rivals_group=VOCABULARY[target].rivals_group,
            method="direction learnt with the encoder",
            support=sum(clip.target == target for clip in trained.clips),
            thresholds={ENCODER: round(float(trained.thresholds[target]), 3)},
            note=None,
        )
        for target in trained.targets
    ]


def _background_label(background: Background) -> LabelEntry:
    return LabelEntry(
        name=background.name,
        kind="background",
        aliases=(),
        dataset_names=(),
        rivals_group=None,
        method=f"{len(background.vectors)} centroids of generated audio",
        support=background.n_clips,
        thresholds={},
        note=None,
    )


def attribution(clips: Sequence[Clip]) -> bytes:
    """Table of clips: file, author, licence, page of the recording, label."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "author", "licence", "source", "labels"])
    for clip in sorted(clips, key=lambda c: c.filename):
        label = VOCABULARY[clip.target].name
        writer.writerow([clip.filename, clip.author, clip.licence, clip.source, label])
    return text.getvalue().encode()
