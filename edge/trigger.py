"""A label's scores, window by window → onsets and offsets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from edge.errors import ConfigError
from edge.settings import Rivals
from edge.stream_time import whole_samples
from edge.types import SoundEvent


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
        for name in ("confirm_s", "within_s", "release_s", "cooldown_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} must be 0 seconds or more, not {value!r}")
        if self.within_s < self.confirm_s:
            raise ConfigError(
                f"within_s {self.within_s:g} is shorter than confirm_s {self.confirm_s:g}: raise it"
            )


@dataclass(frozen=True)
class _Support:
    onset_sample: int
    end_sample: int
    hop: int
    score: float


@dataclass
class _OpenEvent:
    number: int
    onset_sample: int
    score: float
    held_start: int
    held_end: int


class Trigger:
    """One label's state from window to window. Its memory is bounded by `within_s`.

    Args:
        label: the label's name.
        rule: when its events begin and end.
        window_hop: samples between windows.
        sample_rate_hz: of the stream.
        numbers: gives each event its number; shared by the triggers of a stream.

    Raises:
        ConfigError: if a duration of the rule isn't a whole number of samples.
    """

    def __init__(
        self, label: str, rule: TriggerRule, window_hop: int, sample_rate_hz: int, numbers: Iterator[int]
    ) -> None:
        self.label = label
        self._rule = rule
        self._window_hop = window_hop
        self._hop = window_hop
        self._numbers = numbers
        self._confirm = whole_samples(rule.confirm_s, sample_rate_hz, "confirm_s")
        self._within = whole_samples(rule.within_s, sample_rate_hz, "within_s")
        self._release = whole_samples(rule.release_s, sample_rate_hz, "release_s")
        self._cooldown = whole_samples(rule.cooldown_s, sample_rate_hz, "cooldown_s")
        self._supports: deque[_Support] = deque()
        self._open: _OpenEvent | None = None
        self._last_offset: int | None = None
        self._closed_at: int | None = None

    def is_supported_by(self, score: float, best_rival: float) -> bool:
        """Whether a window with these scores supports the label; `best_rival` is -inf if it has no rival."""
        return score >= self._rule.on_threshold and score - best_rival >= self._rule.margin

    def step(
        self,
        start_sample: int,
        end_sample: int,
        score: float | None,
        best_rival: float,
        *,
        n_hops: int = 1,
        is_all: bool = False,
    ) -> SoundEvent | None:
        """Take the next window.

        Args:
            start_sample: position of the window's first sample.
            end_sample: position just behind its last.
            score: the label's cosine, or None if the window wasn't embedded: it supports and holds nothing.
            best_rival: the highest cosine among the label's rivals; -inf if there is none.
            n_hops: how many hops after the window before it stands; what lies between wasn't heard.
            is_all: whether there is no more of the stream than this window, so that it must confirm alone.

        Returns: the event that begins or ends with this window, if one does.
        """
        if self._closed_at is not None and start_sample < self._closed_at:
            self._last_offset = None  # After a jump backwards, it may lie ahead by hours.
        self._closed_at = None
        self._hop = n_hops * self._window_hop
        if self._open is not None:
            return self._go_on(self._open, start_sample, end_sample, score)
        while self._supports and self._supports[0].end_sample <= end_sample - self._within:
            self._supports.popleft()
        # A file shorter than a hop has no sample a hop before its end.
        last_hop = max(start_sample, end_sample - self._hop)
        if score is None or not self.is_supported_by(score, best_rival) or self._is_cooling_down(last_hop):
            return None
        self._supports.append(_Support(self._onset(start_sample, end_sample), end_sample, self._hop, score))
        if not is_all and sum(support.hop for support in self._supports) < self._confirm:
            return None
        return self._begin(start_sample, end_sample)

    def obeys(self, rule: TriggerRule | None) -> bool:
        """Whether this is the rule that the trigger was made with."""
        return rule == self._rule

    def close(self, end_sample: int) -> SoundEvent | None:
        """End the stream, or a stretch of it before a gap: support is forgotten, a cooldown runs on.

        If the next window begins before `end_sample`, the stream has jumped backwards, which ends the
        cooldown too.

        Args:
            end_sample: position just behind the stretch's last sample; a sound that its last window still
                held ends there.

        Returns: the offset of the open event, if there is one.
        """
        self._supports.clear()
        self._closed_at = end_sample
        if self._open is None:
            return None
        still_on = self._open.held_end > end_sample - self._hop
        return self._end(self._open, end_sample if still_on else None)

    def _onset(self, start_sample: int, end_sample: int) -> int:
        """Where a sound began that a window is the first to support, not before the cooldown was over."""
        onset = max(start_sample, _middle(start_sample, end_sample) - self._hop)
        return onset if self._last_offset is None else max(onset, self._last_offset + self._cooldown)

    def _is_cooling_down(self, last_hop: int) -> bool:
        return self._last_offset is not None and last_hop - self._last_offset < self._cooldown

    def _begin(self, start_sample: int, end_sample: int) -> SoundEvent:
        self._open = _OpenEvent(
            number=next(self._numbers),
            onset_sample=self._supports[0].onset_sample,
            score=max(support.score for support in self._supports),
            held_start=start_sample,
            held_end=end_sample,
        )
        self._supports.clear()
        return self._event(self._open, None)

    def _go_on(
        self, event: _OpenEvent, start_sample: int, end_sample: int, score: float | None
    ) -> SoundEvent | None:
        if score is not None and score >= self._rule.off_threshold:
            event.score = max(event.score, score)
            event.held_start, event.held_end = start_sample, end_sample
            return None
        return self._end(event, None) if end_sample - event.held_end >= self._release else None

    def _end(self, event: _OpenEvent, cut_off_at: int | None) -> SoundEvent:
        self._open = None
        held_until = max(event.onset_sample, _middle(event.held_start, event.held_end))
        self._last_offset = held_until if cut_off_at is None else cut_off_at
        return self._event(event, self._last_offset)

    def _event(self, event: _OpenEvent, offset_sample: int | None) -> SoundEvent:
        return SoundEvent(
            kind="onset" if offset_sample is None else "offset",
            number=event.number,
            label=self.label,
            score=event.score,
            threshold=self._rule.on_threshold,
            onset_sample=event.onset_sample,
            offset_sample=offset_sample,
        )


def _middle(start_sample: int, end_sample: int) -> int:
    return (start_sample + end_sample) // 2
