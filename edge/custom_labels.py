"""Labels of any words, made on the device from the bundle's text encoder and pool, and kept for next time."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.errors import LabelError
from edge.label_cache import keep, label_key, read_kept
from edge.label_process import make_prototypes
from edge.labels import find_label, fold, is_kin, is_name, likely_meant, quoted, resolve_labels
from edge.manifest import EncoderEntry, LabelEntry
from edge.prompts import fill
from edge.prototypes import Prototype
from edge.scoring import PrototypeSet
from edge.state import state_directory

logger = logging.getLogger(__name__)

MAX_LABEL_LENGTH = 200


@dataclass(frozen=True, eq=False)
class CustomLabel:
    """A label that the bundle lacks.

    Attributes:
        entry: as if it were the bundle's, its threshold under the encoder it was made for.
        vector: (embedding_dim,) float32, its prototype, unit L2 norm.
        kin: names of the bundle's backgrounds that it means, by its words or by what it was made of.
    """

    entry: LabelEntry
    vector: NDArray[np.float32]
    kin: tuple[str, ...]


def make_labels(words: Sequence[str], bundle: Bundle, encoder: EncoderEntry) -> tuple[CustomLabel, ...]:
    """Make those of the labels asked for that the bundle lacks, or take them as they were made before.

    words: as a person typed them. Those that name a label of the bundle, or one before them, are passed over.
    Raises: LabelError, BundleError, EncoderError. Nothing is made if the bundle has no text encoder.
    """
    recipe, labels = bundle.manifest.recipe, bundle.manifest.labels
    if bundle.manifest.text_encoder is None or recipe is None:
        return ()
    lacking = _lacking(words, labels)
    texts = {name: tuple(fill(p, said) for p in recipe.prompts) for name, said in lacking.items()}
    keys = {name: label_key(bundle.sha256, encoder.name, texts[name]) for name in texts}
    folder = state_directory() / "labels"
    prototypes = _kept(folder, keys)
    for name, prototype in prototypes.items():
        _tell(f"kept {quoted(name)} from before: made", prototype)
    made = _make({name: texts[name] for name in texts if name not in prototypes}, bundle, encoder)
    for name, prototype in made.items():
        _tell(f"made {quoted(name)}", prototype)
        meant = likely_meant(name, labels)
        if meant:
            logger.warning("%s is a label newly made; did you mean %s?", quoted(name), quoted(meant))
    _keep(folder, {keys[name]: prototype for name, prototype in made.items()})
    prototypes |= made
    backgrounds = [label for label in labels if label.kind == "background"]
    return tuple(
        CustomLabel(
            entry=_entry(name, prototypes[name], encoder),
            vector=prototypes[name].vector,
            kin=tuple(
                known.name
                for known in backgrounds
                if is_kin(name, known.aliases) or known.name in prototypes[name].kin
            ),
        )
        for name in lacking
    )


def with_labels(prototypes: PrototypeSet, made: Sequence[CustomLabel]) -> PrototypeSet:
    """The prototypes of the bundle and those of the labels made.

    A label made and the backgrounds that it is kin to are brought into one group, with all of their groups.
    """
    names = (*prototypes.names, *(label.entry.name for label in made))
    groups = [*prototypes.rivals_groups, *(None for _ in made)]
    for label in made:
        if label.kin:
            members = {names.index(name) for name in (label.entry.name, *label.kin)}
            joined = {groups[place] for place in members} - {None}
            # No group of a bundle is called so: theirs are printable.
            one = f"\0{label.entry.name}"
            groups = [one if place in members or g in joined else g for place, g in enumerate(groups)]
    return PrototypeSet(
        vectors=np.concatenate([prototypes.vectors, *(label.vector[None] for label in made)]),
        owners=np.append(prototypes.owners, len(prototypes.names) + np.arange(len(made))),
        names=names,
        background=(*prototypes.background, *(False for _ in made)),
        rivals_groups=tuple(groups),
    )


def _lacking(words: Sequence[str], labels: Sequence[LabelEntry]) -> dict[str, str]:
    """Name of each label that is lacking → the words asked for."""
    known = list(labels)
    lacking: dict[str, str] = {}
    for asked in words:
        found = find_label(asked, known)
        if found is not None and (found.kind == "label" or is_name(asked, found)):
            resolve_labels([asked], known)  # which refuses a background
            continue
        said = checked_label(asked)
        # However it is typed, its events bear one name.
        name = fold(said)
        lacking[name] = said
        known.append(LabelEntry(name, "label", (), (), None, "", 0, {}, None))
    return lacking


def checked_label(asked: str) -> str:
    """The label's words in plain spaces. Raises: LabelError."""
    words = " ".join(asked.replace("_", " ").split())
    if not words.isprintable():
        raise LabelError(f"label {asked!a} holds characters that cannot be shown; type it again")
    shown = quoted(words if len(words) <= MAX_LABEL_LENGTH else f"{words[:30]}...")
    if len(words) > MAX_LABEL_LENGTH:
        raise LabelError(
            f"label {shown} has {len(words)} characters, more than {MAX_LABEL_LENGTH}; say it in fewer words"
        )
    if "," in fold(words):
        raise LabelError(f"label {shown} holds a comma; name each sound as a label of its own")
    return words


def _make(texts: Mapping[str, Sequence[str]], bundle: Bundle, encoder: EncoderEntry) -> dict[str, Prototype]:
    """Name → prototype, for labels given as the texts that their words come to. Raises: see `make_labels`."""
    if not texts:
        return {}
    logger.info("the text encoder reads %s, which may take a minute", ", ".join(map(quoted, texts)))
    return make_prototypes(texts, bundle, encoder)


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


def _tell(done: str, prototype: Prototype) -> None:
    n_recordings = len(prototype.rows)
    source = "its text alone"
    if n_recordings:
        plural = "" if n_recordings == 1 else "s"
        source = f"its text and {n_recordings} recording{plural} of the bundle's pool"
    logger.info("%s from %s, threshold %.2f", done, source, prototype.threshold)
