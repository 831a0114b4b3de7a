"""Times as people and programs read them."""

from __future__ import annotations

from datetime import datetime, timezone


def utc(unix_s: float) -> datetime:
    """Unix time in seconds → an aware datetime in UTC."""
    return datetime.fromtimestamp(unix_s, timezone.utc)


def rfc3339(moment: datetime) -> str:
    """An aware datetime → RFC 3339 in UTC with milliseconds, such as 2024-05-01T12:02:31.250Z."""
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local_clock(moment: datetime) -> str:
    """An aware datetime → time of day where this machine stands, such as 14:02:31."""
    return moment.astimezone().strftime("%H:%M:%S")


def stream_clock(stream_s: float) -> str:
    """Seconds since the stream began → such as 0:01:12.4."""
    tenths = round(stream_s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{tenths // 10:02d}.{tenths % 10}"
