"""Rows of the embedding log and a label's prototypes → when it was heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge.embedding_log.clusters import Cluster, ScoredRow, decluster, nearest_rows, scored_rows
from edge.embedding_log.file import LogPart
from edge.scoring import PrototypeSet, rivals_of, scores
from edge.trigger_rule import TriggerRule

MOST_HITS = 1000
"""Of more, those with the best scores are kept."""


@dataclass(frozen=True)
class Hit:
    """A time at which the label was heard.

    Attributes:
        start_unix_s: Unix time at which it began, as an event's onset does: a hop before the middle of the
            first window.
        end_unix_s: the middle of its last window.
        best_unix_s: the middle of the window that scored best.
        score: of that window, a cosine in [-1, 1].
        level_dbfs: of that window.
        beaten_by: the rival by which that window would not have supported the label; None if it would have.
    """

    start_unix_s: float
    end_unix_s: float
    best_unix_s: float
    score: float
    level_dbfs: float
    beaten_by: str | None


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        hits: by time; where none reached the threshold, the few best below it.
        n_hits: how many there were, of which the best `MOST_HITS` are kept.
        is_below_threshold: whether the hits are below it.
        n_rows: how many windows were searched.
        heard_s: seconds of sound that these stand for.
        covers_from_unix_s: time of the earliest of them; None without one.
    """

    hits: tuple[Hit, ...]
    n_hits: int
    is_below_threshold: bool
    n_rows: int
    heard_s: float
    covers_from_unix_s: float | None


def search(
    parts: Iterable[LogPart], prototypes: PrototypeSet, name: str, rule: TriggerRule, threshold: float
) -> Found:
    """Find when a label was heard.

    A row scores by the best of the label's prototypes. No more of the rows is held than one part.

    Args:
        parts: of the log, made by the encoder that the prototypes are of, in the order of time.
        prototypes: of labels and background.
        name: which of these is sought.
        rule: whose margin and rivals hold; its durations and thresholds do not.
        threshold: cosine that a row must reach.
    """
    judge, tally = _Judge(prototypes, name, rule), _Tally()
    hits: list[Hit] = []
    n_hits = 0
    for cluster in decluster(_rows_at(threshold, parts, judge, tally)):
        n_hits += 1
        hits.append(judge.hit(cluster))
        if len(hits) >= 2 * MOST_HITS:
            hits = _best(hits)
    if not n_hits:
        hits = [judge.hit(Cluster.of(row)) for row in tally.nearest]
    return Found(
        hits=tuple(sorted(_best(hits), key=lambda hit: hit.start_unix_s)),
        n_hits=n_hits,
        is_below_threshold=not n_hits and bool(hits),
        n_rows=tally.n_rows,
        heard_s=tally.heard_s,
        covers_from_unix_s=tally.earliest_unix_s,
    )


class _Judge:
    """Scores rows for one label, and judges them by its rivals as `edge.trigger_bank` does."""

    def __init__(self, prototypes: PrototypeSet, name: str, rule: TriggerRule) -> None:
        self._prototypes = prototypes
        self._place = prototypes.names.index(name)
        self._vectors = prototypes.vectors[prototypes.owners == self._place]
        self._rivals = rivals_of(prototypes, self._place, rule.rivals)
        self._margin = rule.margin

    def scores(self, part: LogPart) -> NDArray[np.float32]:
        """(n,) float32, the cosine of each row."""
        return np.asarray((part.embeddings @ self._vectors.T).max(axis=1), np.float32)

    def hit(self, cluster: Cluster) -> Hit:
        best = cluster.best
        return Hit(
            start_unix_s=cluster.start_unix_s,
            end_unix_s=cluster.end_unix_s,
            best_unix_s=best.unix_s,
            score=best.score,
            level_dbfs=best.level_dbfs,
            beaten_by=self._beaten_by(best),
        )

    def _beaten_by(self, row: ScoredRow) -> str | None:
        if not len(self._rivals):
            return None
        every = scores(row.embedding, self._prototypes)
        rival = int(self._rivals[np.argmax(every[self._rivals])])
        is_beaten = float(every[self._place]) - float(every[rival]) < self._margin
        return self._prototypes.names[rival] if is_beaten else None


@dataclass
class _Tally:
    """What was searched, and, until a row reaches the threshold, the nearest to it."""

    n_rows: int = 0
    heard_s: float = 0.0
    earliest_unix_s: float | None = None
    nearest: list[ScoredRow] = field(default_factory=list)

    def add(self, part: LogPart) -> None:
        self.n_rows += len(part.unix_s)
        self.heard_s += len(part.unix_s) * part.hop_s
        earliest_unix_s = float(part.unix_s.min())
        if self.earliest_unix_s is None or earliest_unix_s < self.earliest_unix_s:
            self.earliest_unix_s = earliest_unix_s


def _rows_at(threshold: float, parts: Iterable[LogPart], judge: _Judge, tally: _Tally) -> Iterator[ScoredRow]:
    has_reached = False
    for part in parts:
        tally.add(part)
        own = judge.scores(part)
        places = np.flatnonzero(own >= threshold)
        has_reached = has_reached or bool(len(places))
        if not has_reached:
            tally.nearest = nearest_rows(tally.nearest, part, own)
        yield from scored_rows(part, own, places)


def _best(hits: list[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: -hit.score)[:MOST_HITS]
