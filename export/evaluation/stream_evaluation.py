"""A stream evaluation, from clips and settings to findings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ConfigError
from edge.pipeline import Pipeline
from export.evaluation.scene_sounds import Sound, arrange
from export.evaluation.scenes import SceneMaker
from export.evaluation.stream import HeardBackground, HeardScene, hear_background, hear_scenes
from export.evaluation.stream_metrics import FalseAlarms, Figures, Part, false_alarms, figures, recall_by_part
from export.evaluation.stream_outcomes import Outcomes, judge_scenes
from export.evaluation.threshold_curve import CurvePoint, alarms_by_label, threshold_curve
from export.starter.background import KINDS
from export.starter.background_store import BACKGROUND_CLIP_S, background_clips

SCENE_BACKGROUND_MINUTES = 10.0
"""Of each kind, to be laid under the scenes."""


@dataclass(frozen=True)
class StreamSettings:
    """How much of everything.

    Attributes:
        snrs_db: each target is played at each of these.
        minutes: of each kind of background alone; 0 for none.
        seed: of everything drawn.
        work: folder where generated background is kept.
    """

    snrs_db: tuple[float, ...]
    minutes: float
    seed: int
    work: Path

    def __post_init__(self) -> None:
        """Raises: ConfigError, naming the setting that is out of range."""
        if not (self.minutes == 0 or BACKGROUND_CLIP_S <= self.minutes * 60.0 < math.inf):
            raise ConfigError(f"--minutes must be 0, or {BACKGROUND_CLIP_S / 60.0:.2g} at least")
        if not all(math.isfinite(snr_db) for snr_db in self.snrs_db):
            raise ConfigError("--snr-db must be ratios in dB such as 0 10 20")
        if self.seed < 0:
            raise ConfigError(f"--seed must be 0 or more, not {self.seed}")

    @property
    def scene_seed(self) -> int:
        """Of the background under the scenes, which must not be what is also played alone."""
        return self.seed + 1


@dataclass(frozen=True)
class Material:
    """Background alone of one kind: its false alarms, and how many of them are of each label."""

    kind: str
    alarms: FalseAlarms
    by_label: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Findings:
    """What an evaluation found.

    Attributes:
        outcomes: what became of each sound and event of the scenes.
        figures: of all labels together, then of each.
        parts: recall by SNR, background and overlap.
        materials: background alone, by kind; empty if none was played.
        curves: for each label that `figures` are of, what other thresholds would bring.
    """

    outcomes: Outcomes
    figures: tuple[Figures, ...]
    parts: tuple[Part, ...]
    materials: tuple[Material, ...]
    curves: Mapping[str, tuple[CurvePoint, ...]]


def make_background(settings: StreamSettings) -> None:
    """Generate what `evaluate` will play, if it isn't in `settings.work` yet.

    Raises: ProgramError if a program that it is made with is missing; OSError.
    """
    for kind in KINDS:
        background_clips(settings.work, {kind: SCENE_BACKGROUND_MINUTES}, settings.scene_seed, "heldout")
        if settings.minutes:
            background_clips(settings.work, {kind: settings.minutes}, settings.seed, "heldout")


def evaluate(
    pipeline: Pipeline, targets: Sequence[Sound], distractors: Sequence[Sound], settings: StreamSettings
) -> Findings:
    """Play scenes and background alone, and judge the events.

    Raises: ProgramError, DatasetError, EncoderError; ConfigError if no clip holds any sound.
    """
    labels = tuple(pipeline.rules)
    scenes = _hear_scenes(pipeline, targets, distractors, settings)
    backgrounds = _hear_backgrounds(pipeline, settings) if settings.minutes else []
    outcomes = judge_scenes(
        scenes, [scene.heard.emitted for scene in scenes], labels, pipeline.settings.window_s
    )
    return Findings(
        outcomes,
        tuple(figures(outcomes, label) for label in (None, *labels)),
        recall_by_part(outcomes.sounds),
        tuple(_material(one) for one in backgrounds),
        threshold_curve(pipeline, scenes, backgrounds),
    )


def _hear_scenes(
    pipeline: Pipeline, targets: Sequence[Sound], distractors: Sequence[Sound], settings: StreamSettings
) -> list[HeardScene]:
    minutes: dict[str, float] = dict.fromkeys(KINDS, SCENE_BACKGROUND_MINUTES)
    under = background_clips(settings.work, minutes, settings.scene_seed, "heldout")
    groups = arrange(targets, distractors, settings.snrs_db, settings.seed)
    window_s = pipeline.settings.window_s
    # A sound fills windows behind it; then an event must be released, and old support forgotten.
    apart_s = window_s + max(rule.release_s + rule.within_s for rule in pipeline.rules.values())
    maker = SceneMaker(under, pipeline.sample_rate_hz, window_s, apart_s, settings.seed)
    heard = hear_scenes(pipeline, maker.scenes(groups), sum(map(len, groups)))
    if not heard:
        raise ConfigError("no clip holds any sound: take other data")
    return heard


def _hear_backgrounds(pipeline: Pipeline, settings: StreamSettings) -> list[HeardBackground]:
    heard = []
    for kind in KINDS:
        # One kind at a time, as each may be an hour of samples.
        clips = background_clips(settings.work, {kind: settings.minutes}, settings.seed, "heldout")
        heard.append(hear_background(pipeline, kind, clips[kind]))
    return heard


def _material(background: HeardBackground) -> Material:
    by_label = alarms_by_label([background.heard.emitted])
    return Material(
        background.kind, false_alarms(by_label.total(), background.heard.hours), dict(by_label.most_common())
    )
