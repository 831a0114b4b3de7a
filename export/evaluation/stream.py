"""The real pipeline over a stream as it would live; and what it would do under other thresholds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.pipeline import Pipeline
from edge.recognizer import WindowReport
from edge.resampling import StreamingResampler
from edge.trigger import TriggerRule
from edge.trigger_bank import TriggerBank
from edge.types import AudioBlock, Samples, SoundEvent
from export.evaluation.scenes import Scene, SceneSound
from export.progress import progress
from export.starter.programs import SAMPLE_RATE_HZ as MADE_AT_HZ

BLOCK_LENGTH = 1600


@dataclass(frozen=True)
class Emitted:
    """An event and when it was told.

    Attributes:
        event: as the core emitted it.
        at_sample: end of the window that brought it, or of the stream if that ended first.
    """

    event: SoundEvent
    at_sample: int


@dataclass(frozen=True, eq=False)
class Heard:
    """What the pipeline made of a stream.

    Attributes:
        n_samples: length of the stream.
        sample_rate_hz: of the stream.
        windows: each window's report.
        emitted: the events, in order.
    """

    n_samples: int
    sample_rate_hz: int
    windows: tuple[WindowReport, ...]
    emitted: tuple[Emitted, ...]

    @property
    def hours(self) -> float:
        """Length of the stream."""
        return self.n_samples / self.sample_rate_hz / 3600.0


@dataclass(frozen=True, eq=False)
class HeardScene:
    """A scene without its samples.

    Attributes:
        background: its kind.
        sounds: what played.
        heard: what the pipeline made of it.
    """

    background: str
    sounds: tuple[SceneSound, ...]
    heard: Heard


@dataclass(frozen=True, eq=False)
class HeardBackground:
    """A stream of background alone, its kind, and what the pipeline made of it."""

    kind: str
    heard: Heard


def hear_scenes(pipeline: Pipeline, scenes: Iterable[Scene], n_sounds: int) -> list[HeardScene]:
    """Each scene as a stream of its own; no more than one is in memory.

    n_sounds: how many will play, for the progress bar.
    Raises: EncoderError; DatasetError if a clip cannot be decoded.
    """
    heard = []
    with progress(total=n_sounds, desc="scenes", unit=" sounds") as bar:
        for scene in scenes:
            heard.append(HeardScene(scene.background, scene.sounds, hear(pipeline, [scene.samples])))
            bar.update(len(scene.sounds))
    return heard


def hear_background(pipeline: Pipeline, kind: str, clips: NDArray[np.int16]) -> HeardBackground:
    """Generated clips one behind the other, as one stream.

    clips: (n_clips, clip_length) int16 at 16 kHz.
    Raises: EncoderError.
    """

    def pieces() -> Iterator[Samples]:
        resampler = StreamingResampler(MADE_AT_HZ, pipeline.sample_rate_hz)
        for clip in progress(clips, desc=f"{kind} alone", unit=" clips"):
            yield resampler.push(clip.astype(np.float32) / np.float32(32768.0))
        yield resampler.flush()

    return HeardBackground(kind, hear(pipeline, pieces()))


def hear(pipeline: Pipeline, pieces: Iterable[Samples]) -> Heard:
    """Push a stream through a recognizer of its own, block by block.

    pieces: (n,) float32 each, at the pipeline's rate, of any length.
    Raises: EncoderError.
    """
    windows: list[WindowReport] = []
    emitted: list[Emitted] = []
    recognizer = pipeline.recognizer(observe=windows.append)
    end = 0

    def tell(events: list[SoundEvent]) -> None:
        emitted.extend(Emitted(event, min(windows[-1].end_sample, end)) for event in events)

    # No longer than a hop, so that a block completes one window at most.
    for block in _blocks(pieces, min(BLOCK_LENGTH, pipeline.settings.window_hop)):
        end = block.start_sample + len(block.samples)
        tell(recognizer.push(block))
    tell(recognizer.flush())
    return Heard(end, pipeline.sample_rate_hz, tuple(windows), tuple(emitted))


def _blocks(pieces: Iterable[Samples], length: int) -> Iterator[AudioBlock]:
    position = 0
    for piece in pieces:
        for start in range(0, len(piece), length):
            block = piece[start : start + length]
            yield AudioBlock(block, position)
            position += len(block)


def replay(pipeline: Pipeline, heard: Heard, threshold_offset: float) -> tuple[Emitted, ...]:
    """The events that the same scores bring under moved thresholds; nothing is embedded anew.

    At offset 0 they are `heard.emitted`.

    threshold_offset: added to every label's on- and off-threshold, which stay within [-1, 1].
    """
    settings = pipeline.settings
    bank = TriggerBank(
        pipeline.prototypes,
        {label: _moved(rule, threshold_offset) for label, rule in pipeline.rules.items()},
        settings.window_hop,
        settings.log_mel.sample_rate_hz,
    )
    emitted: list[Emitted] = []
    at_sample = heard.n_samples
    for window in heard.windows:
        is_all = window.end_sample - window.start_sample < settings.window_length
        events, _ = bank.step(window.start_sample, window.end_sample, window.scores, is_all=is_all)
        at_sample = min(window.end_sample, heard.n_samples)
        emitted += [Emitted(event, at_sample) for event in events]
    return (*emitted, *(Emitted(event, at_sample) for event in bank.close(heard.n_samples)))


def _moved(rule: TriggerRule, offset: float) -> TriggerRule:
    on_threshold = min(1.0, max(-1.0, rule.on_threshold + offset))
    off_threshold = min(on_threshold, max(-1.0, rule.off_threshold + offset))
    return replace(rule, on_threshold=on_threshold, off_threshold=off_threshold)
