"""An accuracy run's report: tables, the confusion matrix, and plots where there is a folder for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.bundle import Bundle
from edge.manifest import EncoderEntry
from export.evaluation.accuracy import Row, covered_classes
from export.evaluation.accuracy_tables import (
    class_table,
    confusion_table,
    confusion_text,
    fold_table,
    method_table,
)
from export.evaluation.datasets.dataset import Dataset
from export.evaluation.metrics import confusion, per_class
from export.evaluation.report import Made, Report, Table


def accuracy_report(
    bundle: Bundle,
    entry: EncoderEntry,
    dataset: Dataset,
    rows: Sequence[Row],
    made: Made,
    folder: Path | None,
) -> Report:
    """Put it together; plots are drawn into `folder` unless it is None."""
    first = rows[0]
    tables = [method_table(rows, dataset), fold_table(rows, dataset), _recorded(bundle)]
    text = {}
    if not dataset.multi_label:
        tables.append(confusion_table(first, dataset))
        text[f"Confusion matrix of {first.method}"] = confusion_text(first, dataset)
    tables.append(class_table(first, dataset))
    plots = {} if folder is None else _plots(bundle, entry, dataset, first, folder)
    return Report(
        title=f"{bundle.manifest.name} on {dataset.title}",
        made=made,
        tables=[table for table in tables if table is not None],
        data={
            "dataset": dataset.name,
            "classes": dataset.classes,
            "rows": [plain_row(row, dataset) for row in rows],
        },
        plots=plots,
        text=text,
    )


def _recorded(bundle: Bundle) -> Table | None:
    """Figures that the bundle says were measured when it was made."""
    lines = tuple(
        (name, str(figure)) for name, figure in bundle.manifest.accuracy.items() if name != "settings"
    )
    return Table("Recorded in the bundle when it was made", ("figure", "value"), lines) if lines else None


def plain_row(row: Row, dataset: Dataset) -> dict[str, Any]:
    """A method's figures for a program."""
    classes = per_class(row.judged, multi_label=dataset.multi_label)
    return {
        "method": row.method,
        "learnt_from": row.learnt_from,
        "n_judged": len(row.judged.places),
        "figures": [
            {
                "metric": figure.metric,
                "overall": figure.overall,
                "by_fold": figure.by_fold,
                "fold_mean": figure.fold_mean,
                "fold_spread": figure.fold_spread,
            }
            for figure in row.figures
        ],
        "less_first_row": row.ahead,
        "per_class": [None if value != value else value for value in classes.tolist()],  # noqa: PLR0124 - nan
        "confusion": None if dataset.multi_label else confusion(row.judged),
    }


def _plots(bundle: Bundle, entry: EncoderEntry, dataset: Dataset, first: Row, folder: Path) -> dict[str, str]:
    from export.evaluation.plots import confusion_plot, score_plot  # noqa: PLC0415 - matplotlib, if asked for

    plots = {}
    if not dataset.multi_label:
        confusion_plot(folder / "confusion.png", first.judged, dataset, first.method)
        plots["confusion.png"] = f"Which classes {first.method} takes for which."
    thresholds = {}
    if first.is_own:
        of_label = bundle.thresholds(entry)
        thresholds = {place: of_label[name] for place, name in covered_classes(bundle, dataset).items()}
    score_plot(folder / "scores.png", first.judged, dataset, thresholds)
    plots["scores.png"] = (
        "Scores of each class's own clips and of all others; the bar is the label's threshold, which windows "
        "must reach, not whole clips."
    )
    return plots
