"""How right a method is: accuracy, or average precision where a clip has several classes, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, confusion_matrix

from export.evaluation.intervals import CONFIDENCE, Interval, share_by_source, source_bootstrap
from export.evaluation.judging import Judged
from export.evaluation.methods import sigmoid

N_MAP_RESAMPLES = 300
"""Each takes a pass over all scores."""


@dataclass(frozen=True)
class Figure:
    """One figure of a method.

    Attributes:
        metric: what it is.
        overall: over all judged clips, with the interval over sources.
        by_fold: the same of each fold alone.
    """

    metric: str
    overall: Interval
    by_fold: Mapping[str, float]

    @property
    def fold_mean(self) -> float:
        """Mean of the folds' figures, as papers give it."""
        return float(np.mean(list(self.by_fold.values())))

    @property
    def fold_spread(self) -> float | None:
        """Standard deviation over the folds (n - 1), None if there is one fold."""
        values = list(self.by_fold.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else None


def accuracy(judged: Judged) -> Figure:
    """Share of clips whose best class is their own."""
    right = is_right(judged)
    by_fold = {fold: float(right[judged.folds == fold].mean()) for fold in _folds(judged)}
    return Figure("accuracy", share_by_source(right, judged.sources.tolist()), by_fold)


def is_right(judged: Judged) -> NDArray[np.float64]:
    """(n,) 1 for a clip whose best class is one of its own, else 0."""
    return judged.truth[np.arange(len(judged.places)), judged.predicted].astype(np.float64)


def clip_average_precision(judged: Judged) -> NDArray[np.float64]:
    """(n,) average precision over the classes, of each clip: what the paper's code averages and calls mAP."""
    return Ranked(judged.truth.T, sigmoid(judged.scores).T).average_precision(np.ones(judged.truth.shape[1]))


def per_clip_ap(judged: Judged) -> Figure:
    """Mean over clips of the average precision over classes."""
    values = clip_average_precision(judged)
    by_fold = {fold: float(values[judged.folds == fold].mean()) for fold in _folds(judged)}
    return Figure("per-clip AP", source_bootstrap(values, judged.sources.tolist()), by_fold)


def macro_map(judged: Judged, seed: int = 0) -> Figure:
    """Mean over classes of the average precision over clips: the usual mAP of FSD50K.

    A class without a clip is left out. Average precision of a resample, in which clips stand several times,
    is higher than of as many different clips; the interval is shifted by as much.
    """
    value = _macro(judged.truth, judged.scores)
    _, source, n_clips = np.unique(judged.sources, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(seed)
    ranked = Ranked(judged.truth, judged.scores)
    means = []
    for _ in range(N_MAP_RESAMPLES):
        drawn = np.bincount(rng.integers(0, len(n_clips), len(n_clips)), minlength=len(n_clips))
        means.append(float(np.nanmean(ranked.average_precision(drawn[source].astype(np.float64)))))
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(means, [tail, 100.0 - tail]) - (np.mean(means) - value)
    by_fold = {
        fold: _macro(judged.truth[at], judged.scores[at])
        for fold in _folds(judged)
        for at in [judged.folds == fold]
    }
    interval = Interval(value, max(0.0, float(low)), min(1.0, float(high)))
    return Figure("macro mAP", interval, by_fold)


def _macro(truth: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    heard = truth.any(axis=0)
    return float(average_precision_score(truth[:, heard], scores[:, heard], average="macro"))


class Ranked:
    """Scores sorted once, so that the average precision of many columns, often weighted anew, is cheap.

    scikit-learn's, column by column, takes a hundred times as long; a test holds this to it.

    Args:
        truth: (n, n_columns) bool.
        scores: (n, n_columns).
    """

    def __init__(self, truth: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> None:
        self._order = np.argsort(-scores, axis=0, kind="stable")
        self._truth = np.take_along_axis(truth, self._order, axis=0)
        # Of equal scores none comes first: each has the precision behind the last of them.
        descending = np.take_along_axis(scores, self._order, axis=0)
        goes_on = np.zeros(scores.shape, np.bool_)
        goes_on[:-1] = descending[:-1] == descending[1:]
        lasts = np.where(goes_on, len(scores), np.arange(len(scores))[:, None])
        self._last = np.minimum.accumulate(lasts[::-1], axis=0)[::-1]

    def average_precision(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of each column, rows weighted: (n_columns,) float64; nan where nothing true has any weight."""
        ranked = weights[self._order]
        hits = ranked * self._truth
        seen = np.cumsum(ranked, axis=0)
        precision = np.divide(np.cumsum(hits, axis=0), seen, out=np.zeros_like(seen), where=seen > 0)
        total = hits.sum(axis=0)
        found = (hits * np.take_along_axis(precision, self._last, axis=0)).sum(axis=0)
        return np.asarray(np.divide(found, total, out=np.full(len(total), np.nan), where=total > 0))


def per_clip(judged: Judged, *, multi_label: bool) -> NDArray[np.float64]:
    """(n,) what of each clip methods are compared by: right or not; if multi-label, its average precision."""
    return clip_average_precision(judged) if multi_label else is_right(judged)


def point(judged: Judged, *, multi_label: bool) -> float:
    """The figure that the paper gives, without an interval: accuracy, or per-clip AP if multi-label."""
    return float(per_clip(judged, multi_label=multi_label).mean())


def point_name(*, multi_label: bool) -> str:
    """What `point` is called."""
    return "per-clip AP" if multi_label else "accuracy"


def per_class(judged: Judged, *, multi_label: bool) -> NDArray[np.float64]:
    """Share of each class's clips that are right; of a multi-label data set, the average precision.

    Returns: (n_classes,) float64, nan for a class without clips.
    """
    values = np.full(judged.truth.shape[1], np.nan)
    right = is_right(judged)
    for index in np.flatnonzero(judged.truth.any(axis=0)):
        own = judged.truth[:, index]
        values[index] = (
            average_precision_score(own, judged.scores[:, index]) if multi_label else right[own].mean()
        )
    return values


def confusion(judged: Judged) -> NDArray[np.int64]:
    """(n_classes, n_classes): row the clip's class, column what it was taken for."""
    labels = np.arange(judged.truth.shape[1])
    return np.asarray(confusion_matrix(judged.targets, judged.predicted, labels=labels), np.int64)


def _folds(judged: Judged) -> list[str]:
    return list(dict.fromkeys(judged.folds.tolist()))
