"""A person's own sounds and the site's background, put beside a bundle's labels."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edge.errors import BundleError, LabelError
from edge.labels import find_label, fold, quoted
from edge.manifest import LabelEntry
from edge.overlay.content import EnrolledSound, Overlay
from edge.scoring import PrototypeSet, scores
from edge.site.prototypes import SITE_NAME, with_site
from edge.unknown_sound import UNKNOWN_SOUND

logger = logging.getLogger(__name__)


def own_entries(overlay: Overlay, encoder: str) -> tuple[LabelEntry, ...]:
    """The own sounds as if they were the bundle's, their thresholds under the encoder's name."""
    return tuple(_entry(sound, encoder) for sound in overlay.sounds)


RESERVED = (SITE_NAME, UNKNOWN_SOUND)
"""Names that events or rivals bear already."""


def usable(overlay: Overlay, labels: Sequence[LabelEntry]) -> Overlay:
    """The overlay without sounds that the bundle has labels of the same words for, of which it warns.

    labels: the bundle's, which may have come since a sound was enrolled.
    """
    kept = []
    for sound in overlay.sounds:
        clash = _clash(sound.name, labels)
        if clash is None:
            kept.append(sound)
        else:
            logger.warning(
                "your own %s is not used, since the bundle has a label of these words (%s): forget it and "
                "enroll it under another name",
                quoted(sound.name),
                clash,
            )
    return replace(overlay, sounds=tuple(kept))


def _clash(name: str, labels: Sequence[LabelEntry]) -> str | None:
    if fold(name) in RESERVED:
        return name
    try:
        found = find_label(name, labels)
    except LabelError:  # it may mean several
        return name
    return None if found is None else found.name


def _entry(sound: EnrolledSound, encoder: str) -> LabelEntry:
    return LabelEntry(
        name=sound.name,
        kind="label",
        aliases=(),
        dataset_names=(),
        rivals_group=None,
        method="enrolled",
        support=len(sound.clips),
        thresholds={encoder: sound.threshold},
        note=None,
    )


def with_overlay(prototypes: PrototypeSet, overlay: Overlay, thresholds: Mapping[str, float]) -> PrototypeSet:
    """The prototypes of bundle and labels made, then those of the own sounds, then the site's.

    A sound of one's own that is like a label, as three clips of one's clock alarm are, and that label never
    veto each other: each would make the other deaf.

    thresholds: of the labels; an own sound is like the one whose threshold its prototypes pass most.
    Raises: BundleError if they are of another length.
    """
    sounds = overlay.sounds
    for vectors in (
        *(sound.vectors for sound in sounds),
        *(() if overlay.site is None else (overlay.site.vectors,)),
    ):
        if vectors.shape[1] != prototypes.vectors.shape[1]:
            raise BundleError(
                f"what was added here has embeddings of length {vectors.shape[1]}, the bundle of "
                f"{prototypes.vectors.shape[1]}: go back with edge-listen overlay rollback"
            )
    if sounds:
        owners = [len(prototypes.names) + i for i, sound in enumerate(sounds) for _ in sound.vectors]
        prototypes = PrototypeSet(
            vectors=np.concatenate([prototypes.vectors, *(sound.vectors for sound in sounds)]),
            owners=np.append(prototypes.owners, owners).astype(np.intp),
            names=(*prototypes.names, *(sound.name for sound in sounds)),
            background=(*prototypes.background, *(False for _ in sounds)),
            rivals_groups=_groups(prototypes, sounds, thresholds),
        )
    return with_site(prototypes, overlay.site)


def _groups(
    prototypes: PrototypeSet, sounds: Sequence[EnrolledSound], thresholds: Mapping[str, float]
) -> tuple[str | None, ...]:
    limits = np.array([thresholds.get(name, np.inf) for name in prototypes.names])
    known: list[str | None] = list(prototypes.rivals_groups)
    own: list[str | None] = []
    for sound in sounds:
        above = scores(sound.vectors, prototypes).max(axis=0) - limits
        nearest = int(np.argmax(above))
        if above[nearest] < 0:
            own.append(None)
            continue
        # No group of a bundle is called so: theirs are printable.
        known[nearest] = known[nearest] or f"\0{prototypes.names[nearest]}"
        own.append(known[nearest])
    return (*known, *own)


def enrolled_elsewhere(words: Sequence[str], others: Sequence[Overlay]) -> str | None:
    """What to do about words that name a sound enrolled with another encoder; None if they name none."""
    for overlay in others:
        known = own_entries(overlay, "")
        for asked in words:
            found = find_label(asked, known)
            if found is not None:
                sound = next(sound for sound in overlay.sounds if sound.name == found.name)
                clips = " ".join(sound.clips)
                return (
                    f"{quoted(found.name)} was enrolled with another encoder, whose embeddings mean nothing "
                    f"to this bundle's: enrol it again from its clips ({clips})"
                )
    return None
