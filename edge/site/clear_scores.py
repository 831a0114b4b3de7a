"""From which score on a window is taken for a label's own sound, and not for something a little like it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge.background import Background
from edge.scoring import PrototypeSet, scores
from edge.trigger_rule import TriggerRule

CLEARLY_ABOVE = 0.15
"""How far above its threshold a label's own sounds usually score, where there are none to measure."""
FEWEST_RECORDINGS = 4


def clear_scores(
    prototypes: PrototypeSet, background: Background | None, rules: Mapping[str, TriggerRule]
) -> dict[str, float]:
    """For each label listened for, the score that three of four recordings of its sound reach.

    Without recordings in the bundle, CLEARLY_ABOVE the threshold; in no case below the threshold.
    """
    found = {}
    for label, rule in rules.items():
        place = prototypes.names.index(label)
        reached = _reached(prototypes, background, place)
        usual = np.quantile(reached, 0.25) if len(reached) >= FEWEST_RECORDINGS else None
        found[label] = (
            rule.on_threshold + CLEARLY_ABOVE if usual is None else max(float(usual), rule.on_threshold)
        )
    return found


def _reached(prototypes: PrototypeSet, background: Background | None, place: int) -> NDArray[np.float32]:
    """(n_recordings,) the best score of each of a label's recordings."""
    if background is None or not np.any(background.members.label == place):
        return np.zeros(0, np.float32)
    of_label = background.members.label == place
    own = scores(background.members.embeddings[of_label], prototypes)[:, place]
    firsts = np.unique(background.members.recording[of_label], return_index=True)[1]
    return np.asarray(np.maximum.reduceat(own, firsts), np.float32)
