"""A stream evaluation's plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from export.evaluation.stream_evaluation import Findings
from export.evaluation.stream_metrics import POOLED, FalseAlarms, Figures
from export.evaluation.stream_outcomes import SoundOutcome
from export.evaluation.threshold_curve import CurvePoint

_DPI = 110
_SIZE_IN = (9.1, 6.4)
_BLUE, _RED, _INK = "#1b6ca8", "#c8553d", "#333333"
_COLOURS = ("#588157", "#8d5a97", "#d4a017", "#3a9a9a", "#a0522d")
_MOST_LABELS = 5
"""Labels that get a curve of their own; more would hide each other."""
_BIN_S = 0.25


def draw_curve(curves: Mapping[str, Sequence[CurvePoint]], title: str, path: Path) -> None:
    """Recall against false alarms an hour, all labels together, and each label if there are few."""
    figure = Figure(_SIZE_IN, dpi=_DPI)
    axes = figure.subplots()
    points = curves[POOLED]
    _draw_band(axes, points, [point.in_scenes for point in points], _BLUE, f"{POOLED}, over the scenes")
    alone = [point.in_background for point in points if point.in_background is not None]
    if alone:
        _draw_band(axes, points, alone, _RED, f"{POOLED}, over background alone")
    labels = [name for name in curves if name != POOLED]
    if 1 < len(labels) <= _MOST_LABELS:
        for colour, label in zip(_COLOURS, labels, strict=False):
            _draw_label(axes, curves[label], colour, label)
    axes.scatter(
        [], [], s=70, facecolors="none", edgecolors=_INK, linewidths=1.5, label="thresholds as they are"
    )
    axes.set_xscale("symlog", linthresh=1.0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(left=-0.05)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("false alarms an hour (logarithmic from 1 on)")
    axes.set_ylabel("recall in the scenes (95 % band)")
    span = f"{points[0].offset:+.2f} (right) to {points[-1].offset:+.2f} (left)"
    axes.set_title(f"{title}\nall thresholds moved from {span}", fontsize=11)
    axes.legend(fontsize=9, loc="best")
    _save(figure, path)


def _draw_band(
    axes: Axes, points: Sequence[CurvePoint], alarms: Sequence[FalseAlarms], colour: str, name: str
) -> None:
    known = [(p, a) for p, a in zip(points, alarms, strict=True) if p.recall is not None]
    recalls = [point.recall for point, _ in known if point.recall is not None]
    per_hour = [alarm.per_hour.value for _, alarm in known]
    axes.plot(per_hour, [r.value for r in recalls], "o-", color=colour, markersize=3.5, label=name)
    lows, highs = [r.low for r in recalls], [r.high for r in recalls]
    axes.fill_between(per_hour, lows, highs, color=colour, alpha=0.13, linewidth=0)
    _ring_default(axes, [point.offset for point, _ in known], per_hour, [r.value for r in recalls])


def _draw_label(axes: Axes, points: Sequence[CurvePoint], colour: str, label: str) -> None:
    known = [(p.offset, p.in_scenes.per_hour.value, p.recall.value) for p in points if p.recall is not None]
    if known:
        offsets, per_hour, recalls = zip(*known, strict=True)
        axes.plot(per_hour, recalls, "-", color=colour, linewidth=1.1, label=f"{label}, over the scenes")
        _ring_default(axes, offsets, per_hour, recalls)


def _ring_default(
    axes: Axes, offsets: Sequence[float], per_hour: Sequence[float], recalls: Sequence[float]
) -> None:
    at = [(x, y) for offset, x, y in zip(offsets, per_hour, recalls, strict=True) if offset == 0.0]
    for x, y in at:
        axes.scatter([x], [y], s=70, facecolors="none", edgecolors=_INK, linewidths=1.5, zorder=4)


def draw_latency(findings: Findings, title: str, path: Path) -> None:
    """How late events were told; and what share of all sounds was found by when, at each SNR."""
    figure = Figure(_SIZE_IN, dpi=_DPI)
    above, below = figure.subplots(2, sharex=True)
    sounds = findings.outcomes.sounds
    latencies_s = _latencies_s(sounds)
    start, end = min(0.0, float(latencies_s.min())), float(latencies_s.max())
    edges = np.arange(np.floor(start / _BIN_S), np.ceil(end / _BIN_S) + 1) * _BIN_S
    above.hist(latencies_s, edges, color=_BLUE, alpha=0.8)
    latency = findings.figures[0].latency
    if latency is not None:
        for name, at, style in (("median", latency.median_s, "-"), ("90th percentile", latency.p90_s, "--")):
            label = f"{name} {at.value:.1f} s ({at.low:.1f} to {at.high:.1f})"
            above.axvline(at.value, color=_RED, linestyle=style, label=label)
    above.set_ylabel(f"events per {_BIN_S:g} s")
    above.legend(fontsize=9)
    above.set_title(f"{title}\n{len(latencies_s)} of {len(sounds)} sounds found", fontsize=11)
    _draw_found_by(below, sounds, (float(edges[0]), float(edges[-1])))
    below.set_xlabel("latency: seconds from the sound's onset to its event being told")
    _save(figure, path)


def _draw_found_by(axes: Axes, sounds: Sequence[SoundOutcome], span_s: tuple[float, float]) -> None:
    for colour, snr_db in zip(_COLOURS, sorted({sound.snr_db for sound in sounds}), strict=False):
        own = [sound for sound in sounds if sound.snr_db == snr_db]
        found_s = np.sort(_latencies_s(own))
        shares = np.arange(len(found_s) + 1) / len(own)
        axes.step(
            [span_s[0], *found_s, span_s[1]], [*shares, shares[-1]], where="post", color=colour,
            label=f"SNR {snr_db:g} dB",
        )  # fmt: skip
    axes.set_xlim(*span_s)
    axes.set_ylim(0.0, 1.0)
    axes.set_ylabel("share found by then")
    axes.legend(fontsize=9, loc="upper left")


def _latencies_s(sounds: Sequence[SoundOutcome]) -> np.ndarray:
    return np.array([sound.latency_s for sound in sounds if sound.latency_s is not None])


def draw_labels(figures: Sequence[Figures], title: str, path: Path) -> None:
    """Each label's recall and false alarms an hour, with intervals, the best found on top."""
    own = sorted(figures[1:], key=lambda one: (one.recall.value if one.recall else -1.0, one.label))
    figure = Figure((_SIZE_IN[0], max(_SIZE_IN[1] / 2.0, 1.6 + 0.21 * len(own))), dpi=_DPI)
    left, right = figure.subplots(1, 2, sharey=True)
    for row, one in enumerate(own):
        if one.recall is not None:
            left.plot([one.recall.low, one.recall.high], [row, row], color=_BLUE, linewidth=1.4, alpha=0.6)
            left.plot(one.recall.value, row, "o", color=_BLUE, markersize=4.5)
        rate = one.false_alarms.per_hour
        right.plot([rate.low, rate.high], [row, row], color=_RED, linewidth=1.4, alpha=0.6)
        right.plot(rate.value, row, "o", color=_RED, markersize=4.5)
    left.set_yticks(range(len(own)), [f"{one.label} ({one.n_sounds})" for one in own], fontsize=8)
    left.set_ylim(-0.7, len(own) - 0.3)
    left.set_xlim(-0.03, 1.03)
    left.set_xlabel("recall (95 %)")
    right.set_xlim(left=-0.3)
    right.set_xlabel("false alarms an hour, in the scenes (95 %)")
    figure.suptitle(f"{title}: each label (and how many sounds of it)", fontsize=11)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    figure.tight_layout()
    figure.savefig(path)
