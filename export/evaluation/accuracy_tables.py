"""What a person reads of an accuracy run: the table of methods, folds, confusions, classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from export.evaluation.accuracy import Row
from export.evaluation.datasets.dataset import Dataset
from export.evaluation.metrics import confusion, per_class, point_name
from export.evaluation.report import Table

N_CONFUSIONS = 12
N_WORST = 12
_MOST_SHOWN = 9


def method_table(rows: Sequence[Row], dataset: Dataset) -> Table:
    """One line a method: what it learnt from, what it judged, how right it was."""
    lines = []
    for row in rows:
        folds = list(dict.fromkeys(row.judged.folds.tolist()))
        n_sources = len(set(row.judged.sources.tolist()))
        first, *more = row.figures
        parts = f"fold{'s' if len(folds) > 1 else ''} {' '.join(folds)}"
        lines.append(
            (
                row.method,
                row.learnt_from,
                f"{parts}: {len(row.judged.places)} clips of {n_sources} sources",
                str(first.overall),
                *(str(figure.overall) for figure in more),
                _spread(first.fold_mean, first.fold_spread),
                "" if row.ahead is None else row.ahead.signed(),
            )
        )
    metrics = [figure.metric for figure in rows[0].figures]
    compared_by = point_name(multi_label=dataset.multi_label)
    return Table(
        f"{dataset.title}: {' and '.join(metrics)}",
        ("method", "learnt from", "judged", *metrics, "mean of folds", f"{compared_by} less the first row's"),
        tuple(lines),
        "Intervals are 95 %, by bootstrap over sources; ± is the standard deviation over folds. "
        f"Each clip is judged among all {len(dataset.classes)} classes.",
    )


def fold_table(rows: Sequence[Row], dataset: Dataset) -> Table | None:
    """Each method's figure in each fold; None if one fold was judged."""
    folds = list(dict.fromkeys(fold for row in rows for fold in row.figures[0].by_fold))
    if len(folds) < 2:
        return None
    lines = tuple(
        (row.method, *(_figure(row.figures[0].by_fold.get(fold, math.nan)) for fold in folds)) for row in rows
    )
    return Table(f"{dataset.title}: {rows[0].figures[0].metric} by fold", ("method", *folds), lines)


def confusion_table(row: Row, dataset: Dataset) -> Table:
    """The pairs of classes that were taken for one another oftenest."""
    counts = confusion(row.judged)
    totals = counts.sum(axis=1)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:N_CONFUSIONS]
    pairs = [(int(own), int(said)) for own, said in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    lines = tuple(
        (dataset.classes[own], dataset.classes[said], f"{wrong[own, said]} of {totals[own]}")
        for own, said in pairs
        if wrong[own, said]
    )
    return Table(f"Most often confused by {row.method}", ("clips of", "taken for", "times"), lines)


def class_table(row: Row, dataset: Dataset) -> Table:
    """The classes that are told worst."""
    values = per_class(row.judged, multi_label=dataset.multi_label)
    counts = row.judged.truth.sum(axis=0)
    order = [index for index in np.argsort(values, kind="stable").tolist() if counts[index]][:N_WORST]
    lines = tuple((dataset.classes[i], _figure(values[i]), str(counts[i])) for i in order)
    metric = "average precision" if dataset.multi_label else "share right"
    return Table(f"Classes that {row.method} tells worst", ("class", metric, "clips"), lines)


def confusion_text(row: Row, dataset: Dataset) -> str:
    """The whole confusion matrix in little room: a line a class, a character a cell.

    A column stands for the class of the line of the same number; 0 is a dot, more than 9 a #.
    """
    counts = confusion(row.judged)
    width = max(map(len, dataset.classes))
    n = len(dataset.classes)
    head = [
        "".join(f"{index // 10 % 10 or ' '}" for index in range(n)),
        "".join(str(index % 10) for index in range(n)),
    ]
    lines = [f"{'':>{width + 4}} {digits}" for digits in head]
    for index, name in enumerate(dataset.classes):
        cells = "".join(map(_cell, counts[index].tolist()))
        lines.append(f"{index:>3} {name:<{width}} {cells}")
    return "\n".join(lines)


def _cell(count: int) -> str:
    if count == 0:
        return "."
    return str(count) if count <= _MOST_SHOWN else "#"


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _spread(mean: float, spread: float | None) -> str:
    return _figure(mean) if spread is None else f"{mean:.3f} ± {spread:.3f}"
