"""The paper's tables and figures with ours in them, and the published figures beside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from export.evaluation.accuracy import Row
from export.evaluation.accuracy_report import plain_row
from export.evaluation.accuracy_tables import fold_table
from export.evaluation.metrics import point_name
from export.evaluation.paper import OnDataset
from export.evaluation.published import PAPER, TABLE_1
from export.evaluation.report import Made, Report, Table

_NONE = "-"
_SHOWN_KS = (1, 5, 10, 20, 35, 50, 100, 200, 500, 1000, 5000)


def paper_report(
    found: Sequence[OnDataset], made: Made, peak_memory_mib: float, folder: Path | None
) -> Report:
    """Put it together; plots are drawn into `folder` unless it is None."""
    tables = [table_1(found), table_2(found)]
    folds = [fold_table(one.rows, one.dataset) for one in found]
    tables += [table for table in folds if table is not None]
    tables += [k_table(found), variant_table(found), refusal_table(found)]
    memory = Table("Memory", ("what", "MiB"), (("most resident at any time", f"{peak_memory_mib:.0f}"),))
    return Report(
        title="The experiment of " + PAPER,
        made=made,
        tables=[*tables, memory],
        data={"datasets": [_plain(one) for one in found], "peak_memory_mib": peak_memory_mib},
        plots={} if folder is None else _plots(found, folder),
    )


def table_1(found: Sequence[OnDataset]) -> Table:
    """Methods by data sets, as the paper's Table 1; FSD50K by both measures."""
    names = list(dict.fromkeys(row.method for one in found for row in one.rows))
    header, columns = ["method"], []
    for one in found:
        for place, figure in enumerate(one.rows[0].figures):
            header.append(f"{one.dataset.title} {figure.metric}")
            columns.append((one, place))
    lines = [(name, *(_cell(one.rows, name, place) for one, place in columns)) for name in names]
    for published in TABLE_1:
        cells = [
            _NONE
            if one.dataset.name not in published.figures or (one.dataset.multi_label and place == 0)
            else f"{published.figures[one.dataset.name]:g}"
            for one, place in columns
        ]
        lines.append((f"published: {published.method}", *cells))
    note = (
        "Accuracy over all folds with its 95 % interval over sources. FSD50K: macro mAP is the usual mean "
        "over classes; per-clip AP, over classes within a clip, is what the paper's code calls mAP."
    )
    return Table("Table 1: methods", tuple(header), tuple(lines), note)


def table_2(found: Sequence[OnDataset]) -> Table:
    """Prompts by data sets, as the paper's Table 2, with their lower-case forms."""
    prompts = list(dict.fromkeys(figures.prompt for one in found for figures in one.prompts))
    header = [
        f"{one.dataset.title} {point_name(multi_label=one.dataset.multi_label)}, {method}"
        for one in found
        for method in ("Proto", "zero-shot")
    ]
    lines = []
    for prompt in prompts:
        cells = []
        for one in found:
            of_prompt = next((f for f in one.prompts if f.prompt == prompt), None)
            mark = " *" if one.chosen == prompt else ""
            cells += [_NONE] * 2 if of_prompt is None else [
                f"{of_prompt.proto:.3f}{mark}", f"{of_prompt.zero_shot:.3f}",
            ]  # fmt: skip
        lines.append((f'"{prompt}"', *cells))
    return Table(
        "Table 2: prompts",
        ("prompt", *header),
        tuple(lines),
        (
            "* the one that serves Proto best on the other data sets: not chosen on the one that is judged."
            if len(found) > 1
            else "With one data set, none can be chosen: that would be choosing on the set that is judged."
        )
        + " The paper's own figures for prompts and k are in its Table 2 and Figure 3.",
    )


def k_table(found: Sequence[OnDataset]) -> Table:
    """Proto against k, abbreviated."""
    lines = []
    for k in _SHOWN_KS:
        cells = [_at_k(one, k) for one in found]
        if any(cell != _NONE for cell in cells):
            lines.append((str(k), *cells))
    lines.append(("the whole pool", *(f"{one.curve.figures[-1]:.3f} ({one.curve.ks[-1]})" for one in found)))
    header = [f"{one.dataset.title} {point_name(multi_label=one.dataset.multi_label)}" for one in found]
    return Table("Figure 3: Proto against k", ("k, or the nearest tried", *header), tuple(lines))


