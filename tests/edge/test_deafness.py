from __future__ import annotations

from collections.abc import Callable

import pytest

from edge.deafness import GRACE_S, DeafnessGuard
from edge.output_settings import HealthSettings

SETTINGS = HealthSettings(reopen_after_s=60.0, restart_after_s=900.0)
BEGAN_S = 5000.0


def remedies(
    guard: DeafnessGuard, until_s: int, hears: Callable[[int], bool] = lambda _second: False
) -> list[tuple[int, str]]:
    """What is due in which second, asked each second from the one in which listening began."""
    found = []
    for second in range(until_s + 1):
        if hears(second):
            guard.heard(BEGAN_S + second)
        remedy = guard.remedy(BEGAN_S + second)
        if remedy is not None:
            found.append((second, remedy))
    return found


def make(settings: HealthSettings = SETTINGS) -> DeafnessGuard:
    return DeafnessGuard(settings, BEGAN_S)


def test_nothing_is_due_while_something_is_heard_in_time() -> None:
    assert remedies(make(), 3000, lambda second: second % 59 == 0) == []


def test_a_deaf_source_is_opened_anew_again_and_again() -> None:
    assert remedies(make(), 200) == [(60, "reopen"), (120, "reopen"), (180, "reopen")]


def test_after_a_sound_the_time_counts_anew() -> None:
    assert remedies(make(), 200, lambda second: second == 70) == [
        (60, "reopen"),
        (130, "reopen"),
        (190, "reopen"),
    ]


def test_it_asks_for_a_restart_when_opening_anew_did_not_help() -> None:
    found = remedies(make(), 900)
    assert [second for second, remedy in found if remedy == "reopen"] == list(range(60, 900, 60))
    assert found[-1] == (900, "restart")


def test_where_nobody_starts_the_program_anew_opening_goes_on() -> None:
    found = remedies(make(), 1100)
    assert [(second, remedy) for second, remedy in found if second >= 900] == [
        (900, "restart"),
        *[(second, "reopen") for second in (901, 961, 1021, 1081)],
    ]


def test_deaf_again_after_a_sound_it_asks_for_a_restart_again() -> None:
    found = remedies(make(), 2000, lambda second: second == 950)
    assert [second for second, remedy in found if remedy == "restart"] == [900, 1850]


@pytest.mark.parametrize(("reopen_after_s", "restart_after_s"), [(900.0, 60.0), (60.0, 60.0)])
def test_a_restart_goes_before_opening_anew(reopen_after_s: float, restart_after_s: float) -> None:
    settings = HealthSettings(reopen_after_s=reopen_after_s, restart_after_s=restart_after_s)
    assert remedies(make(settings), 60) == [(60, "restart")]


def test_the_watchdog_is_told_all_is_well_until_the_remedies_had_their_time() -> None:
    guard = make()
    last_s = BEGAN_S + SETTINGS.restart_after_s + GRACE_S
    assert guard.on_schedule(BEGAN_S)
    assert guard.on_schedule(last_s - 1)
    assert not guard.on_schedule(last_s)
    guard.heard(last_s)
    assert guard.on_schedule(last_s)


def test_nothing_is_due_before_a_window_can_have_come() -> None:
    guard = make(HealthSettings(reopen_after_s=5.0, restart_after_s=10.0))
    due = [guard.remedy(BEGAN_S + second, patience_s=25.0) for second in range(30)]
    assert [second for second, remedy in enumerate(due) if remedy] == [25, 26]
    assert guard.on_schedule(BEGAN_S + 80.0, patience_s=25.0)
    assert not guard.on_schedule(BEGAN_S + 90.0, patience_s=25.0)
