from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge.health import CONDITIONS, HealthChange, HealthMonitor
from edge.recognizer import WindowReport

RATE = 16000
FAULTS = ("silent", "dc", "nonfinite", "clipped")
Told = list[tuple[float, str, str]]


def report(state: str) -> WindowReport:
    return WindowReport(0, RATE, -30.0, state, None, ())  # type: ignore[arg-type]


def told(now_s: float, changes: Sequence[HealthChange]) -> Told:
    return [(now_s, change.condition, change.state) for change in changes]


def watch(monitor: HealthMonitor, states: Sequence[str | None], first_s: int = 0, every_s: int = 1) -> Told:
    """One window for each state, `every_s` apart, or none; the monitor is asked each second."""
    found: Told = []
    for second in range(len(states) * every_s):
        state = states[second // every_s] if second % every_s == 0 else None
        if state is not None:
            monitor.saw(report(state), float(first_s + second))
        found += told(first_s + second, monitor.changes(float(first_s + second)))
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_once_it_has_lasted_and_once_it_has_been_over_for_ten_seconds(fault: str) -> None:
    monitor = HealthMonitor(tell_after_s=10.0)
    found = watch(monitor, ["scored"] * 5 + [fault] * 31 + ["scored"] * 30)
    assert found == [(15, fault, "begun"), (45, fault, "ended")]


@pytest.mark.parametrize(("tell_after_s", "begun_s"), [(0.0, 5), (3.0, 8), (30.0, 35)])
def test_how_long_it_must_last_is_a_setting(tell_after_s: float, begun_s: int) -> None:
    assert watch(HealthMonitor(tell_after_s), ["scored"] * 5 + ["silent"] * 60) == [
        (begun_s, "silent", "begun")
    ]


def test_what_one_good_window_ends_before_it_was_told_is_not_told() -> None:
    found = watch(HealthMonitor(10.0), (["silent"] * 9 + ["quiet"]) * 10)
    assert found == []


def test_once_told_a_fault_that_comes_and_goes_is_one() -> None:
    found = watch(HealthMonitor(2.0), ["clipped"] * 5 + (["scored"] * 9 + ["clipped"]) * 10)
    assert found == [(2, "clipped", "begun")]


def test_a_condition_that_returns_after_it_was_over_is_told_again() -> None:
    found = watch(HealthMonitor(0.0), ["clipped"] + ["scored"] * 15 + ["clipped"])
    assert found == [(0, "clipped", "begun"), (10, "clipped", "ended"), (16, "clipped", "begun")]


def test_a_fault_of_windows_that_come_seldom_is_told_all_the_same_and_lasts_between_two() -> None:
    monitor = HealthMonitor(tell_after_s=10.0)
    assert watch(monitor, ["silent"] * 5, every_s=16) == [(16, "silent", "begun")]
    assert watch(monitor, ["scored"] * 3, first_s=80, every_s=16) == [(80, "silent", "ended")]


def test_a_fault_is_not_over_because_no_window_comes_at_all() -> None:
    monitor = HealthMonitor(tell_after_s=0.0)
    assert watch(monitor, ["silent", *[None] * 60]) == [(0, "silent", "begun")]
    assert monitor.conditions == ("silent",)


@pytest.mark.parametrize("condition", ["lost_sound", "slow"])
def test_what_is_lost_is_told_at_once_and_over_ten_seconds_after_the_last(condition: str) -> None:
    monitor = HealthMonitor(tell_after_s=3600.0)
    found: Told = []
    for second in range(30):
        if second <= 5:
            monitor.note(condition, float(second), "1.50 s in all")
        found += told(second, monitor.changes(float(second)))
    assert found == [(0, condition, "begun"), (15, condition, "ended")]


def test_no_sound_is_told_when_it_has_lasted_and_sound_that_comes_meanwhile_forgets_it() -> None:
    monitor = HealthMonitor(tell_after_s=10.0)
    found: Told = []
    for second in range(40):
        if second == 8:
            monitor.saw(report("scored"), float(second))
        else:
            monitor.note("no_sound", float(second))
        found += told(second, monitor.changes(float(second)))
    assert found == [(19, "no_sound", "begun")]


def test_a_microphone_that_is_away_is_told_when_that_has_lasted_and_its_return_at_once() -> None:
    monitor = HealthMonitor(tell_after_s=10.0)
    watch(monitor, ["scored"] * 3)
    found: Told = []
    for second in range(3, 60):
        if second < 30:
            monitor.note("absent", float(second), "no microphone was found")
        else:
            monitor.saw(report("scored"), float(second))
        found += told(second, monitor.changes(float(second)))
    assert found == [(13, "absent", "begun"), (30, "absent", "ended")]


def test_the_conditions_are_those_that_were_told_and_are_not_over() -> None:
    monitor = HealthMonitor(tell_after_s=10.0)
    monitor.note("slow", 0.0)
    monitor.note("no_sound", 0.0)
    assert monitor.conditions == ()
    monitor.changes(0.0)
    assert monitor.conditions == ("slow",)
    monitor.note("no_sound", 10.0)
    monitor.changes(10.0)
    assert monitor.conditions == ("no_sound",)


def test_quiet_is_no_fault() -> None:
    assert watch(HealthMonitor(0.0), ["quiet", "scored"] * 20) == []


def test_the_message_says_what_to_look_at_and_how_much_was_lost() -> None:
    monitor = HealthMonitor(tell_after_s=0.0)
    monitor.note("lost_sound", 0.0, "1.50 s in all")
    monitor.saw(report("silent"), 0.0)
    lost, silent = (change.message for change in monitor.changes(0.0))
    assert lost.startswith("sound was lost (1.50 s in all): ")
    assert "`edge-listen devices --test`" in silent


@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_condition_is_told_in_one_line_of_its_own_both_ways(condition: str) -> None:
    monitor = HealthMonitor(tell_after_s=0.0)
    monitor.note(condition, 0.0)
    (begun,) = monitor.changes(0.0)
    monitor.saw(report("scored"), 100.0)
    (ended,) = monitor.changes(100.0)
    assert (begun.condition, begun.state) == (ended.condition, "begun")
    assert (ended.condition, ended.state) == (condition, "ended")
    assert CONDITIONS[condition].hint in begun.message
    for message in (begun.message, ended.message):
        assert message
        assert message.isprintable()
        assert [
            other for other in CONDITIONS.values() if other.begun in message or other.ended in message
        ] == [CONDITIONS[condition]]
