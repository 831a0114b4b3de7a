"""A label's text and a pool of unlabelled sound → its prototype and threshold, on device and workstation.

The method is that of Kushwaha & Fuentes, "A multimodal prototypical approach for unsupervised sound
classification", Interspeech 2023: the centroid of the k clips nearest to the text. Thresholds and the note on
neighbours that disagree are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.types import Embedding

LEAST_RECORDINGS = 8
"""A smaller pool tells nothing of what else there is to hear."""
LARGEST_SHARE = 0.25
"""Of the pool's recordings that may be neighbours; the rest stand for all other sounds."""
TEXT_THRESHOLD = 0.4
"""Of a label that is only text, with no pool to measure on: a cosine between text and sound. A guess."""
LEAST_HEADROOM = 0.25
"""In deviations of the other sounds' cosines: with less, the neighbours stand out by chance at most."""
DISAGREE = (
    "the recordings nearest to its words hardly differ from the rest, so it may be heard wrongly: "
    "other words may help, or a pool that holds its sound"
)
_OTHERS_QUANTILE = 0.99
_OTHERS_DEVIATIONS = 3.5
_NEIGHBOURS_QUANTILE = 0.25
_LIKELY_QUANTILE = 0.05
_LARGEST_LIKELY_SHARE = 0.2
_NORMAL_90 = 1.2816
"""By how many deviations the 90th percentile of a normal distribution lies above its median."""

Method = Literal["proto", "zero-shot"]


@dataclass(frozen=True, eq=False)
class Pool:
    """Embeddings of unlabelled recordings, all by one encoder.

    Attributes:
        embeddings: (n, dim) float32, unit L2 norms, a row for each window.
        recording: (n,) intp, which recording each row is a window of.
        names: of the recordings.
    """

    embeddings: NDArray[np.float32]
    recording: NDArray[np.intp]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Prototype:
    """What stands for a label.

    Attributes:
        vector: (dim,) float32, unit L2 norm.
        rows: (n_support,) intp, rows of the pool it is the centroid of, the nearest to the text first;
            empty if it is the text itself.
        threshold: cosine in [-1, 1] from which a window supports the label.
        headroom: lower quartile of the neighbours' cosines, each to the centroid of the other neighbours,
            less the 99th percentile of other sounds' to the prototype; None if there are not two neighbours.
        note: what a person should know before trusting it, or None.
        kin: names of backgrounds that it could not beat where it is right, as far as that was looked at; see
            `outdone_by`.
    """

    vector: Embedding
    rows: NDArray[np.intp]
    threshold: float
    headroom: float | None
    note: str | None
    kin: tuple[str, ...] = ()


def mean_text(sentences: NDArray[np.float32]) -> Embedding:
    """One text for a label's several sentences, (n, dim) float32 of unit norms."""
    return _unit(sentences.mean(axis=0))


def make_prototype(text: Embedding, pool: Pool | None, method: Method, k: int) -> Prototype:
    """A prototype by either method; "proto" needs a pool. Raises: ValueError, see `from_pool`."""
    if method == "zero-shot":
        return from_text(text, pool)
    if pool is None:
        raise ValueError("a prototype of recordings needs a pool")
    return from_pool(text, pool, k)


def n_neighbours(n_recordings: int, k: int) -> int:
    """How many of a pool's recordings a prototype is made of: k, or a quarter of them if that is fewer."""
    return min(k, int(LARGEST_SHARE * n_recordings))


