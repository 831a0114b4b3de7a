"""What is wrong with the hearing: how long it must last to be told, and when it is over. Reads no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from edge.recognizer import WindowReport

CLEAR_AFTER_S = 10.0
"""A condition that comes and goes within this time is one."""
BACK_AFTER_S = 1.0
"""A microphone is there or it isn't: its return needs no longer waiting."""


@dataclass(frozen=True)
class Condition:
    """A way of not hearing well.

    Attributes:
        begun: what a person is told when it begins.
        hint: what a person may look at then.
        ended: what a person is told when it is over.
    """

    begun: str
    hint: str
    ended: str


CONDITIONS = {
    "silent": Condition(
        "the input gives digital silence",
        "is the microphone muted or the wrong one? `edge-listen devices --test` shows what it gives",
        "no more digital silence",
    ),
    "dc": Condition(
        "the input gives a constant level instead of sound",
        "is anything connected to it?",
        "no more constant level instead of sound",
    ),
    "nonfinite": Condition(
        "the input gives samples that are not numbers",
        "does --pcm name the format that is really sent?",
        "no more samples that are not numbers",
    ),
    "no_sound": Condition(
        "the input gives no sound at all",
        "plug the microphone in anew, or look at its sender",
        "the input gives sound again",
    ),
    "absent": Condition(
        "there is no microphone",
        "plug it in; `edge-listen devices` lists those there are",
        "the microphone is there again",
    ),
    "clipped": Condition(
        "the input gives clipped sound, cut off at full scale",
        "turn down the gain of the input",
        "no more clipped sound",
    ),
    "lost_sound": Condition(
        "sound was lost", "this machine is too busy; a longer --hop-s costs less", "no more sound is lost"
    ),
    "slow": Condition(
        "windows are passed over to keep up",
        "this machine is too slow or too busy for every window, or --budget too small",
        "every window is heard again",
    ),
}
"""By name, as records, metrics and the status call them."""
_FAULTS = ("silent", "dc", "nonfinite", "clipped")


@dataclass(frozen=True)
class HealthChange:
    """A condition has begun, or is over.

    Attributes:
        condition: a key of `CONDITIONS`.
        state: "begun" or "ended".
        message: for a person, in one line.
    """

    condition: str
    state: Literal["begun", "ended"]
    message: str


@dataclass
class _Lasting:
    since_s: float
    last_s: float
    detail: str
    told: bool = False


class HealthMonitor:
    """Keeps the conditions that hold, and says once when each begins and once when it is over.

    Times are in seconds of any clock that runs steadily, the same in all calls.

    Args:
        tell_after_s: how long a condition must hold until it is told. Lost sound and lost windows are told at
            once, since those are gone.
    """

    def __init__(self, tell_after_s: float) -> None:
        self._tell_after_s = tell_after_s
        self._lasting: dict[str, _Lasting] = {}
        self._window_s = -math.inf

    @property
    def conditions(self) -> tuple[str, ...]:
        """Those that were told and aren't over."""
        return tuple(name for name, each in self._lasting.items() if each.told)

    def note(self, condition: str, now_s: float, detail: str = "") -> None:
        """Take that a condition holds. detail: added to the message, such as how much was lost."""
        lasting = self._lasting.setdefault(condition, _Lasting(now_s, now_s, detail))
        lasting.last_s, lasting.detail = now_s, detail

    def saw(self, report: WindowReport, now_s: float) -> None:
        """Take the report of a window."""
        self._window_s = now_s
        if report.state in _FAULTS:
            self.note(report.state, now_s)
            return
        # One good window, and what hadn't lasted long enough to be told wasn't worth it.
        for name in [name for name in (*_FAULTS, "no_sound") if name in self._lasting]:
            if not self._lasting[name].told:
                del self._lasting[name]

    def changes(self, now_s: float) -> list[HealthChange]:
        """What has changed since the call before."""
        changed = []
        for name, lasting in list(self._lasting.items()):
            # A fault of windows isn't over until there are windows without it, however long those take.
            known_s = self._window_s if name in _FAULTS else now_s
            if known_s - lasting.last_s >= _clear_after_s(name):
                del self._lasting[name]
                if lasting.told:
                    changed.append(HealthChange(name, "ended", CONDITIONS[name].ended))
            elif not lasting.told and lasting.last_s - lasting.since_s >= self._wait_s(name):
                lasting.told = True
                changed.append(HealthChange(name, "begun", _begun(name, lasting)))
        return changed

    def _wait_s(self, condition: str) -> float:
        return 0.0 if condition in ("lost_sound", "slow") else self._tell_after_s


def _clear_after_s(condition: str) -> float:
    # A microphone is there or it isn't: its return needs no waiting.
    return BACK_AFTER_S if condition == "absent" else CLEAR_AFTER_S


def _begun(name: str, lasting: _Lasting) -> str:
    condition = CONDITIONS[name]
    detail = f" ({lasting.detail})" if lasting.detail else ""
    return f"{condition.begun}{detail}: {condition.hint}"
