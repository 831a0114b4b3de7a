"""Records of both types, as sinks are given them."""

from __future__ import annotations

from datetime import datetime, timezone

from edge.events import EventRecord, HealthRecord

WHEN = datetime(2024, 5, 1, 12, 2, 31, 250000, tzinfo=timezone.utc)


def event_record(
    *,
    number: int = 1,
    label: str = "dog bark",
    duration_s: float | None = None,
    when: datetime | None = WHEN,
    source: str = "microphone",
) -> EventRecord:
    return EventRecord(
        event="onset" if duration_s is None else "offset",
        event_id=f"12ab34cd-{number}",
        label=label,
        score=0.78125,
        threshold=0.6,
        source=source,
        bundle="ab" * 32,
        stream_s=72.44,
        time=when,
        clock_synchronised=None if when is None else True,
        duration_s=duration_s,
    )


def health_record(*, stream_s: float = 10.0) -> HealthRecord:
    return HealthRecord(
        event="health",
        condition="silent",
        state="begun",
        message="the microphone gives digital silence: is it muted?",
        source="microphone",
        stream_s=stream_s,
        time=WHEN,
        clock_synchronised=True,
    )
