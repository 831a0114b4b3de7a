"""The event as it leaves the program: what sinks are given, and where UTC is attached."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from edge.times import rfc3339, utc
from edge.types import AudioBlock, SoundEvent

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class EventRecord:
    """An onset or an offset, with everything that someone elsewhere needs to know about it.

    Attributes:
        event: "onset" when a sound is confirmed, "offset" when it is over.
        event_id: the same for an onset and its offset, and for no other event of any run.
        label: the label's name in the bundle.
        score: cosine in [-1, 1]: at onset the best so far, at offset the best of the whole event.
        threshold: the label's on-threshold.
        source: what a person calls the source.
        bundle: SHA-256 of the bundle's manifest, in hexadecimal.
        stream_s: position in the stream where the sound began (onset) or ended (offset), in seconds.
        time: that position in UTC; None for a file.
        clock_synchronised: whether `time` comes from a clock that the network had set right; None where there
            is no time, or the system doesn't tell.
        duration_s: seconds from onset to offset; None at onset.
        schema_version: version of this record's layout.
    """

    event: Literal["onset", "offset"]
    event_id: str
    label: str
    score: float
    threshold: float
    source: str
    bundle: str
    stream_s: float
    time: datetime | None
    clock_synchronised: bool | None
    duration_s: float | None
    schema_version: int = SCHEMA_VERSION

    def as_json_object(self) -> dict[str, object]:
        """The record in JSON's types: scores to 4 decimals, times to the millisecond."""
        return {
            "schema_version": self.schema_version,
            "event": self.event,
            "event_id": self.event_id,
            "label": self.label,
            "score": round(self.score, 4),
            "threshold": round(self.threshold, 4),
            "source": self.source,
            "bundle": self.bundle,
            "stream_s": round(self.stream_s, 3),
            "time": None if self.time is None else rfc3339(self.time),
            "clock_synchronised": self.clock_synchronised,
            "duration_s": None if self.duration_s is None else round(self.duration_s, 3),
        }


@dataclass(frozen=True)
class HealthRecord:
    """The program's hearing became worse, or is as it should be again.

    Attributes:
        event: "health".
        condition: which, a key of `edge.health.CONDITIONS`, such as "silent".
        state: "begun" or "ended".
        message: what it means and what to do, for a person.
        source: what a person calls the source.
        stream_s: position in the stream up to which it was known, in seconds.
        time: when that was, in UTC; None for a file.
        clock_synchronised: as in `EventRecord`.
        schema_version: version of this record's layout.
    """

    event: Literal["health"]
    condition: str
    state: Literal["begun", "ended"]
    message: str
    source: str
    stream_s: float
    time: datetime | None
    clock_synchronised: bool | None
    schema_version: int = SCHEMA_VERSION

    def as_json_object(self) -> dict[str, object]:
        """The record in JSON's types, times to the millisecond."""
        return {
            "schema_version": self.schema_version,
            "event": self.event,
            "condition": self.condition,
            "state": self.state,
            "message": self.message,
            "source": self.source,
            "stream_s": round(self.stream_s, 3),
            "time": None if self.time is None else rfc3339(self.time),
            "clock_synchronised": self.clock_synchronised,
        }


Record: TypeAlias = EventRecord | HealthRecord
"""What sinks are given."""


class Sink(Protocol):
    """Takes records somewhere."""

    def emit(self, record: Record) -> None:
        """Deliver one.

        Raises: SinkError if it cannot be delivered now; RefusedError if it never will be.
        """
        ...

    def close(self) -> None:
        """Deliver what is held back and let go; safe to call twice."""
        ...


class EventStamper:
    """Turns the core's events, which know samples only, into records.

    Args:
        source_name: tells what a person calls the source, which a microphone knows once it is there.
        sample_rate_hz: the encoder's.
        bundle_sha256: hash of the bundle's manifest, in hexadecimal.
        is_synchronised: tells whether the clock that blocks are timed by is right; None if that isn't known.
    """

    def __init__(
        self,
        source_name: Callable[[], str],
        sample_rate_hz: int,
        bundle_sha256: str,
        is_synchronised: Callable[[], bool | None] = lambda: None,
    ) -> None:
        self._source_name = source_name
        self._sample_rate_hz = sample_rate_hz
        self._bundle_sha256 = bundle_sha256
        self._is_synchronised = is_synchronised
        self._run_id = secrets.token_hex(4)
        self._start_unix_s: float | None = None
        self._position = 0

    @property
    def stream_s(self) -> float:
        """How far the stream has come, in seconds."""
        return self._position / self._sample_rate_hz

    def saw(self, block: AudioBlock) -> None:
        """Take a block's capture time as the one to count from: a sound card's clock drifts against UTC."""
        self._position = block.start_sample + len(block.samples)
        if block.captured_unix_s is not None:
            self._start_unix_s = block.captured_unix_s - block.start_sample / self._sample_rate_hz

    def unix_s(self, stream_s: float) -> float | None:
        """A position in seconds of Unix time; None for a file."""
        return None if self._start_unix_s is None else self._start_unix_s + stream_s

    def _time(self, stream_s: float) -> tuple[datetime | None, bool | None]:
        """A position in UTC, and whether the clock was right."""
        unix_s = self.unix_s(stream_s)
        return (None, None) if unix_s is None else (utc(unix_s), self._is_synchronised())

    def stamp_health(
        self, condition: str, state: Literal["begun", "ended"], message: str, now_unix_s: float
    ) -> HealthRecord:
        """The record of a change of health, which is of now: without sound, the stream stands still.

        now_unix_s: the time of day.
        """
        return HealthRecord(
            event="health",
            condition=condition,
            state=state,
            message=message,
            source=self._source_name(),
            stream_s=self.stream_s,
            time=utc(now_unix_s),
            clock_synchronised=self._is_synchronised(),
        )

    def stamp(self, event: SoundEvent) -> EventRecord:
        """The record of an event."""
        position, duration_s = event.onset_sample, None
        if event.offset_sample is not None:
            position = event.offset_sample
            duration_s = (event.offset_sample - event.onset_sample) / self._sample_rate_hz
        stream_s = position / self._sample_rate_hz
        time, clock_synchronised = self._time(stream_s)
        return EventRecord(
            event=event.kind,
            event_id=f"{self._run_id}-{event.number}",
            label=event.label,
            score=event.score,
            threshold=event.threshold,
            source=self._source_name(),
            bundle=self._bundle_sha256,
            stream_s=stream_s,
            time=time,
            clock_synchronised=clock_synchronised,
            duration_s=duration_s,
        )