def from_pool(text: Embedding, pool: Pool, k: int) -> Prototype:
    """Centroid of the k recordings nearest to a text.

    Each recording counts by its nearest window only, for neighbours from one recording are one neighbour. At
    most a quarter of the recordings are taken, so that something is left to set the threshold by.

    text: (dim,) float32, unit L2 norm.
    Raises: ValueError if k < 1 or the pool has fewer than 8 recordings.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if len(pool.names) < LEAST_RECORDINGS:
        raise ValueError(f"a pool needs {LEAST_RECORDINGS} recordings at least, but has {len(pool.names)}")
    rows = _nearest_rows(text, pool)[: n_neighbours(len(pool.names), k)]
    vector = _unit(pool.embeddings[rows].mean(axis=0))
    is_other = ~np.isin(pool.recording, pool.recording[rows])
    others = (pool.embeddings @ vector)[is_other]
    weights = _equal_recordings(pool.recording[is_other])
    if len(rows) == 1:
        return Prototype(vector, rows, _end(others, weights), None, DISAGREE)
    low, lower_quartile = np.quantile(
        _leave_one_out(pool.embeddings[rows]), [_LIKELY_QUANTILE, _NEIGHBOURS_QUANTILE]
    )
    # A pool may hold the sound oftener than k: what is as near as the neighbours is no other sound. But if a
    # large part of the pool is, the neighbours are nothing in particular.
    is_likely = others >= low
    if weights[is_likely].sum() <= _LARGEST_LIKELY_SHARE * weights.sum():
        others, weights = others[~is_likely], weights[~is_likely]
    median, high, end = _quantiles(others, weights, (0.5, 0.9, _OTHERS_QUANTILE))
    headroom = float(lower_quartile) - end
    return Prototype(
        vector=vector,
        rows=rows,
        threshold=float(np.clip(end + max(headroom, 0.0) / 2.0, -1.0, 1.0)),
        headroom=headroom,
        note=None if headroom > LEAST_HEADROOM * (high - median) / _NORMAL_90 else DISAGREE,
    )


def from_text(text: Embedding, pool: Pool | None) -> Prototype:
    """The text itself as the prototype (zero-shot), with a threshold from the pool if there is one.

    text: (dim,) float32, unit L2 norm.
    """
    threshold = TEXT_THRESHOLD
    if pool is not None:
        threshold = _end(pool.embeddings @ text, _equal_recordings(pool.recording))
    return Prototype(text, np.zeros(0, np.intp), threshold, None, None)


def outdone_by(prototype: Prototype, pool: Pool, others: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which other prototypes are at least as near as its own to half of a prototype's neighbours.

    Such a rival stands for the same sound, or a part of it: the label could not beat it where it is right.

    others: (n, dim) float32, unit norms.
    Returns: (n,) bool; all False if the prototype is only text.
    """
    neighbours = pool.embeddings[prototype.rows]
    if not len(neighbours):
        return np.zeros(len(others), np.bool_)
    is_nearer = neighbours @ others.T >= (neighbours @ prototype.vector)[:, None]
    return np.asarray(is_nearer.mean(axis=0) >= 0.5)


def _nearest_rows(text: Embedding, pool: Pool) -> NDArray[np.intp]:
    """The nearest window of each recording, the nearest first."""
    cosines = pool.embeddings @ text
    order = np.argsort(-cosines, kind="stable")
    first = np.sort(np.unique(pool.recording[order], return_index=True)[1])
    return order[first]


def _equal_recordings(recording: NDArray[np.intp]) -> NDArray[np.float64]:
    """A weight for each window, so that each recording counts the same, however long it is."""
    _, place, n_windows = np.unique(recording, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1.0 / n_windows[place]
    return weights


def _end(cosines: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    """Where cosines end, if some are of the label's own sound: no further than 3.5 deviations up."""
    median, high, end = _quantiles(cosines, weights, (0.5, 0.9, _OTHERS_QUANTILE))
    # Where most of a pool is one sound, it has no spread to tell by.
    return min(end, median + _OTHERS_DEVIATIONS * (high - median) / _NORMAL_90) if high > median else end


def _quantiles(
    values: NDArray[np.float32], weights: NDArray[np.float64], quantiles: Sequence[float]
) -> list[float]:
    """The least value for each quantile below or at which that share of the weights lies."""
    order = np.argsort(values)
    shares = np.cumsum(weights[order])
    places = np.searchsorted(shares, np.array(quantiles) * shares[-1] * (1.0 - 1e-12))
    return [float(value) for value in values[order][places]]


def _leave_one_out(neighbours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each of two neighbours or more to the centroid of the others. Returns: (k,) float32."""
    others = neighbours.sum(axis=0) - neighbours
    cosines = np.einsum("kd,kd->k", neighbours, others) / np.linalg.norm(others, axis=1)
    return np.asarray(cosines, np.float32)


def _unit(vector: NDArray[np.float32]) -> Embedding:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
