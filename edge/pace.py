"""How many windows are heard when there is not time for all: one of 1, 2, 4, 8 or 16. Reads no clock."""

from __future__ import annotations

from dataclasses import dataclass

STEPS = (1, 2, 4, 8, 16)
"""One window of so many is heard."""
BACKLOG_S = 2.0
"""So much sound waiting means that the machine is too slow."""
WIDEN_AFTER_S = 5.0
NARROW_AFTER_S = 30.0
HEADROOM = 0.7
"""The denser step must be expected to take no more than this share of what is allowed."""


@dataclass(frozen=True)
class Load:
    """What has been used since the beginning.

    Attributes:
        now_s: seconds of a steady clock.
        busy_s: seconds spent on windows (of this process's CPU time where there is a budget).
        backlog_s: seconds of sound that wait to be heard.
    """

    now_s: float
    busy_s: float
    backlog_s: float


class Pace:
    """Chooses the step from the load: wider within seconds, denser only when that has room for half a minute.

    Args:
        limit: share of a processor core that may be used, above 0; 1 where there is no budget.
        start: the load at the beginning.
    """

    def __init__(self, limit: float, start: Load) -> None:
        self._limit = limit
        self._place = 0
        self._mark = start

    @property
    def hear_every(self) -> int:
        """Of how many windows one is to be heard."""
        return STEPS[self._place]

    def update(self, load: Load) -> bool:
        """Take the load. Returns: whether the step has changed."""
        lasted_s = load.now_s - self._mark.now_s
        if lasted_s < WIDEN_AFTER_S:
            return False
        share = (load.busy_s - self._mark.busy_s) / lasted_s
        is_over = share > self._limit or load.backlog_s > BACKLOG_S
        if is_over:
            self._mark = load
            if self._place == len(STEPS) - 1:
                return False
            self._place += 1
            return True
        if lasted_s < NARROW_AFTER_S:
            return False
        self._mark = load
        if (
            self._place
            and share * self._denser_by() < HEADROOM * self._limit
            and load.backlog_s < BACKLOG_S / 4
        ):
            self._place -= 1
            return True
        return False

    def _denser_by(self) -> float:
        return STEPS[self._place] / STEPS[self._place - 1]
