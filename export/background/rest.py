"""A few windows of all the background that is near no label, for labels that are made later.

Stretches of the length that an event's support must lie in are clustered, and one of each cluster is kept,
drawn at random, for as many as the cluster holds: odd sounds are in small clusters and so count for few.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from export.background.moments import Kept

_N_ROUNDS = 12
_WINDOWS_KEPT = 2
"""Of each stretch: as many as confirm an event by the bundles' own rules."""


def sample_rest(
    embeddings: NDArray[np.float16],
    recording: NDArray[np.intp],
    position: NDArray[np.intp],
    is_near: NDArray[np.bool_],
    stretch: int,
    n_kept: int,
    seed: int,
) -> Kept:
    """Keep up to `n_kept` stretches.

    embeddings: (n, dim), unit L2 norms. recording, position: (n,) of each window.
    is_near: (n,) whether a window is near enough to a label to be represented among its moments.
    stretch: windows in a row; stretches with any that is near a label, or wasn't scored, are left out.
    """
    starts = _stretches(recording, position, is_near, stretch)
    rng = np.random.default_rng(seed)
    middles = embeddings[starts + stretch // 2].astype(np.float32)
    cluster = _clusters(middles, min(n_kept, len(starts)), rng)
    windows, weights = [], []
    for number in np.unique(cluster):
        own = starts[cluster == number]
        start = int(own[rng.integers(len(own))])
        first = start + (stretch - _WINDOWS_KEPT) // 2
        windows.append(list(range(first, first + min(_WINDOWS_KEPT, stretch))))
        weights.append(float(len(own)))
    return Kept(windows, np.array(weights))


def _stretches(
    recording: NDArray[np.intp], position: NDArray[np.intp], is_near: NDArray[np.bool_], stretch: int
) -> NDArray[np.intp]:
    """Where each begins: a grid in each recording, so that none overlap."""
    starts = np.flatnonzero(position % stretch == 0)
    starts = starts[starts + stretch <= len(position)]
    ends = starts + stretch - 1
    whole = (recording[starts] == recording[ends]) & (position[ends] - position[starts] == stretch - 1)
    n_near = np.concatenate([[0], np.cumsum(is_near)])
    return np.asarray(starts[whole & (n_near[ends + 1] == n_near[starts])], np.intp)


def _clusters(vectors: NDArray[np.float32], n_clusters: int, rng: Generator) -> NDArray[np.intp]:
    """Which cluster each is of, by spherical k-means (Dhillon & Modha, 2001)."""
    if n_clusters == 0:
        return np.empty(0, np.intp)
    centres = vectors[rng.choice(len(vectors), n_clusters, replace=False)]
    nearest = np.argmax(vectors @ centres.T, axis=1)
    for _ in range(_N_ROUNDS):
        order = np.argsort(nearest, kind="stable")
        found, first = np.unique(nearest[order], return_index=True)
        sums = np.add.reduceat(vectors[order], first)
        centres[found] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
        nearest = np.argmax(vectors @ centres.T, axis=1)
    return np.asarray(nearest, np.intp)
