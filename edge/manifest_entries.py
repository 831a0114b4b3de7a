"""The parts of a bundle's manifest, as frozen dataclasses that cannot hold a contradiction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.errors import BundleError, ConfigError
from edge.manifest_names import check_name
from edge.prompts import check_prompt
from edge.schema import describe
from edge.settings import SETTINGS, Rivals

# What a message advises: after damage on the way, after a mistake in making, after a change of the format.
COPY_AGAIN = "copy the bundle again"
EXPORT_AGAIN = "export it again with edge-export"
UPGRADE = "upgrade edge-listen"
LEAST_TOKENS = 3
"""Of a text encoder: a first, a last, and one between them."""


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
        pool: file of the embeddings of unlabelled recordings made with it, or None.
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
    pool: str | None

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        check_name("an encoder's name", self.name)
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
        note: what a person should know before trusting it, or None.
    """

    name: str
    kind: Literal["label", "background"]
    aliases: tuple[str, ...]
    dataset_names: tuple[str, ...]
    rivals_group: str | None
    method: str
    support: int
    thresholds: Mapping[str, float]
    note: str | None

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        check_name("a label's name", self.name)
        for words in (*self.aliases, *self.dataset_names):
            check_name(f'an alias of "{self.name}"', words)
        if self.rivals_group is not None:
            check_name(f'rivals_group of "{self.name}"', self.rivals_group)
        if self.note is not None:
            check_name(f'note of "{self.name}"', self.note)
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
class RuleDefaults:
    """What the settings of the same names are unless a person chooses: these encoders' windows and cosines.

    Attributes:
        margin: in [-2, 2], by how much a label's score must beat its rivals'.
        off_margin: in [0, 2], how far below its threshold the score of an event that goes on may lie.
        confirm_s: seconds of support that confirm an event, a hop for each window.
        within_s: the stretch in which those must lie, at least `confirm_s`.
        release_s: seconds without that end an event.
        rivals: which names a label must beat.
    """

    margin: float
    off_margin: float
    confirm_s: float
    within_s: float
    release_s: float
    rivals: Rivals

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        for name in ("margin", "off_margin", "confirm_s", "within_s", "release_s"):
            value, (low, high) = getattr(self, name), SETTINGS[name].range
            if not low <= value <= high:
                raise BundleError(f"rules.{name} must be within {low:g} and {high:g}, but is {value:g}")
        if self.within_s < self.confirm_s:
            raise BundleError(
                f"rules.within_s {self.within_s:g} is shorter than rules.confirm_s {self.confirm_s:g}"
            )


@dataclass(frozen=True)
class Recipe:
    """How the bundle's prototypes were made from texts, so that the device can make more.

    Attributes:
        prompts: templates that a label's words are put into, see `edge.prompts`; their average is its text.
        method: "proto" is the centroid of the nearest recordings of a pool; "zero-shot" is the text itself.
        k: how many recordings "proto" takes at most.
    """

    prompts: tuple[str, ...]
    method: Literal["proto", "zero-shot"]
    k: int

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        if not self.prompts:
            raise BundleError("recipe.prompts is empty: it needs one at least")
        try:
            for prompt in self.prompts:
                check_prompt(prompt)
        except ConfigError as error:
            raise BundleError(f"recipe: {error}") from error
        if self.k < 1:
            raise BundleError(f"recipe.k must be at least 1, but is {self.k}")


@dataclass(frozen=True)
class TextEncoderEntry:
    """The encoder of texts, which embeds them where the encoders of the bundle embed sound.

    Attributes:
        files: the graph's file first, then those that it refers to.
        tokenizer: file of the `tokenizers` library, JSON.
        max_tokens: longest text in tokens, its first and last special ones included.
        embedding_dim: length of an embedding, that of the encoders.
    """

    files: tuple[str, ...]
    tokenizer: str
    max_tokens: int
    embedding_dim: int

    def __post_init__(self) -> None:
        """Raises: BundleError."""
        if not self.files:
            raise BundleError("text_encoder names no files")
        if self.max_tokens < LEAST_TOKENS:
            raise BundleError(
                f"text_encoder.max_tokens must be at least {LEAST_TOKENS}, but is {self.max_tokens}"
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
