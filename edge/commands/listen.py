"""`edge-listen --labels …`: the main job."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from contextlib import closing
from typing import TextIO

from edge.config import ListenConfig
from edge.daemon import listen, stopped_by_signals
from edge.errors import AudioSourceError, ConfigError
from edge.events import Sink
from edge.health import FaultMonitor
from edge.live_view import LiveView
from edge.options import listen_config
from edge.pipeline import Pipeline, prepare
from edge.recognizer import WindowReport
from edge.sinks.console import ConsoleSink
from edge.sinks.json_lines import JsonLinesSink
from edge.sinks.text import standard_output
from edge.sources.audio_file import AudioFileSource
from edge.sources.microphone import MicrophoneSource
from edge.sources.pcm_pipe import PcmPipeSource, parse_pcm_format
from edge.types import AudioSource

logger = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Listen until the sound ends or a signal comes; returns the exit code. Raises: SoundError."""
    config = listen_config(args)
    args.debug = config.debug  # the file may ask for it, and whoever reports an error looks here
    if config.verbose:
        logging.getLogger("edge").setLevel(logging.DEBUG)
    if not config.labels:
        raise ConfigError(
            'say what to listen for, such as: edge-listen --labels "dog bark,siren" '
            "(`edge-listen labels` lists all; --help tells the rest)"
        )
    pipeline = prepare(config)
    source = open_source(config, pipeline.sample_rate_hz)
    stdout = standard_output()
    view = _live_view(config, pipeline, stdout)
    sink: Sink
    if config.json:
        sink = JsonLinesSink(stdout, view.clear if view else None)
    else:
        sink = ConsoleSink(stdout, pipeline.label_width, view.clear if view else None)
    with closing(sink), stopped_by_signals(source), source:
        recognizer = pipeline.recognizer(_observers(source, pipeline, view))
        logger.info(
            "listening to %s for %s (%s)", source.name, ", ".join(pipeline.rules), pipeline.description
        )
        listen(
            source,
            recognizer,
            [sink],
            sample_rate_hz=pipeline.sample_rate_hz,
            bundle_sha256=pipeline.bundle.sha256,
        )
    return 0


def open_source(config: ListenConfig, sample_rate_hz: int) -> AudioSource:
    """The source that the settings name, not opened yet. Raises: ConfigError, AudioSourceError."""
    if config.input_command is not None:
        return PcmPipeSource(config.input_command, parse_pcm_format(config.pcm or ""), sample_rate_hz)
    if config.input == "-":
        # Python's type stubs leave out that it is None where the descriptor was closed at the start.
        stdin: TextIO | None = sys.stdin
        if stdin is None:
            raise AudioSourceError("standard input is closed, so no sound can come from it: pipe some in")
        return PcmPipeSource(stdin.buffer, parse_pcm_format(config.pcm or ""), sample_rate_hz)
    if config.input is not None:
        return AudioFileSource(config.input, sample_rate_hz)
    return MicrophoneSource(config.device, sample_rate_hz)


def _live_view(config: ListenConfig, pipeline: Pipeline, stdout: TextIO) -> LiveView | None:
    # Python's type stubs leave out that it is None where the descriptor was closed at the start.
    stream: TextIO | None = sys.stderr if config.json else stdout
    if not config.top or stream is None:
        return None
    view = LiveView(
        stream,
        pipeline.prototypes.names,
        pipeline.thresholds,
        config.top,
        pipeline.sample_rate_hz,
    )

    def clear_view(_record: logging.LogRecord) -> bool:
        view.clear()
        return True

    for handler in logging.getLogger("edge").handlers:
        handler.addFilter(clear_view)
    return view


def _observers(
    source: AudioSource, pipeline: Pipeline, view: LiveView | None
) -> Callable[[WindowReport], None]:
    faults = FaultMonitor(pipeline.sample_rate_hz, of_file=isinstance(source, AudioFileSource))

    def observe(report: WindowReport) -> None:
        faults(report)
        if view is not None:
            view(report)

    return observe