def _at_k(one: OnDataset, k: int) -> str:
    """The figure of the k tried that is nearest to this, by ratio."""
    ks = one.curve.ks
    if k > ks[-1]:
        return _NONE
    place = min(range(len(ks)), key=lambda index: abs(math.log(ks[index] / k)))
    return f"{one.curve.figures[place]:.3f}" + ("" if ks[place] == k else f" ({ks[place]})")


def variant_table(found: Sequence[OnDataset]) -> Table:
    """Beyond the paper, each beside Proto."""
    lines = tuple(
        (
            one.dataset.title,
            row.variant,
            row.setting,
            point_name(multi_label=one.dataset.multi_label),
            f"{row.figure:.3f}",
            row.ahead.signed(),
            row.verdict,
        )
        for one in found
        for row in one.variants
    )
    return Table(
        "Beyond the paper: variants of Proto",
        ("data set", "variant", "setting", "metric", "figure", "less Proto's (95 %)", "verdict"),
        lines,
        "Settings are chosen on the other data sets. All are off by default. Of twenty comparisons at 95 %, "
        "one or so is expected to be clear of 0 by chance.",
    )


def refusal_table(found: Sequence[OnDataset]) -> Table:
    """Labels that the product warns of, and whether it is right to."""
    lines = tuple(
        (
            one.dataset.title,
            f"{len(one.refusal.refused)} of {one.refusal.n_classes}",
            _figure(one.refusal.kept_figure),
            _figure(one.refusal.refused_figure),
            ", ".join(one.refusal.refused[:6]) + (" …" if len(one.refusal.refused) > 6 else ""),
        )
        for one in found
    )
    return Table(
        "Refusing labels whose neighbours disagree",
        ("data set", "refused", "mean of the classes kept", "of those refused", "refused"),
        lines,
        "Means of each class's share right; where clips have several classes, of its average precision.",
    )


def _cell(rows: Sequence[Row], name: str, place: int) -> str:
    row = next((row for row in rows if row.method == name), None)
    if row is None:
        return _NONE
    figure = row.figures[place]
    spread = (
        "" if figure.fold_spread is None else f", folds {figure.fold_mean:.3f} ± {figure.fold_spread:.3f}"
    )
    return f"{figure.overall}{spread}"


def _figure(value: float) -> str:
    return _NONE if math.isnan(value) else f"{value:.3f}"


def _plain(one: OnDataset) -> dict[str, Any]:
    return {
        "dataset": one.dataset.name,
        "n_clips": len(one.dataset.clips),
        "n_pool": one.n_pool,
        "methods": [plain_row(row, one.dataset) for row in one.rows],
        "published": {
            p.method: p.figures[one.dataset.name] for p in TABLE_1 if one.dataset.name in p.figures
        },
        "prompts": [
            {"prompt": str(f.prompt), "proto": f.proto, "zero_shot": f.zero_shot} for f in one.prompts
        ],
        "chosen_prompt": None if one.chosen is None else str(one.chosen),
        "k_curve": one.curve,
        "variants": one.variants,
        "refusal": {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in vars(one.refusal).items()
        },
    }


def _plots(found: Sequence[OnDataset], folder: Path) -> dict[str, str]:
    from export.evaluation.plots import confusion_plot, k_plot, score_plot  # noqa: PLC0415 - matplotlib

    plots = {}
    for one in found:
        name, title = one.dataset.name, one.dataset.title
        others = [row for row in one.rows if not row.method.startswith("Proto")]
        levels = {row.method: row.figures[-1].overall.value for row in others}
        k_plot(
            folder / f"k-{name}.png", f"{title}: how many neighbours", one.curve.ks,
            np.array(one.curve.figures), levels, one.rows[0].figures[-1].metric,
        )  # fmt: skip
        plots[f"k-{name}.png"] = f"{title}: Proto against k, as the paper's Figure 3."
        if not one.dataset.multi_label:
            confusion_plot(
                folder / f"confusion-{name}.png", one.rows[0].judged, one.dataset, one.rows[0].method
            )
            plots[f"confusion-{name}.png"] = f"{title}: which classes Proto takes for which."
        score_plot(folder / f"scores-{name}.png", one.rows[0].judged, one.dataset, {})
        plots[f"scores-{name}.png"] = f"{title}: scores of each class's own clips and of all others."
    return plots
