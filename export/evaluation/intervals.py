"""How far a figure can be trusted: intervals for shares, differences and rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, chi2

CONFIDENCE = 0.95
N_RESAMPLES = 5000
N_AT_A_TIME = 100


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Three decimals and the interval."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def signed(self) -> str:
        """The same of a difference, with its sign."""
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def source_bootstrap(values: NDArray[np.float64], sources: Sequence[str], seed: int = 0) -> Interval:
    """Mean of per-clip values, resampling whole sources: clips of one recording are not independent.

    values: (n_clips,) such as 1 for a right answer; or the difference of two methods' on the same clips, for
        a paired comparison.
    """
    names, which = np.unique(np.asarray(sources), return_inverse=True)
    sums = np.bincount(which, values, len(names))
    counts = np.bincount(which, minlength=len(names))
    rng = np.random.default_rng(seed)
    means: list[float] = []
    while len(means) < N_RESAMPLES:  # a few at a time, for there may be ten thousand sources
        drawn = rng.integers(0, len(names), (N_AT_A_TIME, len(names)))
        means += (sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)).tolist()
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def rate_interval(n_events: int, hours: float) -> Interval:
    """Events an hour, exact for a Poisson count (Garwood, 1936). No event in T hours only proves < 3.7/T."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low = chi2.ppf(tail, 2 * n_events) / 2.0 if n_events else 0.0
    high = chi2.ppf(1.0 - tail, 2 * (n_events + 1)) / 2.0
    return Interval(n_events / hours, float(low) / hours, float(high) / hours)


def share_interval(n_found: int, n_all: int) -> Interval:
    """A share, exact for a binomial count (Clopper & Pearson, 1934)."""
    tail = (1.0 - CONFIDENCE) / 2.0
    low = beta.ppf(tail, n_found, n_all - n_found + 1) if n_found else 0.0
    high = beta.ppf(1.0 - tail, n_found + 1, n_all - n_found) if n_found < n_all else 1.0
    return Interval(n_found / n_all, float(low), float(high))


def share_by_source(hits: NDArray[np.float64], sources: Sequence[str]) -> Interval:
    """A share of clips, by bootstrap over their sources.

    Where it is the same of every source, such as all, resampling shows no spread: then the exact interval, a
    source as one trial.

    hits: (n_clips,) 1 or 0, n_clips ≥ 1.
    """
    share = source_bootstrap(hits, sources)
    if share.low < share.high:
        return share
    n_sources = len(set(sources))
    low = share_interval(math.floor(share.value * n_sources), n_sources).low
    return Interval(share.value, low, share_interval(math.ceil(share.value * n_sources), n_sources).high)
