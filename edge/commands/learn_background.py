"""`edge-listen learn-background`: what the place sounds like becomes a rival of all labels."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from edge.commands.listen import open_source
from edge.config import ListenConfig
from edge.control_client import NotRunningError, ask
from edge.daemon import stopped_by_signals
from edge.errors import AudioSourceError, SoundError
from edge.options import flags_given, listen_config
from edge.own_state.commands import ask_or_do, do, warn_of_unused
from edge.own_state.live import site_listener
from edge.own_state.place import StatePlace
from edge.pipeline import Pipeline, prepare
from edge.requests import Answer
from edge.sinks.text import standard_output, write_line

POLL_S = 2.0
SOURCE_FLAGS = ("device", "input", "pcm", "input_command")


def run(args: argparse.Namespace) -> int:
    """Learn it and say what it brings; returns the exit code.

    Raises: SoundError; then nothing has changed.
    """
    config = listen_config(args)
    if args.forget:
        _print(ask_or_do("forget-site", {}, config, flags_given(args, "bundle", "config")))
        return 0
    if args.cancel:
        ask("learn-cancel")
        _print({"lines": ["no longer learning; nothing has changed"]})
        return 0
    wanted_s = args.minutes * 60.0
    arguments: dict[str, object] = {"seconds": wanted_s, "max_cost": args.max_cost / 100.0}
    try:
        state = ask("learn-background", arguments)
    except NotRunningError:
        _print(_learn_here(config, wanted_s, args.max_cost / 100.0))
        return 0
    warn_of_unused(flags_given(args, "bundle", "config", "labels", "threshold", *SOURCE_FLAGS))
    print(
        f"the edge-listen that runs learns for {args.minutes:g} minutes and goes on after Ctrl-C; "
        "--cancel stops it",
        file=sys.stderr,
    )
    while state["state"] == "learning":
        _show(float(str(state["heard_s"])), wanted_s)
        time.sleep(POLL_S)
        state = ask("learning")
    if state["state"] != "done":
        raise SoundError("the learning was cancelled: nothing has changed")
    _print(state)
    return 0


def _learn_here(config: ListenConfig, wanted_s: float, max_cost: float) -> Answer:
    pipeline = _with_labels(config)
    listener = site_listener(pipeline, wanted_s)
    recognizer = pipeline.recognizer(listener.saw)
    source = open_source(config, pipeline.sample_rate_hz)
    stoppable = _Stoppable(source.stop)
    with stopped_by_signals(stoppable), source:
        for block in source.blocks():
            if block is not None:
                recognizer.push(block)
            _show(listener.heard_s, wanted_s)
            if listener.is_done:
                break
    if stoppable.was_stopped:
        raise AudioSourceError("stopped before enough was heard: nothing has changed")
    place = StatePlace(pipeline, replace(config, labels=tuple(pipeline.rules), comma_lists=False))
    return do("learn-site", {"heard": listener.heard(), "max_cost": max_cost}, place)


class _Stoppable:
    """Remembers that it was stopped."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.was_stopped = False

    def stop(self) -> None:
        """Stop it."""
        self.was_stopped = True
        self._stop()


def _with_labels(config: ListenConfig) -> Pipeline:
    """With the labels named, else with all of the bundle and the own sounds: none may become deaf."""
    if config.labels:
        return prepare(config)
    bare = prepare(config, needs_labels=False)
    labels = tuple(entry.name for entry in bare.known_labels if entry.kind == "label")
    return bare.listening_for(replace(config, labels=labels, comma_lists=False))


_shown: list[str] = []


def _show(heard_s: float, wanted_s: float) -> None:
    text = f"heard {heard_s / 60.0:.1f} of {wanted_s / 60.0:g} minutes"
    if sys.stderr.isatty() and _shown != [text]:
        _shown[:] = [text]
        with suppress(OSError):
            print(f"\r{text}", end="", file=sys.stderr, flush=True)


def _print(answer: Mapping[str, Any]) -> None:
    if _shown:
        print(file=sys.stderr)
    for line in answer["lines"]:
        write_line(standard_output(), line)
