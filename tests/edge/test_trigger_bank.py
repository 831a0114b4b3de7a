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
from edge.types import SoundEvent

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
    expected += [trigger.close(len(scores) * HOP + LENGTH - HOP) for trigger in alone.values()]
    assert run(scores) == [event for event in expected if event is not None]


def test_events_and_support_of_a_window_come_in_the_order_of_the_rules():
    triggers = bank({label: replace(rule, confirm_s=0.0, rivals="none") for label, rule in RULES.items()})
    events, supporting = triggers.step(0, LENGTH, np.array([0.7, 0.9, 0.8, 0.9], np.float32))
    assert supporting == ("siren", "bark")
    assert [(event.label, event.number) for event in events] == [("siren", 1), ("bark", 2)]
    assert [event.label for event in triggers.close(LENGTH)] == ["siren", "bark"]


def test_a_window_without_scores_supports_nothing():
    assert bank().step(0, LENGTH, None) == ([], ())


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
