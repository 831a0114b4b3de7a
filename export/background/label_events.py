"""The false alarms of one label in many recordings: where they are, and the highest threshold of each.

An event is a peak of the level, which is the highest threshold at which a rule's support would be enough; at
that threshold it lasts as `edge.trigger` would have it last. So a sound of minutes is one event, as it is on
the device, and two peaks are one where the score between them never lets go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.calibration.alarm_levels import alarm_levels
from edge.trigger_rule import TriggerRule

_TOLERANCE = 1e-6
MOST_WINDOWS = 3
"""That are kept of an event: those that set its level by the bundles' own rules, and some for others."""


@dataclass(frozen=True, eq=False)
class LabelScores:
    """A label's scores in the windows of all recordings.

    Attributes:
        own: (n,) its cosines.
        best_rival: (n,) the highest among its rivals'.
        recording: (n,) intp, ascending: which recording each window is of.
        position: (n,) intp, number of the window in its recording, ascending within it.
    """

    own: NDArray[np.float32]
    best_rival: NDArray[np.float32]
    recording: NDArray[np.intp]
    position: NDArray[np.intp]


@dataclass(frozen=True)
class LabelEvent:
    """One event of a label.

    Attributes:
        label: the label's place.
        rank: 0 for the event with the highest level of this label.
        level: the highest threshold that raises it.
        peak: the window that confirms it at that threshold.
        first, last: the windows between which it lasts at that threshold, by their place among all.
        windows: those that set the level first, then other support near them; ascending places among all.
    """

    label: int
    rank: int
    level: float
    peak: int
    first: int
    last: int
    windows: tuple[int, ...]


def window_levels(scores: LabelScores, rule: TriggerRule, hop_s: float) -> NDArray[np.float64]:
    """The highest threshold at which each window confirms an event, by its own support and that before it.

    Returns: (n,); -inf where there is none.
    """
    n = len(scores.own)
    n_back = _hops(rule.within_s, hop_s) - 1
    ends = np.arange(n)
    members = ends[:, None] + np.arange(-n_back, 1)
    clipped = np.maximum(members, 0)
    near = (members >= 0) & (scores.recording[clipped] == scores.recording[:, None])
    near &= scores.position[:, None] - scores.position[clipped] < rule.within_s / hop_s - _TOLERANCE
    group, column = np.nonzero(near)
    window = clipped[group, column]
    levels = alarm_levels(
        scores.own[window], scores.best_rival[window], group, scores.position[window], rule, hop_s
    )
    return np.asarray(np.where(_supports(scores, rule), np.minimum(levels, scores.own), -np.inf))


def _supports(scores: LabelScores, rule: TriggerRule) -> NDArray[np.bool_]:
    # As the trigger does it, in double precision.
    return np.asarray(scores.own.astype(np.float64) - scores.best_rival >= rule.margin)


def label_events(
    label: int,
    scores: LabelScores,
    levels: NDArray[np.float64],
    rule: TriggerRule,
    hop_s: float,
    n_most: int,
) -> list[LabelEvent]:
    """The events with the highest levels, in order of these.

    label: its place, which the events bear.
    levels: of `window_levels`.
    n_most: how many at most.
    """
    is_taken = np.zeros(len(levels), np.bool_)
    events: list[LabelEvent] = []
    order = np.argsort(-levels, kind="stable")
    for peak in order[levels[order] > -np.inf].tolist():
        if len(events) == n_most:
            break
        if is_taken[peak]:
            continue
        level = float(levels[peak])
        first, last = _extent(scores, peak, level, rule, hop_s)
        # At this threshold it is one with an event of a higher level if that lies within.
        if not is_taken[first : last + 1].any():
            windows = _windows(scores, peak, rule, hop_s)
            events.append(LabelEvent(label, len(events), level, peak, first, last, windows))
        is_taken[first : last + 1] = True
    return events


def _extent(scores: LabelScores, peak: int, level: float, rule: TriggerRule, hop_s: float) -> tuple[int, int]:
    """First and last window of the event that `peak` confirms at its own level."""
    off = level - (rule.on_threshold - rule.off_threshold)
    release_hops = _hops(rule.release_s, hop_s)
    ends = []
    for step in (-1, 1):
        held = at = peak
        while 0 <= (at := at + step) < len(scores.own) and scores.recording[at] == scores.recording[peak]:
            if abs(int(scores.position[at] - scores.position[held])) > release_hops:
                break
            if scores.own[at] >= off:
                held = at
        ends.append(held)
    return ends[0], ends[1]


def _windows(scores: LabelScores, peak: int, rule: TriggerRule, hop_s: float) -> tuple[int, ...]:
    """Up to three windows of support within the stretch that ends with the peak, the best ones."""
    stretch = [
        at
        for at in range(max(0, peak - _hops(rule.within_s, hop_s) + 1), peak + 1)
        if scores.recording[at] == scores.recording[peak]
        and scores.position[peak] - scores.position[at] < rule.within_s / hop_s - _TOLERANCE
        and float(scores.own[at]) - float(scores.best_rival[at]) >= rule.margin
    ]
    best = sorted(stretch, key=lambda at: -float(scores.own[at]))[:MOST_WINDOWS]
    return tuple(sorted(best))


def _hops(time_s: float, hop_s: float) -> int:
    return max(1, math.ceil(time_s / hop_s - _TOLERANCE))
