"""What a bundle's manifest.json says, as frozen dataclasses that cannot hold a contradiction.

The field-by-field description for people is docs/bundle-format.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from edge.errors import BundleError
from edge.frontend import LogMelSpec, Padding
from edge.schema import describe

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
# What a message advises: after damage on the way, after a mistake in making, after a change of the format.
COPY_AGAIN = "copy the bundle again"
EXPORT_AGAIN = "export it again with edge-export"
UPGRADE = "upgrade edge-listen"


class NewerBundleError(BundleError):
    """Made by a later version of the programs, so that another export would not help."""


@dataclass(frozen=True)
class FileEntry:
    """What a file of the bundle must be.

    Attributes:
        sha256: of its bytes, 64 lower-case hexadecimal digits.
        size_bytes: its length.
    """

    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise BundleError(
                f"a file's sha256 must be 64 lower-case hex digits, not {describe(self.sha256)}"
            )
        if self.size_bytes < 0:
            raise BundleError(f"a file's size_bytes must not be negative, but is {self.size_bytes}")


@dataclass(frozen=True)
class EncoderEntry:
    """One form of the encoder; all forms of a bundle embed the same log-mel.

    Attributes:
        name: what a person picks it by, such as "fp32".
        kind: "clip" is one graph from a clip's log-mel to its embedding. "trunk+head" is two, of which the
            first takes only the frames that a hop adds, see `edge.trunk_encoder`.
        files: the graph's file first, then those that it refers to; or the trunk's and the head's.
        stride_frames: frames from one output of the trunk to the next; None for a clip.
        precision: of the weights.
        meant_for: where it runs best.
        embedding_dim: length of an embedding.
        prototypes: file of the prototypes made with it.
        golden: file of a log-mel and the embedding that it must yield.
    """

    name: str
    kind: str
    files: tuple[str, ...]
    stride_frames: int | None
    precision: Literal["fp32", "fp16", "int8"]
    meant_for: Literal["cpu", "gpu"]
    embedding_dim: int
    prototypes: str
    golden: str

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        _check_name("an encoder's name", self.name)
        if self.kind not in ("clip", "trunk+head"):
            raise NewerBundleError(
                f'encoder "{self.name}" is of kind {describe(self.kind)}, '
                'which this version cannot run (only "clip" and "trunk+head")'
            )
        if not self.files:
            raise BundleError(f'encoder "{self.name}" names no files')
        if self.kind == "trunk+head" and len(self.files) != 2:
            raise BundleError(
                f'encoder "{self.name}" needs two files, trunk and head, but names {len(self.files)}'
            )
        stride = self.stride_frames
        if (self.kind == "clip") != (stride is None) or (stride is not None and stride < 1):
            raise BundleError(
                f'encoder "{self.name}" of kind {self.kind}: stride_frames must be '
                f"{'null' if self.kind == 'clip' else 'positive'}, but is {describe(stride)}"
            )
        if self.embedding_dim < 1:
            raise BundleError(
                f'encoder "{self.name}": embedding_dim must be positive, but is {self.embedding_dim}'
            )


@dataclass(frozen=True)
class LabelEntry:
    """A sound that can be listened for, or a background that competes with these.

    Attributes:
        name: its one canonical name, for people.
        kind: "background" is scored, never reported.
        aliases: other words for it.
        dataset_names: what data sets call it.
        rivals_group: labels of one group never veto each other; None stands alone.
        method: how its prototypes were made.
        support: how many clips they were made from.
        thresholds: encoder name → on-threshold, cosine in [-1, 1]; empty for a background.
    """

    name: str
    kind: Literal["label", "background"]
    aliases: tuple[str, ...]
    dataset_names: tuple[str, ...]
    rivals_group: str | None
    method: str
    support: int
    thresholds: Mapping[str, float]

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        _check_name("a label's name", self.name)
        for words in (*self.aliases, *self.dataset_names):
            _check_name(f'an alias of "{self.name}"', words)
        if self.rivals_group is not None:
            _check_name(f'rivals_group of "{self.name}"', self.rivals_group)
        if self.support < 0:
            raise BundleError(f'support of "{self.name}" must not be negative, but is {self.support}')
        if self.kind == "background" and self.thresholds:
            raise BundleError(f'background "{self.name}" must have no thresholds')
        for encoder, threshold in self.thresholds.items():
            if not -1.0 <= threshold <= 1.0:
                raise BundleError(
                    f'threshold of "{self.name}" for encoder {describe(encoder)} '
                    f"must be within -1 and 1, but is {threshold:g}"
                )


@dataclass(frozen=True)
class Provenance:
    """Where the bundle comes from and under which terms it may be used.

    Attributes:
        weights: origin of the encoder's weights.
        licence: of the bundle as a whole.
        notes: anything else worth knowing.
        attribution: file with author, licence and source of every clip used, or None if none was.
    """

    weights: str
    licence: str
    notes: str
    attribution: str | None


@dataclass(frozen=True)
class Manifest:
    """The whole of manifest.json.

    Attributes:
        schema_version: of the format.
        name: what a person calls the bundle.
        created: RFC 3339 in UTC, whole seconds: "2025-01-31T12:00:00Z".
        files: path in the bundle → hash and size, for every file but manifest.json.
        log_mel: what the encoders take.
        window_s: length of a window of the stream, in seconds.
        clip_s: length that the encoders take, at least `window_s`; a window is padded to it.
        hop_s: default time from one window to the next.
        padding: how a shorter input is brought to `clip_s`.
        encoders: one or more.
        text_encoder: None in this version.
        prompts: templates that text was put into, verbatim; empty if the prototypes come from sound alone.
        labels: in the order in which prototypes refer to them.
        background: file of background embeddings for calibration, or None.
        accuracy: figures measured at export.
        provenance: origin and terms.
    """

    schema_version: int
    name: str
    created: str
    files: Mapping[str, FileEntry]
    log_mel: LogMelSpec
    window_s: float
    clip_s: float
    hop_s: float
    padding: Padding
    encoders: tuple[EncoderEntry, ...]
    text_encoder: None
    prompts: tuple[str, ...]
    labels: tuple[LabelEntry, ...]
    background: str | None
    accuracy: Mapping[str, float | str]
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        _check_name("name", self.name)
        _check_created(self.created)
        for name in (*self.files, *self.referenced_files):
            check_file_name(name)
        self._check_durations()
        self._check_encoders()
        if all(label.kind == "background" for label in self.labels):
            raise BundleError("labels holds nothing to listen for: it needs one of kind label at least")

    @property
    def referenced_files(self) -> tuple[str, ...]:
        """Files that an entry refers to by name."""
        optional = (self.background, self.provenance.attribution)
        of_encoders = [name for e in self.encoders for name in (*e.files, e.prototypes, e.golden)]
        return (*of_encoders, *(name for name in optional if name is not None))

    @property
    def n_frames(self) -> int:
        """Frames of a clip's log-mel."""
        return self.log_mel.n_frames(round(self.clip_s * self.log_mel.sample_rate_hz))

    def _check_durations(self) -> None:
        rate = self.log_mel.sample_rate_hz
        for name in ("window_s", "clip_s", "hop_s"):
            n_samples = getattr(self, name) * rate
            if not 0.5 < n_samples < math.inf or abs(n_samples - round(n_samples)) > 1e-6:
                raise BundleError(
                    f"{name} must be a positive whole number of samples at {rate} Hz, "
                    f"but {getattr(self, name):g} s are {n_samples:.10g}"
                )
        if not self.hop_s <= self.window_s <= self.clip_s:
            raise BundleError(
                "hop_s must not exceed window_s, nor window_s clip_s, "
                f"but they are {self.hop_s:g}, {self.window_s:g} and {self.clip_s:g}"
            )
        if round(self.clip_s * rate) < self.log_mel.win_length:
            raise BundleError(
                f"clip_s {self.clip_s:g} is shorter than a frame ({self.log_mel.win_length} samples)"
            )

    def _check_encoders(self) -> None:
        names = [encoder.name for encoder in self.encoders]
        if not names:
            raise BundleError("encoders is empty: it needs one at least")
        for name in names:
            if names.count(name) > 1:
                raise BundleError(f'two encoders are named "{name}"')
        for label in self.labels:
            if label.kind == "label" and set(label.thresholds) != set(names):
                raise BundleError(
                    f'thresholds of "{label.name}" must name each encoder ({", ".join(names)}), '
                    f"but name {', '.join(map(describe, label.thresholds)) or 'none'}"
                )


