"""A threshold for each label from scores that its own clips had no part in.

A few dozen clips a class can't fix fifty thresholds well, so each label's own best threshold is drawn towards
the one that is best for all labels together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRID = np.round(np.arange(0.30, 0.901, 0.01), 2).astype(np.float32)
SHRINKAGE_CLIPS = 10.0
"""A label with this many clips gets the mean of its own threshold and the common one."""
CONFIRMING_WINDOWS = 2
"""Windows that must reach the threshold for an event, by the default rules."""


@dataclass(frozen=True, eq=False)
class WindowScores:
    """Scores of windows by a model that saw none of their clips.

    Attributes:
        scores: (n_windows, n_labels) float32 cosines.
        clip: (n_windows,) int64, which clip each window is of.
        target: (n_windows,) int64, the clip's label; -1 for background.
    """

    scores: NDArray[np.float32]
    clip: NDArray[np.int64]
    target: NDArray[np.int64]


def shrunk_thresholds(windows: WindowScores, false_share: float) -> tuple[NDArray[np.float32], float]:
    """Thresholds that trade missed clips against false alarms, drawn towards a common one.

    A label's cost at a threshold is the share of its clips in which too few windows reach it, plus the share
    of other clips in which enough do, over `false_share`: alarms in that share cost as much as missing all.
    A label without clips gets the common one.

    Returns: (n_labels,) float32 thresholds, and the common one.
    """
    confirming, target = _confirming_scores(windows)
    n_labels = confirming.shape[1]
    costs, counts = np.zeros((n_labels, len(GRID))), np.zeros(n_labels)
    for label in range(n_labels):
        reached = confirming[:, label, None] >= GRID
        own = target == label
        if not own.any():
            continue
        costs[label] = 1.0 - reached[own].mean(axis=0) + reached[~own].mean(axis=0) / false_share
        counts[label] = own.sum()
    common = _cheapest(costs[counts > 0].mean(axis=0))
    best = np.array([_cheapest(of_label) for of_label in costs])
    share = counts / (counts + SHRINKAGE_CLIPS)
    return np.round(share * best + (1.0 - share) * common, 3).astype(np.float32), common


def _cheapest(costs: NDArray[np.float64]) -> float:
    """The middle of the thresholds that cost least."""
    return float(np.median(GRID[costs <= costs.min() + 1e-9]))


def _confirming_scores(windows: WindowScores) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Each clip's highest score that enough of its windows reach, (n_clips, n_labels), and its target."""
    clips, first = np.unique(windows.clip, return_index=True)
    rows = []
    for clip in clips:
        descending = -np.sort(-windows.scores[windows.clip == clip], axis=0)
        rows.append(descending[min(CONFIRMING_WINDOWS, len(descending)) - 1])
    return np.stack(rows), windows.target[first]
