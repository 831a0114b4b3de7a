from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from edge.pace import BACKLOG_S, HEADROOM, STEPS, Load, Pace

TEND_S = 0.5


def simulate(
    seconds: int,
    cost: Callable[[float], float],
    limit: float = 1.0,
    *,
    fixed: float = 0.0,
    queue: bool = False,
) -> list[tuple[float, int]]:
    """The times at which the step changes, and to what.

    cost: at a time, the share of a core that hearing every window would take.
    fixed: share that is used whatever the step.
    queue: whether sound that there is no time for waits, as a microphone's does, up to 10 s.
    """
    pace = Pace(limit, Load(0.0, 0.0, 0.0))
    busy_s, backlog_s, changes = 0.0, 0.0, []
    for turn in range(1, round(seconds / TEND_S) + 1):
        now_s = turn * TEND_S
        share = fixed + cost(now_s) / pace.hear_every
        busy_s += min(share, 1.0) * TEND_S
        if queue:
            backlog_s = min(10.0, max(0.0, backlog_s + (share - 1.0) * TEND_S))
        if pace.update(Load(now_s, busy_s, backlog_s)):
            changes.append((now_s, pace.hear_every))
    return changes


def test_a_machine_that_has_the_time_hears_every_window() -> None:
    assert simulate(600, lambda _now_s: 0.9) == []


def test_a_budget_that_is_not_enough_is_met_within_seconds() -> None:
    # A half of a core in all, of which a sixteenth is allowed: one window of eight.
    assert simulate(600, lambda _now_s: 0.5, limit=0.0626) == [(5.0, 2), (10.0, 4), (15.0, 8)]


def test_sound_that_waits_widens_the_step_though_no_budget_is_set() -> None:
    changes = simulate(60, lambda _now_s: 1.5, queue=True)
    assert changes[0] == (5.0, 2)
    assert max(step for _, step in changes) == 2


def test_a_machine_that_gets_slow_later_is_met_within_a_minute() -> None:
    for begins_s in range(100, 140):
        changes = simulate(240, lambda now_s, at_s=begins_s: 1.5 if now_s > at_s else 0.2, queue=True)
        assert begins_s < changes[0][0] <= begins_s + 5.0 + BACKLOG_S / 0.5


def test_it_hears_more_again_step_by_step_when_there_was_room_for_half_a_minute() -> None:
    changes = simulate(300, lambda now_s: 1.9 if now_s <= 40 else 0.1, limit=0.5)
    assert [step for _, step in changes] == [2, 4, 2, 1]
    (_, _), (_, _), (narrowed_s, _), (all_s, _) = changes
    assert narrowed_s - 40 >= 30 - 5
    assert all_s - narrowed_s == 30.0


@pytest.mark.parametrize("cost", [0.3, 0.6, 0.88, 1.3, 2.5, 7.0, 30.0])
@pytest.mark.parametrize("limit", [0.02, 0.1, 0.25, 0.9])
@pytest.mark.parametrize("fixed", [0.0, 0.01])
def test_under_the_same_load_it_settles_and_keeps_to_the_limit_if_any_step_can(
    cost: float, limit: float, fixed: float
) -> None:
    changes = simulate(1200, lambda _now_s: cost, limit, fixed=fixed)
    assert all(b > a for (_, a), (_, b) in itertools.pairwise(changes)), "it went back"
    assert len(changes) < len(STEPS)
    step = changes[-1][1] if changes else 1
    assert step == STEPS[-1] or fixed + cost / step <= limit
    denser = STEPS[max(0, STEPS.index(step) - 1)]
    assert step == 1 or fixed + cost / denser > limit, "it passes over more than it must"


def test_the_denser_step_must_have_room_to_spare() -> None:
    for share, steps in ((HEADROOM * 0.49, [2, 1]), (HEADROOM * 0.51, [2])):
        changes = simulate(200, lambda now_s, later=share: 1.0 if now_s <= 5 else later, limit=0.5)
        assert [step for _, step in changes] == steps


def test_as_long_as_sound_waits_it_hears_no_more() -> None:
    pace = Pace(1.0, Load(0.0, 0.0, 0.0))
    assert pace.update(Load(5.0, 0.0, BACKLOG_S + 1))
    for turn in range(1, 20):
        assert not pace.update(Load(5.0 + 30.0 * turn, 0.0, BACKLOG_S / 2))
    assert pace.hear_every == 2
    assert pace.update(Load(605.0, 0.0, 0.0))


def test_beyond_the_widest_step_nothing_changes_any_more() -> None:
    changes = simulate(300, lambda _now_s: 1000.0, limit=0.9)
    assert [step for _, step in changes] == list(STEPS[1:])
