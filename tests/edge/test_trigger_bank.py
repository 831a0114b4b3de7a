from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from fakes import axis_prototypes
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.scoring import rivals_of
from edge.trigger import Trigger, TriggerRule
from edge.trigger_bank import TriggerBank
from edge.types import LabelState, SoundEvent

RATE, HOP, LENGTH = 1000, 200, 1000
RULE = TriggerRule(
    on_threshold=0.6,
    off_threshold=0.5,
    margin=0.0,
    rivals="background",
    confirm_s=0.4,
    within_s=0.6,
    release_s=0.2,
    cooldown_s=0.0,
)
NAMES = ("bark", "rain", "siren", "hum")
PROTOTYPES = axis_prototypes(NAMES, background=["rain", "hum"], groups={"bark": "x", "hum": "x"})
RULES = {
    "siren": replace(RULE, rivals="all", margin=-0.1),
    "bark": RULE,
}
cosines = st.integers(-100, 100).map(lambda hundredths: hundredths / 100)
streams = st.lists(st.one_of(st.none(), st.tuples(cosines, cosines, cosines, cosines)), max_size=25)


def bank(rules: dict[str, TriggerRule] = RULES) -> TriggerBank:
    return TriggerBank(PROTOTYPES, rules, HOP, RATE)


def run(scores: Sequence[Sequence[float] | None], rules: dict[str, TriggerRule] = RULES) -> list[SoundEvent]:
    triggers = bank(rules)
    events: list[SoundEvent] = []
    for i, of_window in enumerate(scores):
        row = None if of_window is None else np.array(of_window, np.float32)
        events += triggers.step(i * HOP, i * HOP + LENGTH, row)[0]
    return events + triggers.close(len(scores) * HOP + LENGTH - HOP)


@given(scores=streams)
def test_each_label_gets_the_events_that_its_own_trigger_gives(scores):
    numbers = count(1)
    alone = {label: Trigger(label, rule, HOP, RATE, numbers) for label, rule in RULES.items()}
    expected = []
    for i, of_window in enumerate(scores):
        for label, trigger in alone.items():
            place, score, best_rival = NAMES.index(label), None, -math.inf
            if of_window is not None:
                rivals = rivals_of(PROTOTYPES, place, RULES[label].rivals)
                score = float(np.float32(of_window[place]))
                best_rival = max((float(np.float32(of_window[r])) for r in rivals), default=-math.inf)
            expected.append(trigger.step(i * HOP, i * HOP + LENGTH, score, best_rival))
    expected += [
        event for trigger in alone.values() for event in trigger.close(len(scores) * HOP + LENGTH - HOP)
    ]
    assert run(scores) == [event for event in expected if event is not None]


def test_events_and_support_of_a_window_come_in_the_order_of_the_rules():
    triggers = bank({label: replace(rule, confirm_s=0.0, rivals="none") for label, rule in RULES.items()})
    events, states = triggers.step(0, LENGTH, np.array([0.7, 0.9, 0.8, 0.9], np.float32))
    assert [(state.label, state.supports) for state in states] == [("siren", True), ("bark", True)]
    assert [(event.label, event.number) for event in events] == [("siren", 1), ("bark", 2)]
    assert [event.label for event in triggers.close(LENGTH)] == ["siren", "bark"]


def test_a_window_without_scores_supports_nothing():
    events, states = bank().step(0, LENGTH, None)
    assert events == []
    assert states == (
        LabelState(
            "siren",
            None,
            0.6,
            -0.1,
            None,
            -math.inf,
            supports=False,
            supported_s=0.0,
            confirm_s=0.4,
            phase="idle",
            off_threshold=0.5,
        ),
        LabelState(
            "bark",
            None,
            0.6,
            0.0,
            None,
            -math.inf,
            supports=False,
            supported_s=0.0,
            confirm_s=0.4,
            phase="idle",
            off_threshold=0.5,
        ),
    )


def test_a_state_names_the_best_rival_of_those_that_the_label_has():
    # Rain alone is bark's, since the hum is of its group; all three are the siren's.
    _, states = bank().step(0, LENGTH, row(0.75, 0.25, 0.5, 0.875))
    assert states == (
        LabelState(
            "siren",
            0.5,
            0.6,
            -0.1,
            "hum",
            0.875,
            supports=False,
            supported_s=0.0,
            confirm_s=0.4,
            phase="idle",
            off_threshold=0.5,
        ),
        LabelState(
            "bark",
            0.75,
            0.6,
            0.0,
            "rain",
            0.25,
            supports=True,
            supported_s=0.2,
            confirm_s=0.4,
            phase="confirming",
            off_threshold=0.5,
        ),
    )


def test_a_label_without_rivals_has_none_in_its_state():
    (state,) = bank({"bark": replace(RULE, rivals="none")}).step(0, LENGTH, row(0.75, 1.0, 1.0, 1.0))[1]
    assert (state.best_rival, state.rival_score, state.supports) == (None, -math.inf, True)


def test_a_label_without_rivals_needs_its_threshold_alone():
    rules = {"bark": replace(RULE, rivals="none", confirm_s=0.0, margin=2.0)}
    assert [event.kind for event in run([(0.6, 1.0, 1.0, 1.0)], rules)] == ["onset", "offset"]


def test_the_only_window_of_a_stream_confirms_alone():
    scores = np.array([0.9, 0.0, 0.0, 0.0], np.float32)
    assert bank().step(0, 500, scores)[0] == []
    (onset,) = bank().step(0, 500, scores, is_all=True)[0]
    assert (onset.kind, onset.label) == ("onset", "bark")


