"""What the pipeline would find, and how often alarm, with its thresholds moved up or down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.pipeline import Pipeline
from export.evaluation.intervals import Interval
from export.evaluation.stream import Emitted, HeardBackground, HeardScene, replay
from export.evaluation.stream_metrics import POOLED, FalseAlarms, alarms_in_scenes, false_alarms, recall_of
from export.evaluation.stream_outcomes import Outcomes, judge_scenes
from export.progress import progress

OFFSETS = tuple(round(0.02 * step, 2) for step in range(-10, 11))
"""Added to every label's thresholds."""


@dataclass(frozen=True)
class CurvePoint:
    """One label, or all together, at one offset.

    Attributes:
        offset: added to its thresholds.
        recall: share of the scenes' sounds found; None if there were none.
        in_scenes: false alarms over the scenes.
        in_background: false alarms over background alone; None if none was played.
    """

    offset: float
    recall: Interval | None
    in_scenes: FalseAlarms
    in_background: FalseAlarms | None


def threshold_curve(
    pipeline: Pipeline, scenes: Sequence[HeardScene], backgrounds: Sequence[HeardBackground]
) -> dict[str, tuple[CurvePoint, ...]]:
    """For each label listened for and `POOLED`, a point for each of `OFFSETS`."""
    curves: dict[str, list[CurvePoint]] = {name: [] for name in (POOLED, *pipeline.rules)}
    for offset in progress(OFFSETS, desc="other thresholds", unit=" thresholds"):
        told = [replay(pipeline, scene.heard, offset) for scene in scenes]
        outcomes = judge_scenes(scenes, told, tuple(pipeline.rules), pipeline.settings.window_s)
        hours = sum(one.heard.hours for one in backgrounds)
        alarms = alarms_by_label([replay(pipeline, one.heard, offset) for one in backgrounds])
        for name, points in curves.items():
            points.append(_point(offset, name, outcomes, alarms, hours))
    return {name: tuple(points) for name, points in curves.items()}


def alarms_by_label(told: Sequence[Sequence[Emitted]]) -> Counter[str]:
    """Events of each label in streams that hold none of them."""
    return Counter(one.event.label for events in told for one in events if one.event.kind == "onset")


def _point(
    offset: float, name: str, outcomes: Outcomes, alarms: Mapping[str, int], hours: float
) -> CurvePoint:
    own = outcomes.of(None if name == POOLED else name)
    n_alarms = sum(alarms.values()) if name == POOLED else alarms.get(name, 0)
    return CurvePoint(
        offset,
        recall_of(own.sounds),
        alarms_in_scenes(outcomes, None)
        if name == POOLED
        else false_alarms(sum(event.outcome == "false alarm" for event in own.events), outcomes.hours),
        false_alarms(n_alarms, hours) if hours else None,
    )
