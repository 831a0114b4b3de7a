from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from edge.file_health import FileHealth
from edge.recognizer import WindowReport

RATE = 16000


def feed(states: Sequence[str], hop_s: int = 1) -> None:
    """One window of a second for each state."""
    health = FileHealth(RATE)
    for index, state in enumerate(states):
        start = index * hop_s * RATE
        health.saw(WindowReport(start, start + RATE, -30.0, state, None, ()))  # type: ignore[arg-type]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("fault", ["dc", "clipped", "nonfinite"])
def test_a_fault_is_told_where_it_begins_and_once_it_is_over(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    feed(["scored"] * 5 + [fault] * 30 + ["scored"] * 30)
    begun, ended = warnings(caplog)
    assert begun.startswith("at 0:00:05.0: the input gives ")
    assert ended.startswith("at 0:00:44.0: no more ")


def test_a_fault_that_comes_and_goes_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    feed(["clipped", "scored"] * 20)
    assert len(warnings(caplog)) == 1


def test_digital_silence_is_nothing_unusual_in_a_recording_but_can_be_had(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    feed(["silent"] * 3 + ["scored"] * 20)
    assert warnings(caplog) == []
    assert [each.levelname for each in caplog.records] == ["DEBUG", "DEBUG"]


def test_a_good_recording_and_a_quiet_one_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    feed(["quiet", "scored"] * 20)
    assert caplog.records == []
