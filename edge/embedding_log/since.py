"""When a person means by "yesterday", "2h" or "14:00"."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from edge.errors import ConfigError

_UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds",
    "min": "minutes", "minute": "minutes",
    "h": "hours", "hour": "hours",
    "d": "days", "day": "days",
    "week": "weeks",
}  # fmt: skip
_AGO = re.compile(r"(\d+(?:\.\d+)?) *([a-z]+?)s?(?: ago)?")
_CLOCK = r"(\d\d?):(\d\d)(?::(\d\d)(\.\d+)?)?"
_TIME = re.compile(_CLOCK)
_DATE = re.compile(rf"(\d{{4}}-\d\d-\d\d)(?:[t ]{_CLOCK}(z|[+-]\d\d:\d\d)?)?")


def parse_moment(text: str, now: datetime) -> datetime:
    """A moment as a person writes it.

    Args:
        text: "today" or "yesterday" (its midnight); how long ago, such as "30min", "2h" or "3 days"; a time
            of today such as "14:00"; a date such as "2026-11-25", with a time if need be; RFC 3339. Times
            without a zone are of this machine's.
        now: aware.

    Returns: aware, in this machine's time zone.

    Raises:
        ConfigError: if it is none of these, or doesn't exist.
    """
    wanted = " ".join(text.lower().split())
    try:
        moment = _moment(wanted, now.astimezone())
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise ConfigError(
            f'{text!r} is no time that is understood: write such as yesterday, "3 days", 2h, 30min, 14:00, '
            "2026-11-25 or 2026-11-25T14:00"
        )
    return moment


def _moment(wanted: str, now: datetime) -> datetime | None:
    if wanted in {"today", "yesterday"}:
        day = now.date() - timedelta(days=wanted == "yesterday")
        return _local(day, time())
    if match := _TIME.fullmatch(wanted):
        return _local(now.date(), _clock(*match.groups()))
    if match := _DATE.fullmatch(wanted):
        return _dated(*match.groups())
    match = _AGO.fullmatch(wanted)
    if match is None or match[2] not in _UNITS:
        return None
    # In UTC, where no hour is missing or comes twice.
    return (now - timedelta(**{_UNITS[match[2]]: float(match[1])})).astimezone()


def _dated(
    day: str, hour: str | None, minute: str | None, second: str | None, fraction: str | None, zone: str | None
) -> datetime:
    clock = time() if hour is None else _clock(hour, minute, second, fraction)
    if zone is None:
        return _local(date.fromisoformat(day), clock)
    offset = "+00:00" if zone == "z" else zone
    return datetime.fromisoformat(f"{day}T{clock.isoformat()}{offset}").astimezone()


def _clock(hour: str, minute: str | None, second: str | None, fraction: str | None) -> time:
    microsecond = int(float(fraction or 0) * 1_000_000)
    return time(int(hour), int(minute or 0), int(second or 0), microsecond)


def _local(day: date, clock: time) -> datetime:
    # By the zone's rules of that day: summer time may have begun or ended since.
    return datetime.combine(day, clock).astimezone()
