"""Rows of the embedding log with their scores → those of one sound together."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.embedding_log.file import LogPart

APART_S = 5.0
"""Rows at the threshold that are no further from each other are of one hit."""
N_NEAREST = 5
"""How many of the best are shown where none reaches the threshold."""


@dataclass(frozen=True, eq=False)
class ScoredRow:
    """A window's score for the label that is sought.

    Attributes:
        unix_s: Unix time of its middle.
        score: cosine in [-1, 1].
        level_dbfs: its level.
        hop_s: seconds to the next window.
        embedding: (embedding_dim,) float32.
    """

    unix_s: float
    score: float
    level_dbfs: float
    hop_s: float
    embedding: NDArray[np.float32]

    def near(self, other: ScoredRow) -> bool:
        """Whether both are of one sound, as far as their times tell."""
        return abs(self.unix_s - other.unix_s) <= APART_S


@dataclass(frozen=True, eq=False)
class Cluster:
    """Rows of one sound.

    Attributes:
        start_unix_s: a hop before the earliest of them.
        end_unix_s: the latest of them.
        best: the one that scored best.
    """

    start_unix_s: float
    end_unix_s: float
    best: ScoredRow

    @classmethod
    def of(cls, row: ScoredRow) -> Cluster:
        """A cluster of one row."""
        return cls(row.unix_s - row.hop_s, row.unix_s, row)

    def with_row(self, row: ScoredRow) -> Cluster:
        """The cluster with one more."""
        return Cluster(
            min(self.start_unix_s, row.unix_s - row.hop_s),
            max(self.end_unix_s, row.unix_s),
            row if row.score > self.best.score else self.best,
        )


def decluster(rows: Iterable[ScoredRow]) -> Iterator[Cluster]:
    """Put rows together that are no further than `APART_S` from the one before, either way.

    Where the clock jumped back, the same time may come again, in a cluster of its own.
    """
    cluster: Cluster | None = None
    last: ScoredRow | None = None
    for row in rows:
        if cluster is not None and last is not None and row.near(last):
            cluster = cluster.with_row(row)
        else:
            if cluster is not None:
                yield cluster
            cluster = Cluster.of(row)
        last = row
    if cluster is not None:
        yield cluster


def scored_rows(part: LogPart, own: NDArray[np.float32], places: NDArray[np.intp]) -> Iterator[ScoredRow]:
    """Some rows of a part, by their places in it; `own` are the scores of all of them."""
    for place in places.tolist():
        yield ScoredRow(
            float(part.unix_s[place]),
            float(own[place]),
            float(part.level_dbfs[place]),
            part.hop_s,
            part.embeddings[place].copy(),  # a view would hold the whole part
        )


def nearest_rows(before: Sequence[ScoredRow], part: LogPart, own: NDArray[np.float32]) -> list[ScoredRow]:
    """The best rows so far, none near another."""
    kept: list[ScoredRow] = []
    news = scored_rows(part, own, np.argsort(-own, kind="stable"))
    # Both are in the order of their scores.
    for row in heapq.merge(before, news, key=lambda row: -row.score):
        if not any(row.near(other) for other in kept):
            kept.append(row)
        if len(kept) == N_NEAREST:
            break
    return kept
