"""The highest threshold at which a label's rule would fire at a few windows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edge.scoring import PrototypeSet, rivals_of
from edge.trigger import TriggerRule

_TOLERANCE = 1e-6
"""In hops: what a decimal fraction leaves in binary is far below it, a sample far above."""


def own_and_best_rival(
    embeddings: NDArray[np.float32], place: int, prototypes: PrototypeSet, rule: TriggerRule
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A label's cosines with windows, and the highest of its rivals', as `edge.trigger_bank` takes them.

    Args:
        embeddings: (n, dim) float32, unit L2 norms.
        place: of the label, among the prototypes' names.
        prototypes: of the encoder that made the embeddings.
        rule: the label's; tells which names are rivals.

    Returns: two of (n,); the second is -inf where the label has no rival.
    """
    # Not by `edge.scoring.scores`, for most names are neither, and there may be 20,000 windows.
    is_rival = np.isin(prototypes.owners, rivals_of(prototypes, place, rule.rivals))
    own = embeddings @ prototypes.vectors[prototypes.owners == place].T
    return own.max(axis=1), (embeddings @ prototypes.vectors[is_rival].T).max(axis=1, initial=-np.inf)


def windows_needed(rule: TriggerRule, hop_s: float) -> int:
    """How many supporting windows confirm an event, one every `hop_s` seconds."""
    return max(1, math.ceil(rule.confirm_s / hop_s - _TOLERANCE))


def alarm_levels(
    own: NDArray[np.float32],
    best_rival: NDArray[np.float32],
    group: NDArray[np.intp],
    position: NDArray[np.intp],
    rule: TriggerRule,
    hop_s: float,
) -> NDArray[np.float64]:
    """The highest on-threshold at which each group's windows raise an event of this rule.

    It is what `edge.trigger.Trigger` would tell of them in a row, without its `on_threshold`, and without
    what only makes fewer events of them or ends them.

    Args:
        own: (n,) the label's cosines.
        best_rival: (n,) the highest among its rivals'; -inf where it has none.
        group: (n,) ascending from 0 without gaps.
        position: (n,) number of the window, a hop each, ascending within a group.
        rule: its margin, confirm_s and within_s count.
        hop_s: seconds between two windows.

    Returns: (n_groups,); -inf for a group that raises none at any threshold.
    """
    if not len(own):
        return np.empty(0)
    exact = own.astype(np.float64)
    # As the trigger does it, in double precision.
    support = np.where(exact - best_rival >= rule.margin, exact, -np.inf)
    within_hops = rule.within_s / hop_s - _TOLERANCE
    n_back = min(math.ceil(within_hops), int(np.bincount(group).max())) - 1
    # Row i: the supports within the stretch that ends with window i.
    stretches = np.full((len(own), max(1, n_back + 1)), -np.inf)
    stretches[:, 0] = support
    for back in range(1, n_back + 1):
        is_near = (group[back:] == group[:-back]) & (position[back:] - position[:-back] < within_hops)
        stretches[back:, back] = np.where(is_near, support[:-back], -np.inf)
    first = np.flatnonzero(np.diff(group, prepend=-1))
    n_needed = windows_needed(rule, hop_s)
    if n_needed > stretches.shape[1]:
        return np.full(len(first), -np.inf)
    nth_highest = np.partition(stretches, -n_needed, axis=1)[:, -n_needed]
    return np.asarray(np.maximum.reduceat(nth_highest, first))
