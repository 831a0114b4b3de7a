"""What one hop of the stream costs on one thread, stage by stage, and beside YAMNet Lite in the same run.

    python benchmarks/hop_cost.py [--bundle DIR] [--yamnet yamnet.tflite] [--rounds 500]

A round is one hop of 48 kHz sound through the resampler and the recognizer as in the program ("all of it"),
the same hop through each stage on its own, and one frame of YAMNet. So all of them meet the same noise of the
machine, and each the others' caches, as in a program that wakes twice a second. The sound is noise, loud
enough that every window is scored. YAMNet's cost is its graph alone (which takes 16 kHz sound), by
ai-edge-litert, one thread.
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before numpy is imported, as edge.cli does

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edge.config import ListenConfig
from edge.encoder import load_encoder
from edge.frontend import StreamingLogMel
from edge.pipeline import Pipeline, prepare
from edge.recognizer import LEVEL_STRETCH_S, WindowReport
from edge.resampling import StreamingResampler
from edge.scoring import rivals_of, scores
from edge.signal_check import check
from edge.trigger import Trigger
from edge.types import AudioBlock, Samples, Scores, Window
from edge.windowing import Windower

MICROPHONE_RATE_HZ = 48000
YAMNET_RATE_HZ = 16000
YAMNET_FRAME = 15600
YAMNET_HOP_S = 0.48
WARM_UP_ROUNDS = 20
LABELS = ("dog bark", "siren")

Result = TypeVar("Result")


class Stopwatch:
    """Times by name, in seconds."""

    def __init__(self) -> None:
        self.taken_s: dict[str, list[float]] = {}

    def time(self, name: str, call: Callable[[], Result]) -> Result:
        """Call it, and note how long it took."""
        began_s = time.perf_counter()
        result = call()
        self.taken_s.setdefault(name, []).append(time.perf_counter() - began_s)
        return result


class WholeProgram:
    """Resampler and recognizer joined as in the program."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.reports: list[WindowReport] = []
        self._resampler = StreamingResampler(MICROPHONE_RATE_HZ, pipeline.sample_rate_hz)
        self._recognizer = pipeline.recognizer(self.reports.append)
        self._position = 0

    def hop(self, sound: Samples) -> None:
        """Take a hop of the microphone's sound."""
        samples = self._resampler.push(sound)
        self._recognizer.push(AudioBlock(samples, self._position))
        self._position += len(samples)


class Stages:
    """The same work, a stage at a time."""

    def __init__(self, pipeline: Pipeline) -> None:
        settings = pipeline.settings
        rate, hop = pipeline.sample_rate_hz, settings.window_hop
        self._pipeline = pipeline
        self._resampler = StreamingResampler(MICROPHONE_RATE_HZ, rate)
        self._windower = Windower(settings.window_length, hop)
        self._level_stretch = round(LEVEL_STRETCH_S * rate)
        self._log_mel = StreamingLogMel(
            settings.log_mel, settings.window_length, settings.clip_length, hop, settings.padding
        )
        self._listened = [
            (
                Trigger(name, rule, hop, rate, iter(range(10**9))),
                pipeline.prototypes.names.index(name),
                rivals_of(pipeline.prototypes, pipeline.prototypes.names.index(name), rule.rivals),
            )
            for name, rule in pipeline.rules.items()
        ]
        self._position = 0

    def hop(self, sound: Samples, watch: Stopwatch) -> None:
        """Take a hop of the microphone's sound."""
        samples = watch.time("resample to the encoder's rate", lambda: self._resampler.push(sound))
        block = AudioBlock(samples, self._position)
        self._position += len(samples)
        for window in watch.time("cut windows", lambda: self._windower.push(block)):
            self._window(window, watch)

    def _window(self, window: Window, watch: Stopwatch) -> None:
        pipeline = self._pipeline
        watch.time("signal check", lambda: check(window.samples, self._level_stretch))
        log_mel = watch.time("log-mel of the new frames", lambda: self._log_mel(window))
        embedding = watch.time("encoder", lambda: pipeline.encoder.encode(log_mel))
        found = watch.time("score all labels", lambda: scores(embedding, pipeline.prototypes))
        watch.time("triggers", lambda: self._step(window, found))

    def _step(self, window: Window, found: Scores) -> None:
        for trigger, index, rivals in self._listened:
            best_rival = float(np.max(found[rivals], initial=-np.inf))
            trigger.step(window.start_sample, window.end_sample, float(found[index]), best_rival)


def yamnet_frame(path: Path) -> Callable[[Samples], None]:
    """YAMNet Lite, one thread: takes a frame of (15600,) float32 at 16 kHz."""
    from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - only where a comparison is asked for

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter: Any = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(frame: Samples) -> None:
        interpreter.set_tensor(into, frame)
        interpreter.invoke()
        interpreter.get_tensor(out)

    return run


