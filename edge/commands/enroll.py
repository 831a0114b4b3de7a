"""`edge-listen enroll NAME clips…`: a person's own sound becomes a label."""

from __future__ import annotations

import argparse
import json
import time
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.commands.listen import open_source
from edge.config import ListenConfig
from edge.control_client import NotRunningError, ask
from edge.daemon import stopped_by_signals
from edge.enrolment.takes import TakeRecorder
from edge.errors import AudioSourceError, ConfigError
from edge.labels import quoted
from edge.options import asked_rates, flags_given, listen_config
from edge.own_state.commands import ask_or_do, warn_of_unused
from edge.own_state.live import TAKE_TIMEOUT_S
from edge.own_state.plain_clip import plain_clip
from edge.pipeline import prepare
from edge.sinks.text import standard_output, write_line
from edge.sources.audio_file import AudioFileSource

LONGEST_CLIP_S = 60.0
LONGEST_TOGETHER_S = 120.0
"""What a request has room for."""
LEAST_TAKES = 2
_ANSWER_S = 10.0


def run(args: argparse.Namespace) -> int:
    """Enrol it and say what came of it; returns the exit code.

    Raises: SoundError; then nothing has changed.
    """
    config = listen_config(args, without=("false_alarms",))
    if bool(args.clips) == bool(args.record):
        raise ConfigError("give the sound as audio files, or --record 3 to record it three times")
    if args.record and args.record < LEAST_TAKES:
        raise ConfigError(
            f"--record takes how often the sound is to be recorded: {LEAST_TAKES} or more, such as 3"
        )
    ask_or_do("check-sound", {"name": args.name, "replace": args.replace}, config)
    clips = _read_all(args.clips) if args.clips else _record(args, config)
    arguments: dict[str, object] = {
        "name": args.name,
        "clips": clips,
        "per_h": asked_rates(args)[0],
        "replace": args.replace,
        "anyway": args.anyway,
    }
    answer: dict[str, Any] = dict(
        ask_or_do("enroll", arguments, config, flags_given(args, "bundle", "config"))
    )
    stdout = standard_output()
    if args.json:
        write_line(stdout, json.dumps(answer))
        return 0
    for line in _lines(answer):
        write_line(stdout, line)
    return 0


def _lines(answer: dict[str, Any]) -> list[str]:
    name, n_clips = answer["name"], len(answer["clips"])
    found = f"each clip left out in turn: {answer['n_found']} of {n_clips} found"
    lines = [f"{quoted(name)} is enrolled from {n_clips} clips: threshold {answer['threshold']:.2f}, {found}"]
    if answer["false_alarms"] is not None:
        per_h, low, high = answer["false_alarms"]
        lines.append(f"false alarms expected: {per_h:.1f} an hour ({low:.1f} to {high:.1f})")
    lines += [
        f"closest: {near['name']} {near['cosine']:.2f}; expect confusions" for near in answer["conflicts"]
    ]
    if abs(answer["in_force"] - answer["threshold"]) > 0.0005:
        lines.append(f"the configuration sets its threshold otherwise: {answer['in_force']:.2f} is in force")
    lines += [f"kept although it is odd: {odd}" for odd in answer["odd"]]
    lines += answer["notes"]
    lines += [
        f"with it, {cost['label']} is found in {cost['after']} of the {cost['before']} recordings of before"
        for cost in answer["costs"]
    ]
    return [*lines, f"listen for it with: edge-listen --labels {quoted(name)}"]


def _read_all(paths: Sequence[Path]) -> list[dict[str, object]]:
    clips, together_s = [], 0.0
    for path in paths:
        clip, clip_s = _read(path)
        clips.append(clip)
        together_s += clip_s
        if together_s > LONGEST_TOGETHER_S:
            raise ConfigError(
                f"the clips are longer than {LONGEST_TOGETHER_S:g} s together: cut out the sound, or give "
                "fewer"
            )
    return clips


def _read(path: Path) -> tuple[dict[str, object], float]:
    """A file as a request holds it, and its seconds. Raises: AudioSourceError, ConfigError."""
    # At a rate that all encoders can be reached from without loss of what they hear.
    rate_hz = 48000
    with AudioFileSource(path, rate_hz) as source:
        blocks, n = [], 0
        for block in source.blocks():
            blocks.append(block.samples)
            n += len(block.samples)
            if n > LONGEST_CLIP_S * rate_hz:
                raise ConfigError(
                    f"{path} is longer than {LONGEST_CLIP_S:g} s: cut out the sound that is to be enrolled"
                )
    samples = np.concatenate([np.zeros(0, np.float32), *blocks])
    if not np.isfinite(samples).all():
        raise ConfigError(f"{path} holds values that are not numbers: record it anew")
    return plain_clip(path.name, samples, rate_hz), len(samples) / rate_hz


def _record(args: argparse.Namespace, config: ListenConfig) -> list[dict[str, object]]:
    """Takes from the microphone, by the edge-listen that runs if there is one. Raises: SoundError."""
    n_takes: int = args.record
    try:
        ask("status")
    except NotRunningError:
        return _record_here(n_takes, config)
    warn_of_unused(flags_given(args, "device", "input", "pcm", "input_command"))
    takes = []
    for number in range(1, n_takes + 1):
        _prompt(number, n_takes)
        take = ask("record", timeout_s=TAKE_TIMEOUT_S + _ANSWER_S)
        takes.append({**take, "name": f"take {number}"})
        _tell_of_take(len(b64decode(str(take["pcm"]))) / 2.0 / float(str(take["rate_hz"])))
    return takes


def _record_here(n_takes: int, config: ListenConfig) -> list[dict[str, object]]:
    pipeline = prepare(replace(config, labels=(), label_rules={}), needs_labels=False)
    takes: list[dict[str, object]] = []
    recorder = TakeRecorder(pipeline.sample_rate_hz)
    source = open_source(config, pipeline.sample_rate_hz)
    began_s = time.monotonic()
    with stopped_by_signals(source), source:
        _prompt(1, n_takes)
        for block in source.blocks():
            take = None if block is None else recorder.push(block.samples)
            if take is not None:
                takes.append(plain_clip(f"take {len(takes) + 1}", take, pipeline.sample_rate_hz))
                _tell_of_take(len(take) / pipeline.sample_rate_hz)
                began_s = time.monotonic()
                if len(takes) == n_takes:
                    return takes
                _prompt(len(takes) + 1, n_takes)
            if time.monotonic() - began_s > TAKE_TIMEOUT_S:
                raise AudioSourceError(
                    f"no sound stood out for {TAKE_TIMEOUT_S:g} s: make it nearer or louder; nothing was "
                    "enrolled"
                )
    raise AudioSourceError(f"the sound ended after {len(takes)} of {n_takes} takes: nothing was enrolled")


def _prompt(number: int, n_takes: int) -> None:
    with suppress(OSError):
        write_line(standard_output(), f"make the sound now ({number} of {n_takes}), then a second of quiet")


def _tell_of_take(duration_s: float) -> None:
    with suppress(OSError):
        write_line(standard_output(), f"recorded {duration_s:.1f} s")
