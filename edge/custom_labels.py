"""Labels of any words, made on the device from the bundle's text encoder and pool, and kept for next time."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.errors import LabelError
from edge.label_cache import keep, label_key, read_kept
from edge.labels import find_label, likely_meant, quoted
from edge.manifest import EncoderEntry, LabelEntry
from edge.prompts import fill
from edge.prototypes import Prototype, from_pool, from_text
from edge.scoring import PrototypeSet
from edge.state import state_directory
from edge.text_process import embed_texts

logger = logging.getLogger(__name__)

MAX_LABEL_LENGTH = 200
_WITHOUT_POOL = (
    "it is made from its text alone, where this bundle's other labels are made from sound and score higher: "
    "export the bundle with its pool"
)


@dataclass(frozen=True, eq=False)
class CustomLabel:
    """A label that the bundle lacks.

    Attributes:
        entry: as if it were the bundle's, its threshold under the encoder it was made for.
        vector: (embedding_dim,) float32, its prototype, unit L2 norm.
        background: name of the bundle's background that answers to the same words, if any.
    """

    entry: LabelEntry
    vector: NDArray[np.float32]
    background: str | None


def make_labels(words: Sequence[str], bundle: Bundle, encoder: EncoderEntry) -> tuple[CustomLabel, ...]:
    """Make those of the labels asked for that the bundle lacks, or take them as they were made before.

    words: as a person typed them. Those that name a label of the bundle, or one before them, are passed over.
    Raises: LabelError, BundleError, EncoderError. Nothing is made if the bundle has no text encoder.
    """
    recipe = bundle.manifest.recipe
    if bundle.manifest.text_encoder is None or recipe is None:
        return ()
    backgrounds = _lacking(words, bundle.manifest.labels)
    texts = {name: tuple(fill(prompt, name) for prompt in recipe.prompts) for name in backgrounds}
    keys = {name: label_key(bundle.sha256, encoder.name, texts[name]) for name in texts}
    folder = state_directory() / "labels"
    prototypes = _kept(folder, keys)
    for name, prototype in prototypes.items():
        _tell(f"kept {quoted(name)} from before: made", name, prototype, bundle)
    made = _make({name: texts[name] for name in texts if name not in prototypes}, bundle, encoder)
    for name, prototype in made.items():
        _tell(f"made {quoted(name)}", name, prototype, bundle)
    _keep(folder, {keys[name]: prototype for name, prototype in made.items()})
    prototypes |= made
    return tuple(
        CustomLabel(_entry(name, prototypes[name], encoder), prototypes[name].vector, background)
        for name, background in backgrounds.items()
    )


def with_labels(prototypes: PrototypeSet, made: Sequence[CustomLabel]) -> PrototypeSet:
    """The prototypes of the bundle and those of the labels made.

    A background that answers to the words of a label made stays, under another name, and never vetoes it.
    """
    names, groups = list(prototypes.names), list(prototypes.rivals_groups)
    own_groups: list[str | None] = []
    for label in made:
        group = None
        if label.background is not None:
            place = prototypes.names.index(label.background)
            names[place] = f"{label.background} (background)"
            # No group of a bundle is called so: theirs are printable.
            group = groups[place] = groups[place] or f"\0{label.background}"
        own_groups.append(group)
    return PrototypeSet(
        vectors=np.concatenate([prototypes.vectors, *(label.vector[None] for label in made)]),
        owners=np.append(prototypes.owners, len(names) + np.arange(len(made))),
        names=(*names, *(label.entry.name for label in made)),
        background=(*prototypes.background, *(False for _ in made)),
        rivals_groups=(*groups, *own_groups),
    )


def _lacking(words: Sequence[str], labels: Sequence[LabelEntry]) -> dict[str, str | None]:
    """Name of each label that is lacking → name of the background that answers to it, if any."""
    known = list(labels)
    lacking: dict[str, str | None] = {}
    for asked in words:
        found = find_label(asked, known)
        if found is not None and found.kind == "label":
            continue
        name = checked_label(asked)
        lacking[name] = None if found is None else found.name
        known.append(LabelEntry(name, "label", (), (), None, "", 0, {}, None))
    return lacking


def checked_label(asked: str) -> str:
    """The label's name: the words in plain spaces. Raises: LabelError."""
    name = " ".join(asked.replace("_", " ").split())
    if not name.isprintable():
        raise LabelError(f"label {asked!a} holds characters that cannot be shown; type it again")
    if len(name) > MAX_LABEL_LENGTH:
        raise LabelError(
            f"label {quoted(name[:30] + '...')} has {len(name)} characters, more than {MAX_LABEL_LENGTH}; "
            "say it in fewer words"
        )
    return name


def _make(texts: Mapping[str, Sequence[str]], bundle: Bundle, encoder: EncoderEntry) -> dict[str, Prototype]:
    """Name → prototype, for labels given as the texts that their words come to. Raises: see `make_labels`."""
    text_encoder, recipe = bundle.manifest.text_encoder, bundle.manifest.recipe
    if not texts or text_encoder is None or recipe is None:
        return {}
    logger.info("the text encoder reads %s, which may take a minute", ", ".join(map(quoted, texts)))
    rows = embed_texts(
        [text for several in texts.values() for text in several],
        bundle.directory / text_encoder.files[0],
        bundle.directory / text_encoder.tokenizer,
        text_encoder.max_tokens,
        text_encoder.embedding_dim,
    )
    means = rows.reshape(len(texts), len(recipe.prompts), -1).mean(axis=1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    pool = bundle.pool(encoder)
    made = {}
    for name, text in zip(texts, means, strict=True):
        if recipe.method == "proto" and pool is not None:
            made[name] = from_pool(text, pool, recipe.k)
        else:
            made[name] = from_text(text, pool)
            if recipe.method == "proto":
                made[name] = dataclasses.replace(made[name], note=_WITHOUT_POOL)
    return made


def _kept(folder: Path, keys: Mapping[str, str]) -> dict[str, Prototype]:
    """Name → prototype, for the labels that were made before."""
    kept = {name: read_kept(folder, key) for name, key in keys.items()}
    return {name: prototype for name, prototype in kept.items() if prototype is not None}


def _keep(folder: Path, prototypes: Mapping[str, Prototype]) -> None:
    try:
        for key, prototype in prototypes.items():
            keep(folder, key, prototype)
    except OSError as error:
        logger.warning("the labels made cannot be kept, so they are made anew at each start: %s", error)


def _entry(name: str, prototype: Prototype, encoder: EncoderEntry) -> LabelEntry:
    return LabelEntry(
        name=name,
        kind="label",
        aliases=(),
        dataset_names=(),
        rivals_group=None,
        method="proto" if len(prototype.rows) else "zero-shot",
        support=len(prototype.rows),
        thresholds={encoder.name: prototype.threshold},
        note=prototype.note,
    )


def _tell(done: str, name: str, prototype: Prototype, bundle: Bundle) -> None:
    n_recordings = len(prototype.rows)
    source = "its text alone"
    if n_recordings:
        plural = "" if n_recordings == 1 else "s"
        source = f"its text and {n_recordings} recording{plural} of the bundle's pool"
    meant = likely_meant(name, bundle.manifest.labels)
    hint = f" (did you mean {quoted(meant)}?)" if meant else ""
    logger.info("%s from %s, threshold %.2f%s", done, source, prototype.threshold, hint)
