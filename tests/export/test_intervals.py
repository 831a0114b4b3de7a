"""Intervals against figures that tables give, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs scipy, from the extra `export`")
from export.evaluation.intervals import rate_interval, share_interval, source_bootstrap


def test_no_event_in_ten_hours_proves_less_than_0_37_an_hour() -> None:
    interval = rate_interval(0, 10.0)
    assert (interval.value, interval.low) == (0.0, 0.0)
    assert interval.high == pytest.approx(0.369, abs=1e-3)


def test_ten_events_have_the_interval_of_the_tables() -> None:
    interval = rate_interval(10, 1.0)
    assert interval.low == pytest.approx(4.795, abs=1e-3)
    assert interval.high == pytest.approx(18.39, abs=1e-2)


def test_thirteen_of_sixteen_have_the_interval_of_the_tables() -> None:
    interval = share_interval(13, 16)
    assert interval.low == pytest.approx(0.5435, abs=1e-3)
    assert interval.high == pytest.approx(0.9595, abs=1e-3)


@pytest.mark.parametrize(("n_found", "low", "high"), [(0, 0.0, 0.2059), (16, 0.7941, 1.0)])
def test_none_and_all_are_not_certain(n_found: int, low: float, high: float) -> None:
    interval = share_interval(n_found, 16)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-3)


def test_clips_of_one_source_count_as_one_when_resampled() -> None:
    rng = np.random.default_rng(0)
    per_source = rng.integers(0, 2, 100).astype(float)
    alone = source_bootstrap(per_source, [str(i) for i in range(100)])
    tenfold = source_bootstrap(np.repeat(per_source, 10), [str(i) for i in np.repeat(range(100), 10)])
    assert tenfold.high - tenfold.low == pytest.approx(alone.high - alone.low, rel=1e-6)
