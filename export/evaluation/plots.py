"""Plots of accuracy runs, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from export.evaluation.datasets.dataset import Dataset
from export.evaluation.judging import Judged
from export.evaluation.metrics import confusion

plt.switch_backend("Agg")  # draws into files; there may be no screen

_DPI = 110
OWN, OTHERS, MARK = "#1b6ca8", "#b0b7bd", "#c8553d"
_K_TICKS = (1, 2, 5, 10, 20, 35, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 36796)
_COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8d5a97", "#d4a017")


def confusion_plot(path: Path, judged: Judged, dataset: Dataset, method: str) -> None:
    """Shares of each class's clips, one row a class."""
    counts = confusion(judged)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [name.replace("_", " ") for name in dataset.classes]
    n = len(names)
    side = 4.0 + 0.16 * n
    figure, axes = plt.subplots(figsize=(side, side), dpi=_DPI)
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_xticks(range(n), names, rotation=90, fontsize=7)
    axes.set_yticks(range(n), names, fontsize=7)
    axes.set_xlabel("taken for")
    axes.set_ylabel("clips of")
    right = np.trace(counts) / max(counts.sum(), 1)
    axes.set_title(f"{dataset.title}: {method}, {right:.3f} right of {counts.sum()}", fontsize=10)
    if n <= 60:
        for row, column in zip(*np.nonzero(counts), strict=True):
            dark = shares[row, column] > 0.5
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=6,
                      color="white" if dark else "black")  # fmt: skip
    figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, label="share of the class's clips")
    _save(figure, path)


def score_plot(path: Path, judged: Judged, dataset: Dataset, thresholds: Mapping[int, float]) -> None:
    """Each class's scores: of its own clips as dots, of others as a bar, 5th to 99th percentile."""
    heard = np.flatnonzero(judged.truth.any(axis=0))
    order = sorted(heard.tolist(), key=lambda index: -_median(judged, index))[:60]
    figure, axes = plt.subplots(figsize=(9.0, 2.0 + 0.19 * len(order)), dpi=_DPI)
    for place, index in enumerate(order):
        own = judged.truth[:, index]
        low, high = np.percentile(judged.scores[~own, index], [5, 99]) if (~own).any() else (np.nan, np.nan)
        axes.plot([low, high], [place, place], color=OTHERS, linewidth=5, solid_capstyle="butt", zorder=1)
        axes.scatter(
            judged.scores[own, index], np.full(own.sum(), place), s=9, color=OWN, alpha=0.6, zorder=2
        )
        if index in thresholds:
            axes.plot(
                [thresholds[index]] * 2, [place - 0.4, place + 0.4], color=MARK, linewidth=1.6, zorder=3
            )
    axes.set_yticks(range(len(order)), [dataset.classes[i].replace("_", " ") for i in order], fontsize=7)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlabel("score (cosine)")
    axes.set_title(f"{dataset.title}: scores of own clips and of others", fontsize=10, loc="left")
    handles = [
        Line2D([], [], marker="o", linestyle="", color=OWN, markersize=4, label="a clip of the class"),
        Line2D([], [], color=OTHERS, linewidth=5, label="5th to 99th percentile of other clips"),
    ]
    if thresholds:
        handles.append(Line2D([], [], color=MARK, linewidth=1.6, label="threshold"))
    axes.legend(handles=handles, fontsize=7, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=1)
    axes.grid(axis="x", alpha=0.3)
    _save(figure, path)


def k_plot(
    path: Path, title: str, ks: Sequence[int], figures: NDArray[np.float64],
    levels: Mapping[str, float], metric: str,
) -> None:  # fmt: skip
    """Proto's figure against k, and levels that don't depend on k."""
    figure, axes = plt.subplots(figsize=(8.0, 4.8), dpi=_DPI)
    axes.plot(ks, figures, marker="o", markersize=3, color=_COLOURS[0], label="Proto")
    for colour, (name, value) in zip(_COLOURS[1:], levels.items(), strict=False):
        axes.axhline(value, linestyle="--", linewidth=1.2, color=colour, label=name)
    axes.axvline(35, color="#999999", linewidth=0.8)
    axes.set_xscale("log")
    ticks = [k for k in _K_TICKS if k <= max(ks)]
    axes.set_xticks(ticks, [str(k) for k in ticks], fontsize=8)
    axes.minorticks_off()
    axes.set_xlabel("k, clips to a prototype (log scale; the paper's 35 marked)")
    axes.set_ylabel(metric)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _save(figure, path)


def _median(judged: Judged, index: int) -> float:
    return float(np.median(judged.scores[judged.truth[:, index], index]))


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
