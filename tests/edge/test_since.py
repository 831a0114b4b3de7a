from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.embedding_log.since import parse_moment
from edge.errors import ConfigError


@pytest.fixture(autouse=True, scope="module")
def berlin() -> Iterator[None]:
    """Summer time ended there on 2026-10-25 at 03:00."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


NOW = datetime(2026, 11, 26, 13, 30, tzinfo=timezone.utc)
"""14:30 in Berlin."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "2026-11-25T23:00:00Z"),
        ("yesterday", "2026-11-24T23:00:00Z"),
        (" Yesterday ", "2026-11-24T23:00:00Z"),
        ("2h", "2026-11-26T11:30:00Z"),
        ("2 hours ago", "2026-11-26T11:30:00Z"),
        ("1.5h", "2026-11-26T12:00:00Z"),
        ("30min", "2026-11-26T13:00:00Z"),
        ("45s", "2026-11-26T13:29:15Z"),
        ("3 days", "2026-11-23T13:30:00Z"),
        ("1 week", "2026-11-19T13:30:00Z"),
        ("14:00", "2026-11-26T13:00:00Z"),
        ("9:05:30", "2026-11-26T08:05:30Z"),
        ("2026-11-25", "2026-11-24T23:00:00Z"),
        ("2026-11-25T14:00", "2026-11-25T13:00:00Z"),
        ("2026-11-25 14:00:05", "2026-11-25T13:00:05Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
        ("2026-11-25T14:00:00Z", "2026-11-25T14:00:00Z"),
        ("2026-11-25T14:00:00.250Z", "2026-11-25T14:00:00.250Z"),
        ("2026-11-25T14:00:00+05:30", "2026-11-25T08:30:00Z"),
        ("2026-11-25t14:00:00-08:00", "2026-11-25T22:00:00Z"),
    ],
)
def test_a_moment_is_what_a_person_means_by_it(text: str, expected: str) -> None:
    moment = parse_moment(text, NOW)
    assert moment == datetime.fromisoformat(expected.replace("Z", "+00:00"))
    assert moment.tzinfo is not None
    assert moment.utcoffset() == moment.astimezone().utcoffset()


def test_yesterdays_midnight_is_right_on_the_day_after_the_clocks_changed() -> None:
    now = datetime(2026, 10, 26, 8, 0, tzinfo=timezone.utc)
    assert parse_moment("yesterday", now) == datetime(2026, 10, 24, 22, 0, tzinfo=timezone.utc)
    assert parse_moment("today", now) == datetime(2026, 10, 25, 23, 0, tzinfo=timezone.utc)
    assert parse_moment("24h", now) == now - timedelta(hours=24)


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2", "h", "2 fortnights", "-2h", "25:00", "14:60", "2026-13-01", "2026-02-30", "2026",
     "2026-11-25T25:00", "2026-11-25T14:00+99:00", "999999999999 days", "5m", "0x2h", "14:00Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_what_to_type(text: str) -> None:
    with pytest.raises(ConfigError, match="write such as yesterday") as caught:
        parse_moment(text, NOW)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    with suppress(ConfigError):
        assert parse_moment(text, NOW).tzinfo is not None
