"""What is done when nothing usable is heard: the source opened anew, in the end the program started anew."""

from __future__ import annotations

from typing import Literal

from edge.output_settings import HealthSettings

Remedy = Literal["reopen", "restart"]
GRACE_S = 60.0
"""How much later than planned a remedy may come before the service manager need step in."""


class DeafnessGuard:
    """Counts how long nothing usable was heard, and says what is to be done about it.

    Times are in seconds of any clock that runs steadily. A source that waits for its microphone isn't deaf:
    it tries by itself.

    Args:
        settings: after how long.
        now_s: when listening began.
    """

    def __init__(self, settings: HealthSettings, now_s: float) -> None:
        self._settings = settings
        self._heard_s = now_s
        self._reopened_s = now_s
        self._told_restart = False

    def heard(self, now_s: float) -> None:
        """Take that a window could be used, or that the source is waiting."""
        self._heard_s = now_s
        self._told_restart = False

    def remedy(self, now_s: float, patience_s: float = 0.0) -> Remedy | None:
        """What is due now; "reopen" comes again each `reopen_after_s`, "restart" once.

        Where the program can't be started anew, "reopen" goes on after it.

        patience_s: how long it takes, even if all is well, until a window is heard; nothing is due sooner.
        """
        deaf_s = now_s - self._heard_s
        if deaf_s >= max(self._settings.restart_after_s, patience_s) and not self._told_restart:
            self._told_restart = True
            return "restart"
        reopen_after_s = max(self._settings.reopen_after_s, patience_s)
        if deaf_s >= reopen_after_s and now_s - self._reopened_s >= reopen_after_s:
            self._reopened_s = now_s
            return "reopen"
        return None

    def on_schedule(self, now_s: float, patience_s: float = 0.0) -> bool:
        """Whether all is well, or the remedies are still being tried: what the watchdog is told."""
        return now_s - self._heard_s < max(self._settings.restart_after_s, patience_s) + GRACE_S
