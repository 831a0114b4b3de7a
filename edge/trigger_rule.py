"""The rule by which a label's scores become events: thresholds, rivals and times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

from edge.errors import ConfigError
from edge.settings import Rivals


@dataclass(frozen=True)
class TriggerRule:
    """When a label's event begins and ends.

    Durations are of stream time and are reached by counting whole hops, one a window: what falls between two
    hops is rounded up, and one window is the least.

    Attributes:
        on_threshold: cosine in [-1, 1] that a window must reach to support the label.
        off_threshold: cosine in [-1, on_threshold] that a window must reach for an open event to go on.
        margin: in [-2, 2], how far the score must be above the best rival's for support; below 0, it may be
            that far under it. An open event goes on whatever its rivals score.
        rivals: which names are rivals, see `edge.scoring.rivals_of`.
        confirm_s: seconds of support that confirm an event; a supporting window gives one hop, or those since
            the window before where some were passed over.
        within_s: the stretch, up to now, in which those must lie; at least `confirm_s`.
        release_s: seconds under `off_threshold`, or without a score, that end an event.
        cooldown_s: an event begins no sooner than this after the offset of the label's last; windows whose
            last hop starts earlier don't count towards its confirmation.
        min_s: an event is told only once its sound has lasted this long, from the event's beginning to the
            middle of the last window that held; one that ends before is none.
        max_s: above 0, at least `min_s`: an event that has lasted this long ends there; inf for no limit.
        one_shot: an event is told once: it ends with the next window, and has lasted as long as its sound had
            when it was told. Goes with `max_s` inf only.

    The sound of an event that `max_s` or `one_shot` has ended may go on. The label begins none until it has
    been under `off_threshold`, or without a score, for `release_s`; the cooldown counts from where the sound
    ended.

    A window is about what is in its middle: it takes about half a window of a sound to be told. So an event
    begins a hop before the middle of the first window that supported it, since the window before didn't, and
    ends in the middle of the last that held.
    """

    on_threshold: float
    off_threshold: float
    margin: float
    rivals: Rivals
    confirm_s: float
    within_s: float
    release_s: float
    cooldown_s: float
    min_s: float = 0.0
    max_s: float = math.inf
    one_shot: bool = False

    def __post_init__(self) -> None:
        """Raises: ConfigError, naming the setting that is out of range."""
        for name, limit in (("on_threshold", 1.0), ("off_threshold", 1.0), ("margin", 2.0)):
            value = getattr(self, name)
            if not -limit <= value <= limit:
                raise ConfigError(f"{name} must be within {-limit:g} and {limit:g}, not {value!r}")
        if self.off_threshold > self.on_threshold:
            raise ConfigError(
                f"off_threshold {self.off_threshold:g} is above on_threshold {self.on_threshold:g}: lower it"
            )
        if self.rivals not in get_args(Rivals):
            raise ConfigError(f"rivals must be one of {', '.join(get_args(Rivals))}, not {self.rivals!r}")
        self._check_times()

    def _check_times(self) -> None:
        for name in ("confirm_s", "within_s", "release_s", "cooldown_s", "min_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} must be 0 seconds or more, not {value!r}")
        if self.within_s < self.confirm_s:
            raise ConfigError(
                f"within_s {self.within_s:g} is shorter than confirm_s {self.confirm_s:g}: raise it"
            )
        if not self.max_s > 0:
            raise ConfigError(f"max_s must be above 0 seconds, not {self.max_s!r}")
        if self.max_s < self.min_s:
            raise ConfigError(f"max_s {self.max_s:g} is shorter than min_s {self.min_s:g}: raise it")
        if self.one_shot and math.isfinite(self.max_s):
            raise ConfigError(
                f"one_shot (or the preset impulsive) leaves nothing for max_s {self.max_s:g} to end: "
                "give one of them"
            )