def check_file_name(name: str) -> None:
    """Refuse a name that could lead out of the bundle, or means another file on another system.

    Raises: BundleError.
    """
    parts = name.split("/")
    if name.startswith("/") or ":" in name:
        raise BundleError(f"file name {describe(name)} is absolute; a bundle's files lie inside it")
    if "\\" in name:
        raise BundleError(f"file name {describe(name)} has a backslash; folders are divided by /")
    if ".." in parts:
        raise BundleError(f"file name {describe(name)} leads out of the bundle")
    if "" in parts or "." in parts or not name.isprintable():
        raise BundleError(f"file name {describe(name)} is not a plain path")
    if name.casefold() == MANIFEST_NAME:
        raise BundleError(f"file name {describe(name)} is the manifest's own, which cannot list itself")


def _check_name(what: str, name: str) -> None:
    if not name or name != name.strip() or not name.isprintable():
        raise BundleError(f"{what} must be printable text without spaces around it, not {describe(name)}")


def _check_created(created: str) -> None:
    expected = f"created must be a UTC time such as 2025-01-31T12:00:00Z, not {describe(created)}"
    try:
        parsed = datetime.strptime(created, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise BundleError(expected) from error
    # strptime also takes other zones and single digits.
    if not created.endswith("Z") or parsed.isoformat().replace("+00:00", "Z") != created:
        raise BundleError(expected)
