"""A label's threshold for a rate of false alarms asked for, and what it costs in sounds found."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.background import Background
from edge.calibration.alarm_levels import alarm_levels, own_and_best_rival, windows_needed
from edge.calibration.false_alarms import N_ANCHOR, FalseAlarms, Rate, false_alarms_of
from edge.manifest import RuleDefaults
from edge.scoring import PrototypeSet
from edge.trigger import TriggerRule

FLOOR_BELOW_BUNDLE = 0.15
"""A threshold never goes further below the bundle's own: there are other sounds than this background's."""
CEILING = 0.99


@dataclass(frozen=True)
class Expectation:
    """What a person will live with, of one label.

    Attributes:
        label: its name.
        threshold: on-threshold, a cosine.
        asked_per_h: false alarms an hour that it was chosen for; None if it was left as it was.
        false_alarms: events an hour of background at it.
        is_upper_bound: whether a looser rule was counted, see `countable` and `false_alarms_of`.
        n_found: how many of the members raise an event at it; None if there are none to judge by.
        n_members: how many recordings of the label's own sound there are that are long enough for its rule.
        before_threshold: what held before.
        n_found_before: as `n_found`, at that.
        false_alarms_before: as `false_alarms`, at that.
        note: what else to know, one line for a person; None if nothing.
    """

    label: str
    threshold: float
    asked_per_h: float | None
    false_alarms: Rate
    is_upper_bound: bool
    n_found: int | None
    n_members: int
    before_threshold: float
    n_found_before: int | None
    false_alarms_before: Rate
    note: str | None


def expectation(
    place: int,
    rule: TriggerRule,
    prototypes: PrototypeSet,
    background: Background,
    asked_per_h: float | None,
    own_threshold: float,
    counted_rule: TriggerRule | None = None,
) -> Expectation:
    """Choose a label's threshold and say what to expect of it.

    Args:
        place: of the label, among the prototypes' names, which begin with the manifest's labels.
        rule: the label's, as it holds now.
        prototypes: of the encoder that made the background.
        background: with members, by which the sounds found are judged.
        asked_per_h: false alarms an hour, above 0; None leaves the threshold as it is.
        own_threshold: the bundle's for this label, a cosine.
        counted_rule: what is counted in its place, see `countable`; None for the rule itself.
    """
    looser = rule if counted_rule is None else counted_rule
    counted = false_alarms_of(place, prototypes, looser, background)
    threshold, note = rule.on_threshold, None
    if asked_per_h is not None:
        threshold, note = _chosen(counted, asked_per_h, own_threshold)
    levels = _member_levels(place, prototypes, looser, background)
    return Expectation(
        label=prototypes.names[place],
        threshold=threshold,
        asked_per_h=asked_per_h,
        false_alarms=counted.expected(threshold),
        is_upper_bound=counted.is_upper_bound or looser != rule,
        n_found=_n_found(levels, threshold),
        n_members=len(levels),
        before_threshold=rule.on_threshold,
        n_found_before=_n_found(levels, rule.on_threshold),
        false_alarms_before=counted.expected(rule.on_threshold),
        note=note,
    )


def countable(rule: TriggerRule, defaults: RuleDefaults, hop_s: float, counted_hop_s: float) -> TriggerRule:
    """A rule as a bundle's background can count it: the rule itself, or one that it is stricter than.

    Args:
        rule: the label's.
        defaults: the bundle's, which its background was cut into moments for. A rule that adds support up
            over a longer time is counted by their confirmation.
        hop_s: seconds between the windows of the stream; at a longer hop fewer windows confirm.
        counted_hop_s: seconds between those of the background.
    """
    if rule.within_s > defaults.within_s:
        confirm_s = min(rule.confirm_s, defaults.confirm_s)
        rule = replace(rule, confirm_s=confirm_s, within_s=defaults.within_s, min_s=0.0)
    if hop_s > counted_hop_s:
        rule = replace(rule, confirm_s=min(rule.confirm_s, windows_needed(rule, hop_s) * counted_hop_s))
    return rule


def _chosen(counted: FalseAlarms, asked_per_h: float, own_threshold: float) -> tuple[float, str | None]:
    """The threshold, and a note where it isn't what the background alone would say."""
    wanted, floor = counted.threshold_for(asked_per_h), _up(own_threshold - FLOOR_BELOW_BUNDLE)
    if wanted < floor:
        return floor, f"already rarer than asked: kept at {short(floor)}, the least that is allowed"
    if wanted > CEILING:
        return CEILING, f"more often than asked even at {short(CEILING)}, the most that is allowed"
    if asked_per_h * counted.hours < N_ANCHOR:
        note = (
            f"asked for fewer than {N_ANCHOR} in these {counted.hours:.3g} h: reckoned beyond what was heard"
        )
        return _up(wanted), note
    return _up(wanted), None


def _up(threshold: float) -> float:
    # What binary leaves of a threshold with three decimals mustn't bring it to the next.
    return math.ceil(threshold * 1000.0 - 1e-6) / 1000.0


def short(threshold: float) -> str:
    """A threshold for a person, in three decimals, such as .715."""
    return f"{threshold:.3f}".replace("0.", ".", 1)


def _member_levels(
    place: int, prototypes: PrototypeSet, rule: TriggerRule, background: Background
) -> NDArray[np.float64]:
    """Of the recordings of the label's own sound that are long enough for its rule."""
    members = background.members
    is_own = members.label == place
    _, recording = np.unique(members.recording[is_own], return_inverse=True)
    own, best_rival = own_and_best_rival(members.embeddings[is_own], place, prototypes, rule)
    levels = alarm_levels(own, best_rival, recording, members.position[is_own], rule, background.hop_s)
    return levels[np.bincount(recording) >= windows_needed(rule, background.hop_s)]


def _n_found(levels: NDArray[np.float64], threshold: float) -> int | None:
    return int(np.count_nonzero(levels >= threshold)) if len(levels) else None


@dataclass(frozen=True)
class PooledRecall:
    """Sounds found of all labels together.

    Attributes:
        n_found: recordings that raise an event of their label.
        n_found_before: the same, at the thresholds of before.
        n_members: how many there are.
    """

    n_found: int
    n_found_before: int
    n_members: int


def pooled_recall(expectations: Iterable[Expectation]) -> PooledRecall:
    """Of the labels that there are recordings of."""
    judged = [e for e in expectations if e.n_found is not None]
    return PooledRecall(
        sum(e.n_found or 0 for e in judged),
        sum(e.n_found_before or 0 for e in judged),
        sum(e.n_members for e in judged),
    )
