from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config import RuleSettings
from edge.errors import ConfigError
from edge.manifest import RuleDefaults
from edge.rule_presets import preset_settings, trigger_rule
from edge.settings import SETTINGS, Preset
from edge.trigger import Trigger, TriggerRule

RATE = 1000
BUNDLE = RuleDefaults(
    margin=-0.08, off_margin=0.1, confirm_s=0.96, within_s=2.4, release_s=1.5, rivals="background"
)
WINDOW_S, HOP_S = 2.5, 0.48


def rule_of(preset: Preset | None = None, **given_settings: object) -> TriggerRule:
    return trigger_rule(RuleSettings(preset=preset, **given_settings), 0.5, BUNDLE, WINDOW_S, HOP_S)


def n_events(rule: TriggerRule, heard: str, window: int = 2500, hop: int = 480) -> int:
    """How many events windows bring; "x" is one that supports."""
    trigger = Trigger("sound", replace(rule, margin=-2.0), hop, RATE, itertools.count(1))
    events = []
    for index, mark in enumerate(heard):
        start = index * hop
        events.append(trigger.step(start, start + window, 0.9 if mark == "x" else 0.0, -math.inf))
    events += trigger.close((len(heard) - 1) * hop + window)
    return sum(event is not None and event.kind == "onset" for event in events)


def test_without_settings_a_rule_is_the_bundles_own_with_nothing_else_asked_for():
    assert rule_of() == TriggerRule(0.5, 0.4, -0.08, "background", 0.96, 2.4, 1.5, 0.0, 0.0, math.inf)
    assert not rule_of().one_shot


def test_what_is_given_wins_over_the_preset_and_the_preset_over_the_bundle():
    rule = rule_of("sustained", release_s=9.0, cooldown_s=30.0)
    assert (rule.release_s, rule.cooldown_s) == (9.0, 30.0)
    assert rule.confirm_s == pytest.approx(2.88)
    assert (rule.margin, rule.on_threshold) == (-0.08, 0.5)


def test_a_given_zero_or_false_wins_over_the_preset_too():
    assert rule_of("sustained", min_s=0.0).min_s == 0.0
    assert rule_of("impulsive", one_shot=False, cooldown_s=0.0) == rule_of(confirm_s=0.0)


def test_what_is_given_and_contradicts_the_preset_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"one_shot \(or the preset impulsive\).*max_s 5"):
        rule_of("impulsive", max_s=5.0)
    with pytest.raises(ConfigError, match=r"max_s 1 is shorter than min_s 3\.36"):
        rule_of("sustained", max_s=1.0)


def test_false_alarms_leave_the_threshold_to_whoever_knows_the_background():
    assert rule_of(false_alarms=0.5) == rule_of()


@given(
    preset=st.sampled_from(get_args(Preset)),
    hop=st.integers(10, 5000),
    n_hops=st.floats(1.0, 60.0, allow_subnormal=False),
)
def test_the_times_of_a_preset_are_whole_hops_and_allowed_as_settings(preset, hop, n_hops):
    hop_s, window_s = hop / RATE, round(hop * n_hops) / RATE
    times = preset_settings(preset, window_s, hop_s)
    for name in set(times) - {"one_shot"}:
        low, high = SETTINGS[name].range
        if math.isfinite(times[name]):
            assert times[name] / hop_s == pytest.approx(round(times[name] / hop_s))
            assert low <= times[name] <= high
    # It is a rule, and one that a trigger takes: whole samples.
    rule = trigger_rule(RuleSettings(preset=preset), 0.5, BUNDLE, window_s, hop_s)
    Trigger("sound", rule, hop, RATE, itertools.count(1))


def test_an_impulsive_sound_is_told_once_by_a_single_window():
    impulsive = rule_of("impulsive")
    assert n_events(impulsive, "..x..........") == 1
    assert n_events(rule_of(), "..x..........") == 0
    assert n_events(impulsive, "..xxxx.x..xxx") == 1, "barks in a row are one"
    assert n_events(impulsive, "..x" + "." * 10 + "x..") == 2


def test_a_sustained_sound_must_last_longer_than_a_bang_is_in_windows():
    sustained = rule_of("sustained")
    # A window of 2.5 s every 0.48 s: a bang is in six at most.
    assert n_events(sustained, "..xxxxxx..........") == 0
    assert n_events(sustained, "..xxxxxxx.........") == 1
    assert n_events(sustained, "..xxxx..xxxx......") == 1, "it may be drowned for a moment"


def test_a_beep_must_come_again():
    beeping = rule_of("beeping")
    assert n_events(beeping, "..xxxxxx" + "." * 60) == 0
    assert n_events(beeping, "..xxx....xxx....xxx...." + "." * 40) == 1
    assert n_events(beeping, "..xxx" + "." * 50 + "xxx" + "." * 50 + "xxx") == 0, "too seldom"


@given(n_hops=st.floats(1.0, 40.0, allow_subnormal=False))
def test_a_lone_beep_is_never_enough_whatever_the_windows(n_hops):
    hop_s, window_s = 0.5, 0.5 * n_hops
    times = preset_settings("beeping", window_s, hop_s)
    assert round(times["confirm_s"] / hop_s) > math.ceil(n_hops - 1e-9)
