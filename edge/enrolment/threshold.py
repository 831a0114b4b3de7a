"""Where an enrolled sound's threshold lies: between what background reaches and what left-out clips reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.background import Background
from edge.calibration.alarm_levels import alarm_levels, own_and_best_rival
from edge.calibration.expectation import CEILING
from edge.calibration.false_alarms import Rate, false_alarms_of
from edge.enrolment.windows import ClipWindows
from edge.scoring import PrototypeSet
from edge.trigger_rule import TriggerRule

NEARER_BACKGROUND = 1.0 / 3.0
"""How far from the background's level towards the left-out clips' lowest: their next will reach less."""
OTHERS_SHARE = 0.95
"""Of recordings of other labels, those that a threshold keeps out."""
NO_BACKGROUND = (
    "the bundle has no background to count false alarms in: the threshold is guessed from the other labels'; "
    "add one with edge-export background"
)
_NO_LABELS_THRESHOLD = 0.5
"""A guess, where the bundle has no label to guess by."""


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold and what is to be expected of it.

    Attributes:
        threshold: a cosine.
        expected: false alarms an hour; None without a background to count them in.
        n_found: of the clips that are told at it, each by the prototypes of the others.
        notes: what a person should know.
    """

    threshold: float
    expected: Rate | None
    n_found: int
    notes: tuple[str, ...]


def found_levels(
    clip: ClipWindows, place: int, prototypes: PrototypeSet, rule: TriggerRule, hop_s: float
) -> float:
    """The highest threshold at which a clip is told; -inf if it isn't at any, since rivals forbid it."""
    own, best_rival = own_and_best_rival(clip.embeddings, place, prototypes, rule)
    n = len(own)
    return float(alarm_levels(own, best_rival, np.zeros(n, np.intp), np.arange(n), rule, hop_s)[0])


def choose_threshold(
    levels: Sequence[float],
    place: int,
    prototypes: PrototypeSet,
    rule: TriggerRule,
    background: Background | None,
    thresholds: Mapping[str, float],
    per_h: float,
) -> ChosenThreshold:
    """Choose it.

    Args:
        levels: of the clips, each by the prototypes of the others, see `found_levels`.
        place: of the new sound, among the prototypes' names.
        prototypes: of all clips, and of all other names.
        rule: by which it will be told.
        background: in which false alarms are counted; without it, the other labels' thresholds are the guide.
        thresholds: of the other labels.
        per_h: false alarms an hour that may come.
    """
    if background is None:
        guide = float(np.median(list(thresholds.values()) or [_NO_LABELS_THRESHOLD]))
        notes: tuple[str, ...] = (NO_BACKGROUND,)
        threshold = _between(guide, levels)
        return ChosenThreshold(threshold, None, _n_found(levels, threshold), notes + _lost(levels, threshold))
    counted = false_alarms_of(place, prototypes, rule, background)
    wanted, highest = counted.threshold_for(per_h), _highest(place, prototypes, rule, background)
    least = max(min(wanted, highest), _others_reach(place, prototypes, rule, background))
    threshold = _between(least, levels)
    notes = _lost(levels, threshold)
    if wanted > threshold:
        too_short = (
            f"{per_h:g} false alarms an hour can't be promised without missing the sound: its threshold is "
            f"above all that the bundle keeps of {counted.hours:.3g} h of background"
        )
        notes = (too_short, *notes)
    return ChosenThreshold(threshold, counted.expected(threshold), _n_found(levels, threshold), notes)


def _highest(place: int, prototypes: PrototypeSet, rule: TriggerRule, background: Background) -> float:
    """The highest level of an event in the background; inf where too few windows are kept to confirm one.

    Where the rate asked for is rarer than what was heard, a model of the tail tells the threshold. It takes
    background to be of one kind, and a few strange recordings among many make it ask for more than any clip
    of the sound reaches.
    """
    own, best_rival = own_and_best_rival(background.embeddings, place, prototypes, rule)
    levels = alarm_levels(own, best_rival, background.moment, background.position, rule, background.hop_s)
    highest = float(levels.max(initial=-np.inf))
    return math.nextafter(highest, math.inf) if highest > -math.inf else math.inf


def _between(least: float, levels: Sequence[float]) -> float:
    """The threshold for a level that background keeps under, and the levels of the left-out clips."""
    return min(CEILING, least + NEARER_BACKGROUND * max(0.0, min(levels) - least))


def _others_reach(place: int, prototypes: PrototypeSet, rule: TriggerRule, background: Background) -> float:
    """What the windows of other sounds commonly reach, rivals or not: of labels, else of the background."""
    members = background.members
    if len(members.recording):
        groups, embeddings = members.recording, members.embeddings
    else:
        groups, embeddings = background.moment, background.embeddings
    own, _ = own_and_best_rival(embeddings, place, prototypes, rule)
    peaks = np.maximum.reduceat(own, np.flatnonzero(np.diff(groups, prepend=-1)))
    return float(np.quantile(peaks, OTHERS_SHARE))


def _n_found(levels: Sequence[float], threshold: float) -> int:
    return sum(level >= threshold for level in levels)


def _lost(levels: Sequence[float], threshold: float) -> tuple[str, ...]:
    n, notes = len(levels), []
    n_beaten = sum(level == -math.inf for level in levels)
    n_under = n - n_beaten - _n_found(levels, threshold)
    if n_under:
        notes.append(
            f"{n_under} of {n} clips would be missed at this threshold, by the others' measure: other sounds "
            "come as near; give more clips, or allow more false alarms"
        )
    if n_beaten:
        notes.append(
            f"{n_beaten} of {n} clips would be missed at any threshold, by the others' measure: another "
            "sound beats them, or they are too short for the rule"
        )
    return tuple(notes)
