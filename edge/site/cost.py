"""What a site's prototypes cost a label: how many recordings of its own sound are told no longer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.background import Background
from edge.calibration.alarm_levels import alarm_levels, own_and_best_rival
from edge.scoring import PrototypeSet
from edge.trigger_rule import TriggerRule

MAX_LABEL_COST = 0.2
"""A single label may lose this share of the recordings that its rule tells, or one where that is more."""


@dataclass(frozen=True, eq=False)
class LabelMembers:
    """The windows of the recordings of a label's own sound, and what its rule makes of them.

    Attributes:
        label: its name.
        rule: when its events begin.
        embeddings: (m, embedding_dim) float32, unit L2 norms.
        own: (m,) float32, the label's cosines.
        best_rival: (m,) float32, the highest among its rivals' without a site; -inf if it has none.
        recording: (m,) intp, ascending from 0 without gaps.
        position: (m,) intp, number of the window in its recording.
        hop_s: seconds between windows.
    """

    label: str
    rule: TriggerRule
    embeddings: NDArray[np.float32]
    own: NDArray[np.float32]
    best_rival: NDArray[np.float32]
    recording: NDArray[np.intp]
    position: NDArray[np.intp]
    hop_s: float

    @property
    def n_recordings(self) -> int:
        """How many there are."""
        return int(self.recording[-1]) + 1 if len(self.recording) else 0

    def n_found(self, site_vectors: NDArray[np.float32] | None = None) -> int:
        """How many recordings the rule tells, beside a site's prototypes: (k, embedding_dim) or None."""
        best_rival = self.best_rival
        if site_vectors is not None and len(site_vectors) and self.rule.rivals != "none":
            best_rival = np.maximum(best_rival, (self.embeddings @ site_vectors.T).max(axis=1))
        levels = alarm_levels(self.own, best_rival, self.recording, self.position, self.rule, self.hop_s)
        return int(np.count_nonzero(levels >= self.rule.on_threshold))


def label_members(
    label: str, rule: TriggerRule, prototypes: PrototypeSet, background: Background
) -> LabelMembers:
    """Those that the bundle has of a label; none of one that isn't the bundle's.

    prototypes: the bundle's first, in the order of its manifest, without a site's.
    """
    place = prototypes.names.index(label)
    members = background.members
    of_label = members.label == place
    embeddings = members.embeddings[of_label]
    own, best_rival = own_and_best_rival(embeddings, place, prototypes, rule)
    recording = np.unique(members.recording[of_label], return_inverse=True)[1].astype(np.intp)
    position = members.position[of_label]
    return LabelMembers(label, rule, embeddings, own, best_rival, recording, position, background.hop_s)


def found_alone_and_beside(
    label: str, rule: TriggerRule, alone: PrototypeSet, beside: PrototypeSet, background: Background
) -> tuple[int, int]:
    """How many recordings of a label are told by the bundle's prototypes, and with what was added to them.

    alone: the bundle's. beside: the same first, and others behind them.
    """
    return (
        label_members(label, rule, alone, background).n_found(),
        label_members(label, rule, beside, background).n_found(),
    )


def left_within_cost(
    members: list[LabelMembers], vectors: NDArray[np.float32], max_cost: float
) -> tuple[NDArray[np.intp], list[str]]:
    """Leave prototypes out, the costliest first, until what is left costs no more than allowed.

    Args:
        members: of the labels listened for.
        vectors: (k, embedding_dim) float32, the site's prototypes.
        max_cost: share of the recordings found that may be lost, all labels together.

    Returns: places of those left, and for each left out the label that it cost too much.
    """
    found = [m.n_found() for m in members]
    alone = np.array([[n - m.n_found(v[None]) for v in vectors] for m, n in zip(members, found, strict=True)])
    kept, blamed = list(range(len(vectors))), []
    while kept:
        lost = np.array([n - m.n_found(vectors[kept]) for m, n in zip(members, found, strict=True)])
        which = _label_over_cost(lost, np.array(found), max_cost)
        if which is None:
            break
        costs = alone[which, kept]
        # Where none costs anything alone, they do together: the likest goes.
        likeness = (members[which].embeddings @ vectors[kept].T).mean(axis=0)
        kept.pop(int(np.lexsort((likeness, costs))[-1]))
        blamed.append(members[which].label)
    return np.array(kept, np.intp), blamed


def _label_over_cost(lost: NDArray[np.intp], found: NDArray[np.intp], max_cost: float) -> int | None:
    """The label that loses most beyond what it may; else, if all lose too much, the one that loses most."""
    if not lost.any():
        return None
    beyond = lost - np.maximum(1.0, MAX_LABEL_COST * found)
    if beyond.max() > 0:
        return int(beyond.argmax())
    return int(lost.argmax()) if lost.sum() > max_cost * found.sum() else None
