from __future__ import annotations

import logging

import pytest

from edge.health import DropMonitor, FaultMonitor
from edge.recognizer import WindowReport

RATE = 16000


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def feed(monitor: FaultMonitor, states: list[str]) -> None:
    """One window of a second for each state."""
    for second, state in enumerate(states):
        monitor(WindowReport(second * RATE, (second + 1) * RATE, -30.0, state, None, ()))  # type: ignore[arg-type]


def test_lost_samples_are_reported_once_in_ten_seconds_with_the_sum(caplog: pytest.LogCaptureFixture) -> None:
    monitor = DropMonitor(RATE)
    for second in range(12):
        monitor.check(dropped_samples=second * RATE // 10, position=second * RATE)
    assert [message.partition(" of sound lost")[0] for message in warnings(caplog)] == ["0.10 s", "1.00 s"]


def test_what_the_limit_held_back_is_reported_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    monitor = DropMonitor(RATE)
    monitor.check(1600, RATE)
    monitor.check(3200, 2 * RATE)
    monitor.finish(3200)
    assert "(0.20 s in all)" in warnings(caplog)[-1]


def test_nothing_is_said_while_nothing_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    monitor = DropMonitor(RATE)
    monitor.check(0, RATE)
    monitor.finish(0)
    assert warnings(caplog) == []


@pytest.mark.parametrize("fault", ["silent", "dc", "clipped", "nonfinite"])
def test_a_fault_is_reported_when_it_begins_and_when_it_ends(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = FaultMonitor(RATE, of_file=False)
    feed(monitor, ["scored"] * 5 + [fault] * 30 + ["scored"] * 30)
    began, ended = warnings(caplog)
    assert "from 0:00:05.0 on: " in began
    assert ended.endswith("since 0:00:35.0")


def test_a_fault_that_comes_and_goes_is_one_report(caplog: pytest.LogCaptureFixture) -> None:
    feed(FaultMonitor(RATE, of_file=False), ["clipped", "scored"] * 20)
    assert len(warnings(caplog)) == 1


def test_a_muted_microphone_is_met_with_what_to_look_at(caplog: pytest.LogCaptureFixture) -> None:
    feed(FaultMonitor(RATE, of_file=False), ["silent"])
    assert "`edge-listen devices`" in warnings(caplog)[0]


def test_digital_silence_in_a_file_is_no_warning_but_clipping_is(caplog: pytest.LogCaptureFixture) -> None:
    feed(FaultMonitor(RATE, of_file=True), ["silent", "clipped"])
    assert len(warnings(caplog)) == 1
    assert "clipped" in warnings(caplog)[0]


def test_quiet_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    feed(FaultMonitor(RATE, of_file=False), ["quiet"] * 20)
    assert warnings(caplog) == []
