"""Do a person's clips sound alike, and what else do they sound like?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.background import Background
from edge.enrolment.windows import ClipWindows
from edge.scoring import PrototypeSet, scores

NAMED_SHARE = 0.88
"""Of clips of another sound, those that are named: the limit lies where chance would let the others pass."""
LEAST_RECORDINGS = 20
"""Fewer recordings of labels tell little of how alike unrelated sounds are."""
_RELATED_SHARE = 0.5
"""Without recordings: how far clips must come from what they have in common with any sound towards 1."""
CONFLICT_BELOW_OWN = 0.1
_MOST_CONFLICTS = 3


@dataclass(frozen=True)
class OddClip:
    """A clip that doesn't sound like the others.

    Attributes:
        name: of the clip.
        nearest: name of the clip that is most like it, of those that it isn't alike with.
        similarity: cosine with that clip.
        limit: what clips of one sound have at least.
    """

    name: str
    nearest: str
    similarity: float
    limit: float

    def __str__(self) -> str:
        return (
            f"{self.name} (at most {_short(self.similarity)} alike, to {self.nearest}; "
            f"clips of one sound reach {_short(self.limit)})"
        )


@dataclass(frozen=True)
class Conflict:
    """A name whose sound is near: confusions are to be expected.

    Attributes:
        name: label or background.
        cosine: mean over the clips' windows of their best with the name's prototypes.
        own_cosine: the same with the new sound's prototypes, each clip's with those of the others.
    """

    name: str
    cosine: float
    own_cosine: float

    def __str__(self) -> str:
        return f"{self.name} {_short(self.cosine)} (itself {_short(self.own_cosine)})"


@dataclass(frozen=True, eq=False)
class Alikeness:
    """How alike clips are.

    Attributes:
        similarity: (n, n) cosine of the centroids of two clips' windows.
        limits: (n, n) what the two must have to be alike.
        group: (n,) from 0 without gaps: clips that are alike, through others if need be, share one.
    """

    similarity: NDArray[np.float32]
    limits: NDArray[np.float32]
    group: NDArray[np.intp]


def alikeness(
    clips: Sequence[ClipWindows], prototypes: PrototypeSet, background: Background | None
) -> Alikeness:
    """Compare each clip with each: two of one sound are more alike than unrelated sounds are.

    How alike unrelated sounds are, the recordings of different labels tell that come with the background;
    without them, the prototypes of other names do, roughly.

    clips: two or more.
    """
    centres = np.stack([unit(clip.of_sound.mean(axis=0)) for clip in clips])
    similarity, limits = centres @ centres.T, _limits(centres, prototypes, background)
    return Alikeness(similarity, limits, _groups(similarity >= limits))


def odd_clips(clips: Sequence[ClipWindows], alike: Alikeness) -> tuple[OddClip, ...]:
    """The clips outside the largest group; all where none is more than half of them."""
    sizes = np.bincount(alike.group)
    if len(sizes) == 1:
        return ()
    main = int(np.argmax(sizes)) if 2 * sizes.max() > len(clips) else None
    outside = np.where(alike.group[:, None] != alike.group, alike.similarity, -np.inf)
    nearest = np.argmax(outside, axis=1)
    return tuple(
        OddClip(
            clips[i].name, clips[near].name, float(alike.similarity[i, near]), float(alike.limits[i, near])
        )
        for i, near in enumerate(nearest)
        if alike.group[i] != main
    )


def _groups(is_alike: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Numbers of the groups of clips that are alike, through others if need be; from 0 without gaps."""
    reaches = is_alike | np.eye(len(is_alike), dtype=np.bool_)
    for _ in range(len(is_alike).bit_length()):
        reaches = reaches @ reaches
    return np.asarray(np.unique(np.argmax(reaches, axis=1), return_inverse=True)[1], np.intp)


def _limits(
    centres: NDArray[np.float32], prototypes: PrototypeSet, background: Background | None
) -> NDArray[np.float32]:
    """(n, n), for each pair of clips how alike they must be."""
    n = len(centres)
    unrelated = np.empty(0, np.float32) if background is None else _unrelated(background)
    if len(unrelated):
        # A clip of another sound has n - 1 chances to be like one of the others.
        limit = np.quantile(unrelated, NAMED_SHARE ** (1.0 / (n - 1)))
        return np.full((n, n), limit, np.float32)
    common = np.median(scores(centres, prototypes), axis=1)
    of_pair = (common[:, None] + common) / 2.0
    return np.asarray(of_pair + _RELATED_SHARE * (1.0 - of_pair), np.float32)


def _unrelated(background: Background) -> NDArray[np.float32]:
    """How alike recordings of different labels are, all pairs; none if there are too few recordings."""
    members = background.members
    recordings, first = np.unique(members.recording, return_index=True)
    labels = members.label[first]
    if len(recordings) < LEAST_RECORDINGS:
        return np.empty(0, np.float32)
    sums = np.add.reduceat(members.embeddings, first)
    centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray((centres @ centres.T)[labels[:, None] < labels], np.float32)


def conflicts(
    clips: Sequence[ClipWindows],
    own_cosine: float,
    prototypes: PrototypeSet,
    thresholds: Mapping[str, float],
) -> tuple[Conflict, ...]:
    """The names that the clips resemble so much that they would be told, or nearly as much as their own.

    own_cosine: mean over the clips' windows, each with the prototypes of the other clips.
    prototypes: of the other names.
    thresholds: of the labels among them.
    Returns: 3 at most, the nearest first.
    """
    near = np.max([scores(clip.of_sound, prototypes).mean(axis=0) for clip in clips], axis=0)
    found = [
        Conflict(prototypes.names[place], float(near[place]), own_cosine)
        for place in np.argsort(-near, kind="stable")[:_MOST_CONFLICTS]
    ]
    return tuple(
        one
        for one in found
        if one.cosine >= min(own_cosine - CONFLICT_BELOW_OWN, thresholds.get(one.name, np.inf))
    )


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """A vector at length 1."""
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def _short(cosine: float) -> str:
    return f"{cosine:.2f}".replace("0.", ".", 1)
