"""A threshold for each label from scores that its own clips had no part in.

A few dozen clips a class can't set fifty thresholds, so each label's own best threshold is drawn towards the
one that is best for all labels together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRID = np.round(np.arange(0.30, 0.901, 0.01), 2).astype(np.float32)
SHRINKAGE_CLIPS = 40.0
"""A label with this many clips gets the mean of its own threshold and the common one."""


@dataclass(frozen=True, eq=False)
class WindowScores:
    """Scores of windows by a model that saw none of their clips.

    Attributes:
        scores: (n_windows, n_labels) float32 cosines.
        clip: (n_windows,) int64, which clip each window is of.
        target: (n_windows,) int64, the clip's label; -1 for background.
        energy_share: (n_windows,) float32, of the clip's loudest window; 1 for background.
    """

    scores: NDArray[np.float32]
    clip: NDArray[np.int64]
    target: NDArray[np.int64]
    energy_share: NDArray[np.float32]


def shrunk_thresholds(windows: WindowScores, false_share: float) -> tuple[NDArray[np.float32], float]:
    """Thresholds that trade misses against false windows, drawn towards a common one.

    A label's cost at a threshold is the share of its clips in which no window reaches it, plus the share of
    windows of other sounds that do, over `false_share`: that many false windows cost as much as missing all.

    Returns: (n_labels,) float32 thresholds, and the common one.
    """
    costs, counts = _costs(windows, false_share)
    common = float(GRID[np.argmin(costs.mean(axis=0))])
    own = GRID[np.argmin(costs, axis=1)]
    share = counts / (counts + SHRINKAGE_CLIPS)
    return np.round(share * own + (1.0 - share) * common, 3).astype(np.float32), common


def _costs(windows: WindowScores, false_share: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n_labels = windows.scores.shape[1]
    costs, counts = np.zeros((n_labels, len(GRID))), np.zeros(n_labels)
    for label in range(n_labels):
        scores = windows.scores[:, label]
        of_label = windows.target == label
        best = np.array([scores[windows.clip == clip].max() for clip in np.unique(windows.clip[of_label])])
        misses = (best[:, None] < GRID).mean(axis=0)
        false = (scores[~of_label, None] >= GRID).mean(axis=0)
        costs[label], counts[label] = misses + false / false_share, len(best)
    return costs, counts
