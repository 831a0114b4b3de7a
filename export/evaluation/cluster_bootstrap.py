"""Bootstrap intervals of ratios and quantiles, resampling whole clusters: scenes, or recordings."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from export.evaluation.intervals import CONFIDENCE, N_RESAMPLES, Interval

_AT_ONCE = 500
"""Resamples worked on together: bounds the memory."""


def ratio_interval(numerators: NDArray[np.float64], denominators: NDArray[np.float64]) -> Interval | None:
    """Sum of the numerators over that of the denominators; the clusters are resampled, always alike.

    numerators, denominators: (n_clusters,).
    Returns: None if the denominators sum to 0. Resamples in which they do are left out.
    """
    if not denominators.sum():
        return None
    drawn = _draws(len(numerators))
    below = drawn @ denominators
    resampled = (drawn @ numerators)[below > 0] / below[below > 0]
    return _interval(float(numerators.sum() / denominators.sum()), resampled)


def quantile_interval(values: NDArray[np.float64], clusters: NDArray[np.intp], share: float) -> Interval:
    """The smallest value that at least `share` of the values don't exceed; the clusters are resampled.

    values: (n,), n ≥ 1.
    clusters: (n,) number of each value's cluster, counted from 0, each in use.
    """
    order = np.argsort(values)
    ranked, owners = values[order], clusters[order]
    drawn = _draws(int(clusters.max()) + 1)
    parts = [
        _weighted(ranked, part[:, owners], share)
        for part in np.array_split(drawn, -(-len(drawn) // _AT_ONCE))
    ]
    value = float(_weighted(ranked, np.ones((1, len(ranked)), np.float32), share)[0])
    return _interval(value, np.concatenate(parts))


def _weighted(ranked: NDArray[np.float64], weights: NDArray[np.float32], share: float) -> NDArray[np.float64]:
    """(n_resamples,) quantile of each row's weighting. weights: (n_resamples, n), whole numbers."""
    reached = np.cumsum(weights, axis=1)
    # Less a hair, as 0.9 of 10 must not be more than 9.
    return np.asarray(ranked[np.argmax(reached >= share * reached[:, -1:] - 1e-3, axis=1)])


@lru_cache(maxsize=8)
def _draws(n_clusters: int) -> NDArray[np.float32]:
    """(N_RESAMPLES, n_clusters) how often each cluster is drawn in each resample."""
    even = np.full(n_clusters, 1.0 / n_clusters)
    return np.random.default_rng(0).multinomial(n_clusters, even, N_RESAMPLES).astype(np.float32)


def _interval(value: float, resampled: NDArray[np.float64]) -> Interval:
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(resampled, [tail, 100.0 - tail])
    return Interval(value, float(low), float(high))