def test_a_label_without_a_prototype_is_refused_by_name():
    with pytest.raises(ConfigError, match="no prototype for the label 'unicorn'"):
        bank({"unicorn": RULE})


def row(*scores: float) -> np.ndarray:
    return np.array(scores, np.float32)


def supported(states: Sequence[LabelState]) -> list[str]:
    return [state.label for state in states if state.supports]


def play_changing(
    scores: Sequence[Sequence[float] | None], changes: dict[int, dict[str, TriggerRule]]
) -> list[SoundEvent]:
    """As `run`, with other rules from the windows named on."""
    triggers = bank()
    events: list[SoundEvent] = []
    for i, of_window in enumerate(scores):
        if i in changes:
            events += triggers.listen_for(PROTOTYPES, changes[i], i * HOP + LENGTH - 1)
        events += triggers.step(i * HOP, i * HOP + LENGTH, None if of_window is None else row(*of_window))[0]
    return events + triggers.close(len(scores) * HOP + LENGTH - HOP)


def unnumbered(events: Sequence[SoundEvent], label: str) -> list[SoundEvent]:
    return [replace(event, number=0) for event in events if event.label == label]


OTHER_RULES = [
    {"siren": RULES["siren"]},
    {"siren": RULES["siren"], "bark": replace(RULE, on_threshold=0.7)},
    {"rain": RULE, "siren": RULES["siren"]},
    dict(reversed(RULES.items())),
]


@given(scores=streams, at=st.integers(0, 25), rules=st.sampled_from(OTHER_RULES))
def test_a_label_whose_rule_stays_is_not_disturbed_by_a_change(scores, at, rules):
    assert unnumbered(play_changing(scores, {at: rules}), "siren") == unnumbered(run(scores), "siren")


@given(scores=streams, at=st.integers(0, 25), rules=st.sampled_from(OTHER_RULES))
def test_events_over_a_change_are_numbered_on_and_each_is_closed_once(scores, at, rules):
    events = play_changing(scores, {at: rules})
    onsets = [event for event in events if event.kind == "onset"]
    assert [event.number for event in onsets] == list(range(1, len(onsets) + 1))
    offsets = {event.number: event for event in events if event.kind == "offset"}
    assert sorted(offsets) == [event.number for event in onsets]
    assert all(offsets[event.number].label == event.label for event in onsets)


def open_bark() -> TriggerBank:
    triggers = bank({"bark": replace(RULE, confirm_s=0.0), "siren": RULES["siren"]})
    (onset,), _ = triggers.step(0, LENGTH, row(0.9, 0.0, 0.0, 0.0))
    assert onset.label == "bark"
    return triggers


@pytest.mark.parametrize("rules", [{"siren": RULES["siren"]}, {"siren": RULES["siren"], "bark": RULE}])
def test_the_open_event_of_a_label_that_is_dropped_or_gets_another_rule_is_closed(rules):
    triggers = open_bark()
    (offset,) = triggers.listen_for(PROTOTYPES, rules, LENGTH + 50)
    # It held in the last window, so it lasted as far as the stream has come.
    assert (offset.kind, offset.label, offset.number) == ("offset", "bark", 1)
    assert offset.offset_sample == LENGTH + 50


@pytest.mark.parametrize(
    "rules",
    [
        {"siren": RULE, "unicorn": RULE},
        {"siren": replace(RULE, confirm_s=0.0001, within_s=1.0), "bark": RULE},
    ],
)
def test_a_bad_rule_leaves_all_as_it_was(rules):
    triggers = open_bark()
    with pytest.raises(ConfigError):
        triggers.listen_for(PROTOTYPES, rules, LENGTH)
    events, states = triggers.step(HOP, HOP + LENGTH, row(0.9, 0.0, 0.0, 0.0))
    assert (events, supported(states)) == ([], ["bark"])
    (offset,) = triggers.close(LENGTH + HOP)
    assert (offset.label, offset.offset_sample) == ("bark", LENGTH + HOP)


def test_other_prototypes_are_those_that_scores_are_of_from_then_on():
    triggers = bank({"bark": replace(RULE, confirm_s=0.0)})
    other = axis_prototypes(["whistle", "siren", "bark", "hum"], background=["hum"])
    rules = {"bark": replace(RULE, confirm_s=0.0), "whistle": replace(RULE, confirm_s=0.0)}
    assert triggers.listen_for(other, rules, 0) == []
    events, states = triggers.step(0, LENGTH, row(0.1, 0.9, 0.8, 0.0))
    assert supported(states) == ["bark"]
    assert [event.label for event in events] == ["bark"]
    _, states = triggers.step(HOP, HOP + LENGTH, row(0.9, 0.0, 0.0, 0.95))
    assert supported(states) == [], "the hum is its rival now"
    assert [state.best_rival for state in states] == ["hum", "hum"]


def test_windows_passed_over_count_as_support_for_all_labels():
    rule = replace(RULE, confirm_s=0.6)
    triggers = bank({"bark": rule, "siren": rule})
    assert triggers.step(0, LENGTH, row(0.9, 0.0, 0.9, 0.0))[0] == []
    (onset,), _ = triggers.step(2 * HOP, 2 * HOP + LENGTH, row(0.9, 0.0, 0.0, 0.0), n_hops=2)
    assert onset.label == "bark"