def measure(
    load: Callable[[], Pipeline], yamnet: Callable[[Samples], None] | None, n_rounds: int
) -> Stopwatch:
    """Run the rounds. Raises: RuntimeError if a hop was not scored, and so measured too little."""
    pipeline = load()
    # An encoder may keep what it made of the windows before: each of the two has its own.
    whole, stages = WholeProgram(pipeline), Stages(load())
    rng = np.random.default_rng(1)
    hop_length = round(pipeline.settings.hop_s * MICROPHONE_RATE_HZ)
    warm_up = WARM_UP_ROUNDS + round(pipeline.settings.window_s / pipeline.settings.hop_s)
    watch, unused = Stopwatch(), Stopwatch()
    n_before = 0
    for number in range(warm_up + n_rounds):
        if number == warm_up:
            n_before = len(whole.reports)
        now = watch if number >= warm_up else unused
        sound = (0.1 * rng.standard_normal(hop_length)).astype(np.float32)
        frame = (0.1 * rng.standard_normal(YAMNET_FRAME)).astype(np.float32)
        now.time("all of it", lambda sound=sound: whole.hop(sound))  # type: ignore[misc]
        stages.hop(sound, now)
        if yamnet is not None:
            now.time("yamnet", lambda frame=frame: yamnet(frame))  # type: ignore[misc]
    scored = sum(report.state == "scored" for report in whole.reports[n_before:])
    # The resampler's output comes in pieces that may move a window into the neighbouring hop.
    if abs(scored - n_rounds) > 1:
        raise RuntimeError(f"{scored} windows were scored in {n_rounds} hops: expected one each")
    return watch


def compare_encoders(pipeline: Pipeline, n_rounds: int) -> None:
    """Print what the trunk's state saves: a hop's frames against a whole window, by turns."""
    settings = pipeline.settings
    hop_frames = settings.window_hop // settings.log_mel.hop_length
    n_frames = settings.log_mel.n_frames(settings.clip_length)
    # A hop of one sample is no whole number of frames, so this one computes every window whole.
    whole = load_encoder(pipeline.bundle, pipeline.entry, 1, "cpu")
    stream = np.random.default_rng(1).standard_normal(
        (n_frames + n_rounds * hop_frames, settings.log_mel.n_mels)
    )
    watch = Stopwatch()
    for start in range(0, n_rounds * hop_frames, hop_frames):
        log_mel = stream[start : start + n_frames].astype(np.float32)
        watch.time("hop", lambda log_mel=log_mel: pipeline.encoder.encode(log_mel))  # type: ignore[misc]
        watch.time("whole", lambda log_mel=log_mel: whole.encode(log_mel))  # type: ignore[misc]
    hop_ms, whole_ms = (1e3 * float(np.median(watch.taken_s[name])) for name in ("hop", "whole"))
    ratio = whole_ms / hop_ms
    print(f"\nencoder: {hop_ms:.2f} ms for a hop, {whole_ms:.2f} ms for a whole window: {ratio:.1f} x")


def report(watch: Stopwatch, hop_s: float) -> None:
    """Print the table, and the ratios if YAMNet was run."""
    taken_s = dict(watch.taken_s)
    whole_s, yamnet_s = taken_s.pop("all of it"), taken_s.pop("yamnet", None)
    print(f"{'one hop of ' + format(hop_s, 'g') + ' s':<34}{'median ms':>11}{'p95 ms':>9}")
    for name, times_s in [*taken_s.items(), ("all of it", whole_s)]:
        print(f"{name:<34}{1e3 * np.median(times_s):>11.3f}{1e3 * np.percentile(times_s, 95):>9.3f}")
    per_second_ms = 1e3 * float(np.median(whole_s)) / hop_s
    print(f"{'a second of sound':<34}{per_second_ms:>11.3f}")
    if yamnet_s is None:
        return
    frame_ms = 1e3 * float(np.median(yamnet_s))
    print(f"\nYAMNet Lite, one frame of {YAMNET_FRAME / YAMNET_RATE_HZ:g} s: {frame_ms:.3f} ms")
    for what, step_s in (
        ("frames back to back", YAMNET_FRAME / YAMNET_RATE_HZ),
        (f"its own hop of {YAMNET_HOP_S:g} s", YAMNET_HOP_S),
    ):
        peer_ms = frame_ms / step_s
        ratio = per_second_ms / peer_ms
        print(f"  {what:<24} {peer_ms:7.3f} ms a second of sound; edge-listen costs {ratio:.2f} x")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line as a namespace."""
    parser = argparse.ArgumentParser(description="What one hop of the stream costs, on one thread.")
    parser.add_argument("--bundle", type=Path, help="bundle to run (default: the built-in one)")
    parser.add_argument("--yamnet", type=Path, metavar="FILE", help="yamnet.tflite, to compare with")
    parser.add_argument("--rounds", type=int, default=500, help="hops to measure (default: %(default)s)")
    return parser.parse_args(arguments)


def main() -> None:
    """Entry point."""
    options = parse_args()
    config = ListenConfig(labels=LABELS, bundle=options.bundle, provider="cpu")
    pipeline = prepare(config)
    print(pipeline.description)
    yamnet = None if options.yamnet is None else yamnet_frame(options.yamnet)
    report(measure(lambda: prepare(config), yamnet, options.rounds), pipeline.settings.hop_s)
    compare_encoders(pipeline, options.rounds)


if __name__ == "__main__":
    main()
