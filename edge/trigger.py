"""A label's scores, window by window → onsets and offsets."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edge.stream_time import whole_samples
from edge.trigger_rule import TriggerRule
from edge.types import LabelState, SoundEvent

__all__ = ["Trigger", "TriggerRule"]


@dataclass(frozen=True)
class _Support:
    onset_sample: int
    end_sample: int
    hop: int
    score: float


@dataclass
class _Sound:
    """A sound that was confirmed. Its number is 0 until it is an event; spent, it outlasts that event."""

    onset_sample: int
    supported: int
    score: float
    held_start: int
    held_end: int
    number: int = 0
    is_spent: bool = False

    def hold(self, start_sample: int, end_sample: int, score: float) -> None:
        self.score = max(self.score, score)
        self.held_start, self.held_end = start_sample, end_sample

    @property
    def held_until(self) -> int:
        return max(self.onset_sample, _middle(self.held_start, self.held_end))

    def has_lasted(self, n_samples: int) -> bool:
        return self.held_until - self.onset_sample >= n_samples


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
        self._sample_rate_hz = sample_rate_hz
        self._numbers = numbers
        self._confirm = whole_samples(rule.confirm_s, sample_rate_hz, "confirm_s")
        self._within = whole_samples(rule.within_s, sample_rate_hz, "within_s")
        self._release = whole_samples(rule.release_s, sample_rate_hz, "release_s")
        self._cooldown = whole_samples(rule.cooldown_s, sample_rate_hz, "cooldown_s")
        self._least = whole_samples(rule.min_s, sample_rate_hz, "min_s")
        self._most: int | None = None
        if math.isfinite(rule.max_s):
            self._most = whole_samples(rule.max_s, sample_rate_hz, "max_s")
        self._supports: deque[_Support] = deque()
        self._sound: _Sound | None = None
        self._last_hop = 0
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
        # A file shorter than a hop has no sample a hop before its end.
        self._last_hop = max(start_sample, end_sample - self._hop)
        if self._sound is not None:
            return self._go_on(self._sound, start_sample, end_sample, score)
        while self._supports and self._supports[0].end_sample <= end_sample - self._within:
            self._supports.popleft()
        if score is None or not self.is_supported_by(score, best_rival) or self._is_cooling_down():
            return None
        self._supports.append(_Support(self._onset(start_sample, end_sample), end_sample, self._hop, score))
        if not is_all and self._supported() < self._confirm:
            return None
        return self._confirm_sound(start_sample, end_sample)

    def obeys(self, rule: TriggerRule | None) -> bool:
        """Whether this is the rule that the trigger was made with."""
        return rule == self._rule

    def state(self, score: float | None, best_rival: str | None, rival_score: float) -> LabelState:
        """Where the label stands after the window stepped last, given the scores of that window.

        best_rival: name of the rival with the highest score; None if there is none.
        rival_score: its cosine; -inf if there is none.
        """
        phase = self._phase()
        supported = 0 if phase == "spent" else self._supported()
        return LabelState(
            self.label,
            score,
            self._rule.on_threshold,
            self._rule.margin,
            best_rival,
            rival_score,
            score is not None and self.is_supported_by(score, rival_score),
            supported / self._sample_rate_hz,
            self._rule.confirm_s,
            phase,
            self._rule.off_threshold,
        )

    def close(self, end_sample: int) -> list[SoundEvent]:
        """End the stream, or a stretch of it before a gap: support is forgotten, a cooldown runs on.

        If the next window begins before `end_sample`, the stream has jumped backwards, which ends the
        cooldown too.

        Args:
            end_sample: position just behind the stretch's last sample; a sound that its last window still
                held ends there.

        Returns: the offset of the open event, if there is one; behind its onset, if it is told only now,
            having just lasted `min_s`.
        """
        self._supports.clear()
        self._closed_at = end_sample
        if self._sound is None:
            return []
        sound, self._sound = self._sound, None
        ends_at = end_sample if sound.held_end > end_sample - self._hop else sound.held_until
        if not sound.number and ends_at - sound.onset_sample < self._least:
            return []
        self._last_offset = ends_at
        if not sound.number:
            return [self._begin(sound), self._event(sound, self._cut(sound, ends_at))]
        if sound.is_spent:
            return []
        return [self._event(sound, sound.held_until if self._rule.one_shot else self._cut(sound, ends_at))]

    def _onset(self, start_sample: int, end_sample: int) -> int:
        """Where a sound began that a window is the first to support, not before the cooldown was over."""
        onset = max(start_sample, _middle(start_sample, end_sample) - self._hop)
        return onset if self._last_offset is None else max(onset, self._last_offset + self._cooldown)

    def _is_cooling_down(self) -> bool:
        return self._last_offset is not None and self._last_hop - self._last_offset < self._cooldown

    def _supported(self) -> int:
        if self._sound is not None:
            return self._sound.supported
        return sum(support.hop for support in self._supports) if self._supports else 0

    def _phase(self) -> Literal["idle", "confirming", "on", "spent", "cooling down"]:
        if self._sound is None:
            if self._is_cooling_down():
                return "cooling down"
            return "confirming" if self._supports else "idle"
        if self._sound.is_spent:
            return "spent"
        return "on" if self._sound.number else "confirming"

    def _confirm_sound(self, start_sample: int, end_sample: int) -> SoundEvent | None:
        self._sound = _Sound(
            onset_sample=self._supports[0].onset_sample,
            supported=self._supported(),
            score=max(support.score for support in self._supports),
            held_start=start_sample,
            held_end=end_sample,
        )
        self._supports.clear()
        return self._tell(self._sound)

    def _go_on(
        self, sound: _Sound, start_sample: int, end_sample: int, score: float | None
    ) -> SoundEvent | None:
        # Of an event that was over when it was told: a window brings one at most.
        event = self._spend(sound) if sound.number and self._is_over(sound) else None
        if score is not None and score >= self._rule.off_threshold:
            sound.hold(start_sample, end_sample, score)
            return event or self._tell(sound)
        if end_sample - sound.held_end < self._release:
            return event
        self._sound = None
        if not sound.number:
            return None
        self._last_offset = sound.held_until
        return event if sound.is_spent else self._event(sound, sound.held_until)

    def _tell(self, sound: _Sound) -> SoundEvent | None:
        """What a window that holds the sound brings."""
        if not sound.number:
            return self._begin(sound) if sound.has_lasted(self._least) else None
        return self._spend(sound) if self._is_over(sound) else None

    def _is_over(self, sound: _Sound) -> bool:
        """Whether an event ends though its sound may go on."""
        if sound.is_spent:
            return False
        return self._rule.one_shot or (self._most is not None and sound.has_lasted(self._most))

    def _spend(self, sound: _Sound) -> SoundEvent:
        sound.is_spent = True
        return self._event(sound, self._cut(sound, sound.held_until))

    def _cut(self, sound: _Sound, offset_sample: int) -> int:
        return offset_sample if self._most is None else min(offset_sample, sound.onset_sample + self._most)

    def _begin(self, sound: _Sound) -> SoundEvent:
        sound.number = next(self._numbers)
        return self._event(sound, None)

    def _event(self, sound: _Sound, offset_sample: int | None) -> SoundEvent:
        return SoundEvent(
            kind="onset" if offset_sample is None else "offset",
            number=sound.number,
            label=self.label,
            score=sound.score,
            threshold=self._rule.on_threshold,
            onset_sample=sound.onset_sample,
            offset_sample=offset_sample,
        )


def _middle(start_sample: int, end_sample: int) -> int:
    return (start_sample + end_sample) // 2
