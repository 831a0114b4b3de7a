"""What a bundle's manifest.json says, as a frozen dataclass that cannot hold a contradiction.

The field-by-field description for people is docs/bundle-format.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from edge.errors import BundleError
from edge.frontend import LogMelSpec, Padding
from edge.manifest_entries import (
    EncoderEntry,
    FileEntry,
    LabelEntry,
    Provenance,
    Recipe,
    RuleDefaults,
    TextEncoderEntry,
)
from edge.manifest_names import check_file_name, check_name
from edge.schema import describe

__all__ = [
    "SCHEMA_VERSION",
    "EncoderEntry",
    "FileEntry",
    "LabelEntry",
    "Manifest",
    "Provenance",
    "Recipe",
    "RuleDefaults",
    "TextEncoderEntry",
]

SCHEMA_VERSION = 2


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
        rules: defaults of the rules of the same names.
        encoders: one or more; all have a pool or none has.
        text_encoder: what makes labels from words on the device, or None. It needs a recipe.
        recipe: how prototypes were made from texts, or None if they weren't.
        labels: in the order in which prototypes refer to them.
        background: file of background embeddings for calibration, or None.
        accuracy: figures measured at export.
        parity: how far the encoders are from what they were made from, measured at export.
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
    rules: RuleDefaults
    encoders: tuple[EncoderEntry, ...]
    text_encoder: TextEncoderEntry | None
    recipe: Recipe | None
    labels: tuple[LabelEntry, ...]
    background: str | None
    accuracy: Mapping[str, float | str]
    parity: Mapping[str, float | str]
    provenance: Provenance

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        check_name("name", self.name)
        _check_created(self.created)
        for name in (*self.files, *self.files_at_start, *self.files_in_use):
            check_file_name(name)
        self._check_durations()
        self._check_encoders()
        self._check_text_encoder()
        if all(label.kind == "background" for label in self.labels):
            raise BundleError("labels holds nothing to listen for: it needs one of kind label at least")

    @property
    def files_at_start(self) -> tuple[str, ...]:
        """Files that are verified whenever the bundle is loaded; small ones."""
        of_encoders = [name for e in self.encoders for name in (e.prototypes, e.golden)]
        optional = (self.background, self.provenance.attribution)
        return (*of_encoders, *(name for name in optional if name is not None))

    @property
    def files_in_use(self) -> tuple[str, ...]:
        """Files that are verified when they are opened for use, for all of them may be a lot to read."""
        of_encoders = [name for e in self.encoders for name in e.files]
        pools = [e.pool for e in self.encoders if e.pool is not None]
        text = self.text_encoder
        return (*of_encoders, *pools, *(() if text is None else (*text.files, text.tokenizer)))

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
        for name in ("confirm_s", "within_s", "release_s"):
            n_samples = getattr(self.rules, name) * rate
            if abs(n_samples - round(n_samples)) > 1e-6:
                raise BundleError(
                    f"rules.{name} must be a whole number of samples at {rate} Hz, but is {n_samples:.10g}"
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
        without = [encoder.name for encoder in self.encoders if encoder.pool is None]
        if without and len(without) < len(names):
            raise BundleError(f'encoder "{without[0]}" has no pool, but others have: all need one, or none')

    def _check_text_encoder(self) -> None:
        if self.text_encoder is None:
            return
        if self.recipe is None:
            raise BundleError("text_encoder needs a recipe, but recipe is null")
        if self.recipe.method == "proto" and self.encoders[0].pool is None:
            raise BundleError('text_encoder needs pools for recipe.method "proto", but no encoder has one')
        for encoder in self.encoders:
            if encoder.embedding_dim != self.text_encoder.embedding_dim:
                raise BundleError(
                    f"text_encoder.embedding_dim {self.text_encoder.embedding_dim} is not that of "
                    f'encoder "{encoder.name}", {encoder.embedding_dim}'
                )


def _check_created(created: str) -> None:
    expected = f"created must be a UTC time such as 2025-01-31T12:00:00Z, not {describe(created)}"
    try:
        parsed = datetime.strptime(created, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError as error:
        raise BundleError(expected) from error
    # strptime also takes other zones and single digits.
    if not created.endswith("Z") or parsed.isoformat().replace("+00:00", "Z") != created:
        raise BundleError(expected)
