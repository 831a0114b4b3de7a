"""Everything that was made → the bundle directory."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.bundle_arrays import npz_bytes
from edge.bundle_writer import write_bundle
from edge.manifest import (
    SCHEMA_VERSION,
    EncoderEntry,
    LabelEntry,
    Manifest,
    Provenance,
    Recipe,
    RuleDefaults,
    TextEncoderEntry,
)
from export.clap.background import BACKGROUND, kin_by_words, rivals_groups
from export.clap.checkpoint import Checkpoint
from export.clap.heard import Heard
from export.clap.label_texts import LabelTexts
from export.clap.text_encoder import MAX_TOKENS
from export.pool.attribution import Credit
from export.pool.windows import WindowSettings

HOP_S = 1.0
RULES = RuleDefaults(
    margin=0.0, off_margin=0.05, confirm_s=2.0, within_s=4.0, release_s=3.0, rivals="background"
)
"""A short sound is in five windows, a second apart. A label must be at least as near as every background."""
_ATTRIBUTION = "attribution.csv"
_TOKENIZER = "tokenizer.json"
_TEXT_GRAPH = "text_encoder.onnx"


@dataclass(frozen=True, eq=False)
class Contents:
    """What goes into a bundle.

    Attributes:
        name: what people call it.
        created: RFC 3339 UTC.
        checkpoint: where the weights come from.
        settings: window, clip and front end.
        texts: labels and backgrounds.
        prompts: that their texts were made with.
        heard: by each encoder; the first is the one for CPUs, if there is one.
        golden: (n_frames, n_mels) float32, a log-mel for the golden files.
        text_encoder: the text encoder's file and the tokenizer's, or None.
        credits: of the recordings that prototypes or pool hold.
        parity: figures.
    """

    name: str
    created: str
    checkpoint: Checkpoint
    settings: WindowSettings
    texts: LabelTexts
    prompts: tuple[str, ...]
    heard: Sequence[Heard]
    golden: NDArray[np.float32]
    text_encoder: tuple[Path, Path] | None
    credits: Sequence[Credit]
    parity: Mapping[str, float | str]


def pack(out: Path, contents: Contents, *, replace_old: bool) -> Bundle:
    """Write the bundle. Raises: BundleError."""
    files: dict[str, bytes | Path] = {}
    for heard in contents.heard:
        files |= _files_of(heard, contents.golden)
    if contents.text_encoder is not None:
        graph, tokenizer = contents.text_encoder
        files |= {_TEXT_GRAPH: graph, _TOKENIZER: tokenizer}
    if contents.credits:
        files[_ATTRIBUTION] = _attribution(contents.credits)
    return write_bundle(out, _manifest(contents), files, replace=replace_old)


def _files_of(heard: Heard, golden: NDArray[np.float32]) -> dict[str, bytes | Path]:
    entry = _encoder_entry(heard)
    made_with = np.str_(heard.graph.sha256)
    files: dict[str, bytes | Path] = {
        entry.files[0]: heard.graph.path,
        entry.prototypes: npz_bytes(
            vectors=np.array([prototype.vector for prototype in heard.prototypes], np.float32),
            owners=np.arange(len(heard.prototypes), dtype=np.int32),
            encoder_sha256=made_with,
        ),
        entry.golden: npz_bytes(log_mel=golden, embedding=heard.graph.encode(golden)),
    }
    if entry.pool is not None and heard.pool is not None:
        files[entry.pool] = npz_bytes(
            embeddings=heard.pool.embeddings.astype(np.float16),
            recording=heard.pool.recording.astype(np.int32),
            names=np.array(heard.pool.names, np.str_),
            encoder_sha256=made_with,
        )
    return files


def _encoder_entry(heard: Heard) -> EncoderEntry:
    name = heard.graph.precision
    return EncoderEntry(
        name=name,
        kind="clip",
        files=(f"audio_encoder.{name}.onnx",),
        stride_frames=None,
        precision=name,
        # GPUs have no kernels for int8 as it is quantised here.
        meant_for="gpu" if name == "fp32" else "cpu",
        embedding_dim=len(heard.prototypes[0].vector),
        prototypes=f"prototypes.{name}.npz",
        golden=f"golden.{name}.npz",
        pool=None if heard.pool is None else f"pool.{name}.npz",
    )


def _manifest(contents: Contents) -> Manifest:
    texts, settings = contents.texts, contents.settings
    encoders = tuple(_encoder_entry(heard) for heard in contents.heard)
    text_encoder = None
    if contents.text_encoder is not None:
        text_encoder = TextEncoderEntry((_TEXT_GRAPH,), _TOKENIZER, MAX_TOKENS, encoders[0].embedding_dim)
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=contents.name,
        created=contents.created,
        files={},
        log_mel=settings.log_mel,
        window_s=settings.window_s,
        clip_s=settings.clip_s,
        hop_s=HOP_S,
        padding=settings.padding,
        rules=RULES,
        encoders=encoders,
        text_encoder=text_encoder,
        recipe=Recipe(contents.prompts, texts.method, texts.k),
        labels=tuple(_label_entries(contents)),
        background=None,
        accuracy={},
        parity=contents.parity,
        provenance=_provenance(contents),
    )


def _label_entries(contents: Contents) -> list[LabelEntry]:
    labels = contents.texts.labels
    kin = np.any([kin_by_words(labels), *(heard.kin for heard in contents.heard)], axis=0)
    groups = rivals_groups(kin)
    entries = [_entry(contents, place, name, groups[place]) for place, name in enumerate(labels)]
    return entries + [
        replace(
            _entry(contents, place, sound.name, groups[place]),
            kind="background", aliases=sound.aliases(labels), thresholds={}, note=None,
        )
        for place, sound in enumerate(BACKGROUND, len(labels))
    ]  # fmt: skip


def _entry(contents: Contents, place: int, name: str, rivals_group: str | None) -> LabelEntry:
    """The entry of a label; a background's is the same with less in it."""
    by_encoder = {heard.graph.precision: heard.prototypes[place] for heard in contents.heard}
    notes = [prototype.note for prototype in by_encoder.values() if prototype.note is not None]
    return LabelEntry(
        name=name,
        kind="label",
        aliases=(),
        dataset_names=(),
        rivals_group=rivals_group,
        method=contents.texts.method,
        support=len(contents.heard[0].prototypes[place].rows),
        thresholds={encoder: round(p.threshold, 4) for encoder, p in by_encoder.items()},
        note=notes[0] if notes else None,
    )


def _provenance(contents: Contents) -> Provenance:
    checkpoint = contents.checkpoint
    return Provenance(
        weights=f"LAION-CLAP {checkpoint.architecture.name}"
        f"{' with fusion' if checkpoint.architecture.fusion else ''}, {checkpoint.origin}, "
        f"sha256 {checkpoint.sha256}",
        licence=f"weights: {checkpoint.licence}"
        + (f"; recordings of the pool: see {_ATTRIBUTION}" if contents.credits else ""),
        notes="",
        attribution=_ATTRIBUTION if contents.credits else None,
    )


def _attribution(credits_: Sequence[Credit]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Credit._fields)
    writer.writerows(credits_)
    return text.getvalue().encode("utf-8")
