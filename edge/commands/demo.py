"""`edge-listen demo`: a made-up scene through the real pipeline, what is heard beside what is playing."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import TextIO

from edge.config import ListenConfig
from edge.daemon import listen, stopped_by_signals
from edge.events import EventRecord, EventStamper, Record
from edge.pipeline import prepare
from edge.scene import DEMO_SOUNDS, SceneSound, demo_scene
from edge.sinks.text import standard_output, write_line
from edge.times import stream_clock
from edge.types import AudioBlock, AudioSource, Samples

_BLOCK_S = 0.1
_WHAT_WIDTH = 40


class SceneSource:
    """Plays a scene as a source that is not live.

    Args:
        samples: (n_samples,) float32, the scene at `sample_rate_hz`.
        sample_rate_hz: the encoder's.
        fast: don't wait for the sound to play.
        progress: called with the position in seconds before each block.
    """

    name = "the demo scene"
    dropped_samples = 0

    def __init__(
        self, samples: Samples, sample_rate_hz: int, *, fast: bool, progress: Callable[[float], None]
    ) -> None:
        self._samples = samples
        self._sample_rate_hz = sample_rate_hz
        self._fast = fast
        self._progress = progress
        self._stopped = threading.Event()

    def __enter__(self) -> AudioSource:
        """Nothing to open."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Nothing to close."""

    def stop(self) -> None:
        """End `blocks()` at once."""
        self._stopped.set()

    def blocks(self) -> Iterator[AudioBlock]:
        """The scene, a tenth of a second at a time; each block comes when it has been played."""
        length = round(_BLOCK_S * self._sample_rate_hz)
        began_s = time.monotonic()
        for start in range(0, len(self._samples), length):
            block = AudioBlock(self._samples[start : start + length], start)
            self._progress(start / self._sample_rate_hz)
            due_s = began_s + (start + len(block.samples)) / self._sample_rate_hz
            if self._stopped.wait(0.0 if self._fast else max(0.0, due_s - time.monotonic())):
                return
            yield block


class SceneLog:
    """Prints what plays on the left and what is heard on the right, and counts. A sink.

    Args:
        stream: where to.
        sounds: of the scene; those without a label must not be heard as anything.
        slack_s: how far beside its sound an event may be told to begin.
    """

    def __init__(self, stream: TextIO, sounds: Sequence[SceneSound], slack_s: float) -> None:
        self._slack_s = slack_s
        self._stream = stream
        self._to_come = sorted(sounds, key=lambda sound: sound.onset_s)
        self._sounds = sounds
        self._heard: set[int] = set()
        self._n_false = 0
        self._write("time", "playing", "heard")

    def progress(self, position_s: float) -> None:
        """Show the sounds that have begun to play."""
        while self._to_come and self._to_come[0].onset_s <= position_s:
            sound = self._to_come.pop(0)
            self._write(stream_clock(sound.onset_s), sound.what, "")

    def emit(self, record: Record) -> None:
        """Show an event, and whether it is of a sound of the scene."""
        if not isinstance(record, EventRecord):
            return
        if record.duration_s is not None:
            self._write(
                stream_clock(record.stream_s), "", f"{record.label} ended after {record.duration_s:.1f} s"
            )
            return
        causes = [
            number
            for number, sound in enumerate(self._sounds)
            if sound.label == record.label and self._is_at(record.stream_s, sound)
        ]
        self._heard.update(causes)
        self._n_false += not causes
        remark = "" if causes else "  (false alarm)"
        self._write(stream_clock(record.stream_s), "", f"{record.label} {record.score:.2f}{remark}")

    def _is_at(self, stream_s: float, sound: SceneSound) -> bool:
        end_s = sound.onset_s + sound.duration_s
        return sound.onset_s - self._slack_s <= stream_s <= end_s + self._slack_s

    def close(self) -> None:
        """Nothing is held back."""

    def summarise(self) -> None:
        """Print the count."""
        n_labelled = sum(sound.label is not None for sound in self._sounds)
        plural = "" if self._n_false == 1 else "s"
        write_line(
            self._stream,
            f"heard {len(self._heard)} of {n_labelled} sounds; {self._n_false} false alarm{plural}",
        )

    def _write(self, when: str, playing: str, heard: str) -> None:
        write_line(self._stream, f"{when:<10}  {playing:<{_WHAT_WIDTH}}  {heard}".rstrip())


def run(args: argparse.Namespace) -> int:
    """Play the scene and print what is heard; returns the exit code. Raises: SoundError."""
    bundle = getattr(args, "bundle", None)
    labels = dict.fromkeys(sound.label for sound in DEMO_SOUNDS if sound.label is not None)
    pipeline = prepare(
        ListenConfig(labels=tuple(labels), bundle=bundle, provider=getattr(args, "provider", "auto"))
    )
    samples, sounds = demo_scene(pipeline.sample_rate_hz)
    settings = pipeline.settings
    # A beginning is told a hop before the middle of a window that may hold little of the sound.
    log = SceneLog(standard_output(), sounds, settings.window_s / 2.0 + settings.hop_s)
    source = SceneSource(samples, pipeline.sample_rate_hz, fast=args.fast, progress=log.progress)
    with closing(log), stopped_by_signals(source), source:
        stamper = EventStamper(lambda: source.name, pipeline.sample_rate_hz, pipeline.bundle.sha256)
        listen(source, pipeline.recognizer(), log.emit, stamper)
    log.summarise()
    return 0
