"""A label's text and a pool of unlabelled sound → its prototype and threshold, on device and workstation.

The method is that of Kushwaha & Fuentes, "A multimodal prototypical approach for unsupervised sound
classification", Interspeech 2023: the centroid of the k clips nearest to the text. Thresholds and the note on
neighbours that disagree are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.types import Embedding

LEAST_RECORDINGS = 8
"""A smaller pool tells nothing of what else there is to hear."""
LARGEST_SHARE = 0.25
"""Of the pool's recordings that may be neighbours; the rest stand for all other sounds."""
TEXT_THRESHOLD = 0.4
"""Of a label that is only text, with no pool to measure on: a cosine between text and sound."""
_OTHERS_QUANTILE = 0.99
_OTHERS_DEVIATIONS = 3.5
_NEIGHBOURS_QUANTILE = 0.25


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
            less the upper end of the other windows' to the prototype; None if it is the text itself.
        note: what a person should know before trusting it, or None.
    """

    vector: Embedding
    rows: NDArray[np.intp]
    threshold: float
    headroom: float | None
    note: str | None


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
    rows = _nearest_rows(text, pool)[: min(k, int(LARGEST_SHARE * len(pool.names)))]
    vector = _unit(pool.embeddings[rows].mean(axis=0))
    is_other = ~np.isin(pool.recording, pool.recording[rows])
    highest_other = _upper_end(pool.embeddings[is_other] @ vector)
    own = float(np.quantile(_leave_one_out(pool.embeddings[rows]), _NEIGHBOURS_QUANTILE))
    headroom = own - highest_other
    return Prototype(
        vector=vector,
        rows=rows,
        threshold=float(np.clip(highest_other + max(headroom, 0.0) / 2.0, -1.0, 1.0)),
        headroom=headroom,
        note=None if headroom > 0.0 else DISAGREE,
    )


def from_text(text: Embedding, pool: Pool | None) -> Prototype:
    """The text itself as the prototype (zero-shot), with a threshold from the pool if there is one.

    text: (dim,) float32, unit L2 norm.
    """
    threshold = TEXT_THRESHOLD
    if pool is not None:
        threshold = _upper_end(pool.embeddings @ text)
    return Prototype(text, np.zeros(0, np.intp), threshold, None, None)


def _nearest_rows(text: Embedding, pool: Pool) -> NDArray[np.intp]:
    """The nearest window of each recording, the nearest first."""
    cosines = pool.embeddings @ text
    order = np.argsort(-cosines, kind="stable")
    first = np.sort(np.unique(pool.recording[order], return_index=True)[1])
    return order[first]


def _upper_end(cosines: NDArray[np.float32]) -> float:
    """Where other sounds' cosines end: the 99th percentile, or the median and 3.5 deviations if that is less.

    A pool may hold the label's sound more often than k, so that more than a percent of "others" are none. The
    deviation is taken from the upper quartile, which a quarter of such windows cannot move far.
    """
    median, upper_quartile, high = np.quantile(cosines, [0.5, 0.75, _OTHERS_QUANTILE])
    deviation = (upper_quartile - median) / 0.6745
    return float(min(high, median + _OTHERS_DEVIATIONS * deviation))


def _leave_one_out(neighbours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each neighbour to the centroid of the others. Returns: (k,) float32."""
    if len(neighbours) == 1:
        return np.ones(1, np.float32)
    others = neighbours.sum(axis=0) - neighbours
    cosines = np.einsum("kd,kd->k", neighbours, others) / np.linalg.norm(others, axis=1)
    return np.asarray(cosines, np.float32)


def _unit(vector: NDArray[np.float32]) -> Embedding:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


DISAGREE = (
    "its nearest recordings are no closer to each other than to the rest of the pool: "
    "other words, or a pool that holds the sound, may help"
)
