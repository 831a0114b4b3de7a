"""A stream evaluation's report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from edge.pipeline import Pipeline
from export.evaluation.datasets.dataset import Dataset
from export.evaluation.intervals import Interval
from export.evaluation.report import Made, Report, Table
from export.evaluation.stream_evaluation import Findings, StreamSettings
from export.evaluation.stream_metrics import POOLED, FalseAlarms, Figures, alarms_in_scenes
from export.evaluation.stream_outcomes import COLLARS_S, found_collar_s

_NOTHING = "-"
_SHOWN_OFFSETS = (-0.2, -0.14, -0.1, -0.06, -0.02, 0.0, 0.02, 0.06, 0.1, 0.14, 0.2)
_N_CAUSES = 15


def stream_report(
    pipeline: Pipeline,
    dataset: Dataset,
    findings: Findings,
    settings: StreamSettings,
    made: Made,
    folder: Path | None,
) -> Report:
    """Put it together; plots are drawn into `folder` unless it is None."""
    window_s = pipeline.settings.window_s
    tables = [
        _label_table(findings, found_collar_s(window_s)),
        _on_time_table(findings),
        _part_table(findings),
        _alarm_table(findings),
        _cause_table(findings),
        _curve_table(findings),
    ]
    title = f"{pipeline.bundle.manifest.name} on {dataset.title}, as a stream"
    return Report(
        title=title,
        made=made,
        tables=[table for table in tables if table.rows],
        data=_data(pipeline, dataset, findings, settings),
        plots={} if folder is None else _plots(findings, title, folder),
    )


def _label_table(findings: Findings, collar_s: float) -> Table:
    collars = ", ".join(f"{collar_s:g}" for collar_s in COLLARS_S)
    return Table(
        "Per label, in the scenes",
        ("label", "sounds", "recordings", "found", "recall (95 %)", "latency s: median", "90th percentile",
         f"F1 at {collars} s", "repeats", "false alarms", "an hour (95 %)"),
        tuple(_label_row(one) for one in findings.figures),
        f"Found: an event of the label begins during the sound or within {collar_s:.3g} s of it, half a "
        "window. Latency: from the sound's onset to the end of the window that brought the event. F1: an "
        "event counts if its onset is within that many seconds of the sound's. Repeats: further events at a "
        "sound found already. Recall and latency by bootstrap over recordings.",
    )  # fmt: skip


def _label_row(one: Figures) -> tuple[str, ...]:
    latency = one.latency
    return (
        one.label,
        str(one.n_sounds),
        str(one.n_sources),
        str(one.n_found),
        _share(one.recall),
        _seconds(latency.median_s if latency else None),
        _seconds(latency.p90_s if latency else None),
        " ".join(f"{at.f1.value:.2f}" if at.f1 else _NOTHING for at in one.on_time),
        str(one.n_repeats),
        str(one.false_alarms.n),
        _rate(one.false_alarms),
    )


def _on_time_table(findings: Findings) -> Table:
    return Table(
        "Events on time, all labels together",
        ("onset within", "precision (95 %)", "recall (95 %)", "F1 (95 %)"),
        tuple(
            (f"{at.collar_s:g} s", _share(at.precision), _share(at.recall), _share(at.f1))
            for at in findings.figures[0].on_time
        ),
        "By bootstrap over scenes, which shows no spread of an F1 of 0 or 1. Repeats count against "
        "precision, as false alarms do.",
    )


def _part_table(findings: Findings) -> Table:
    return Table(
        "Recall by loudness, background and overlap, all labels together",
        ("what", "", "sounds", "recordings", "found", "recall (95 %)"),
        tuple(
            (
                part.what,
                part.value,
                str(part.n_sounds),
                str(part.n_sources),
                str(part.n_found),
                _share(part.recall),
            )
            for part in findings.parts
        ),
        "SNR: RMS of the sound where it is active against that of the background over the same stretch.",
    )


def _alarm_table(findings: Findings) -> Table:
    outcomes = findings.outcomes
    alarms = [event for event in outcomes.events if event.outcome == "false alarm"]
    rows = [
        (
            f"scenes over {kind}",
            alarms_in_scenes(outcomes, kind),
            Counter(event.label for event in alarms if event.background == kind),
        )
        for kind in outcomes.hours_over
    ]
    rows += [(f"{m.kind} alone", m.alarms, Counter(m.by_label)) for m in findings.materials]
    return Table(
        "False alarms by material, all labels together",
        ("material", "hours", "false alarms", "an hour (95 %)", "of which label"),
        tuple(
            (what, f"{alarms.hours:.2f}", str(alarms.n), _rate(alarms), _most(by_label))
            for what, alarms, by_label in rows
        ),
        "Scenes hold a sound every few seconds, far more than a home does. Intervals are by bootstrap over "
        "scenes, for background alone exact for a Poisson count. It is generated, of voices and instruments "
        "that training never heard.",
    )


def _cause_table(findings: Findings) -> Table:
    alarms = [event for event in findings.outcomes.events if event.outcome == "false alarm"]
    causes = Counter((event.label, ", ".join(event.playing) or event.background) for event in alarms)
    return Table(
        "What the false alarms of the scenes were over",
        ("label", "what the window held", "false alarms"),
        tuple((label, what, str(n)) for (label, what), n in causes.most_common(_N_CAUSES)),
        f"The most frequent of {len(causes)}; all are in report.json." if len(causes) > _N_CAUSES else "",
    )


def _curve_table(findings: Findings) -> Table:
    rows = []
    for point in findings.curves[POOLED]:
        if point.offset in _SHOWN_OFFSETS:
            alone = point.in_background
            cells = (_share(point.recall), _rate(point.in_scenes), _rate(alone) if alone else _NOTHING)
            rows.append((f"{point.offset:+.2f}" if point.offset else "as they are", *cells))
    return Table(
        "Under other thresholds, all labels together",
        ("thresholds", "recall (95 %)", "false alarms an hour, scenes (95 %)", "background alone (95 %)"),
        tuple(rows),
        "The same window scores with every label's thresholds moved by so much. With very low ones, recall "
        "falls again: an event that is on already when a sound begins hasn't found it.",
    )


def _plots(findings: Findings, title: str, folder: Path) -> dict[str, str]:
    from export.evaluation import stream_plots  # noqa: PLC0415 - matplotlib, only when there is a folder

    stream_plots.draw_curve(findings.curves, title, folder / "curve.png")
    plots = {"curve.png": "What is found against false alarms, as the thresholds move."}
    if any(sound.is_found for sound in findings.outcomes.sounds):
        stream_plots.draw_latency(findings, title, folder / "latency.png")
        plots["latency.png"] = "How long after a sound's onset its event was told."
    stream_plots.draw_labels(findings.figures, title, folder / "labels.png")
    plots["labels.png"] = "Each label's recall and false alarms in the scenes."
    return plots


def _data(
    pipeline: Pipeline, dataset: Dataset, findings: Findings, settings: StreamSettings
) -> dict[str, Any]:
    outcomes = findings.outcomes
    return {
        "dataset": dataset.name,
        "settings": settings,
        "thresholds": {label: rule.on_threshold for label, rule in pipeline.rules.items()},
        "found_collar_s": found_collar_s(pipeline.settings.window_s),
        "n_scenes": outcomes.n_scenes,
        "hours_over": outcomes.hours_over,
        "figures": findings.figures,
        "recall_by_part": findings.parts,
        "background_alone": findings.materials,
        "curves": findings.curves,
        "sounds": outcomes.sounds,
        "events": outcomes.events,
    }


def _share(interval: Interval | None) -> str:
    return _NOTHING if interval is None else str(interval)


def _seconds(interval: Interval | None) -> str:
    if interval is None:
        return _NOTHING
    return f"{interval.value:.1f} ({interval.low:.1f} to {interval.high:.1f})"


def _rate(alarms: FalseAlarms) -> str:
    rate = alarms.per_hour
    return f"{rate.value:.1f} ({rate.low:.1f} to {rate.high:.1f})"


def _most(by_label: Counter[str]) -> str:
    shown = ", ".join(f"{label} {n}" for label, n in by_label.most_common(4))
    return shown + (", …" if len(by_label) > 4 else "")
