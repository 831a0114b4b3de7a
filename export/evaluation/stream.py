"""What a bundle is like to live with: clips and background through the pipeline as on the device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.pipeline import Pipeline
from edge.types import AudioBlock, Samples
from export.evaluation.intervals import Interval, rate_interval, share_interval
from export.starter.data import Clip, read_mono
from export.starter.material import BACKGROUND_CLIP_S, background_clips

BLOCK_LENGTH = 1600


@dataclass(frozen=True)
class Recall:
    """Clips of a label in which its event began."""

    label: str
    n_found: int
    n_clips: int

    @property
    def share(self) -> Interval:
        """Share found, with an exact interval."""
        return share_interval(self.n_found, self.n_clips)


@dataclass(frozen=True)
class FalseAlarms:
    """Events over sound that holds none of the labels.

    Attributes:
        material: what was played.
        hours: how long.
        by_label: events of each label listened for.
    """

    material: str
    hours: float
    by_label: Counter[str]

    @property
    def per_hour(self) -> Interval:
        """Events of all labels together an hour, with an exact interval."""
        return rate_interval(self.by_label.total(), self.hours)


def events_of(pipeline: Pipeline, samples: Samples) -> list[str]:
    """Labels of the events that begin in a stream, in order."""
    recognizer = pipeline.recognizer()
    events = []
    for start in range(0, len(samples), BLOCK_LENGTH):
        events += recognizer.push(AudioBlock(samples[start : start + BLOCK_LENGTH], start))
    return [event.label for event in [*events, *recognizer.flush()] if event.kind == "onset"]


def judge_clips(pipeline: Pipeline, clips: Sequence[Clip]) -> tuple[list[Recall], FalseAlarms]:
    """Each clip as a stream of its own. Events in clips of none of the labels are false alarms."""
    names = {
        dataset_name: label.name
        for label in pipeline.bundle.manifest.labels
        for dataset_name in label.dataset_names
    }
    found: Counter[str] = Counter()
    false: Counter[str] = Counter()
    duration_s = 0.0
    for clip in tqdm(clips, desc="clips", unit="clip"):
        samples = read_mono(clip.path, pipeline.sample_rate_hz)
        own = names.get(clip.category)
        events = events_of(pipeline, samples)
        found[own or ""] += own in events
        if own not in pipeline.rules:
            false.update(events)
            duration_s += len(samples) / pipeline.sample_rate_hz
    recalls = [
        Recall(label, found[label], sum(names.get(clip.category) == label for clip in clips))
        for label in pipeline.rules
    ]
    return recalls, FalseAlarms("clips of the other sounds", duration_s / 3600.0, false)


def judge_background(
    pipeline: Pipeline, directory: Path, minutes: dict[str, float], seed: int
) -> list[FalseAlarms]:
    """Generated background of voices and instruments that training never heard, a stream for each kind."""
    kinds = background_clips(directory, minutes, seed, heldout=True)
    return [
        FalseAlarms(
            kind,
            len(clips) * BACKGROUND_CLIP_S / 3600.0,
            Counter(events_of(pipeline, _as_stream(clips, kind))),
        )
        for kind, clips in kinds.items()
    ]


def _as_stream(clips: NDArray[np.int16], kind: str) -> Samples:
    rows: Iterable[NDArray[np.int16]] = tqdm(clips, desc=kind, unit="clip", leave=False)
    return np.concatenate([row.astype(np.float32) / 32768.0 for row in rows])
