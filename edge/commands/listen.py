"""`edge-listen --labels …`: the main job."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from contextlib import closing
from importlib.metadata import PackageNotFoundError, version
from typing import TextIO

from edge.clip_speech import speech_places
from edge.config import ListenConfig
from edge.daemon import listen, stopped_by_signals
from edge.errors import AudioSourceError, ConfigError
from edge.events import EventStamper, Record, Sink
from edge.file_health import FileHealth
from edge.live_listening import listen_live
from edge.live_view import LiveView
from edge.memory import keep_memory_flat
from edge.observers import Observers
from edge.options import listen_config
from edge.outbox import Outbox
from edge.output_makers import Surroundings
from edge.output_settings import RECORD_KINDS
from edge.outputs import Outputs
from edge.pipeline import Pipeline, overlay_store, prepare
from edge.recognizer import WindowReport
from edge.reload import Reloader
from edge.requests import RequestQueue
from edge.sinks.console import ConsoleSink
from edge.sinks.json_lines import JsonLinesSink
from edge.sinks.text import standard_output
from edge.sources.audio_file import AudioFileSource
from edge.sources.pcm_pipe import PcmPipeSource, parse_pcm_format
from edge.sources.returning import ReturningMicrophone
from edge.state import state_directory
from edge.types import AudioBlock, SoundEvent

logger = logging.getLogger(__name__)

STDOUT_QUEUE = 1000


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
    keep_memory_flat()
    pipeline = prepare(config)
    source = open_source(config, pipeline.sample_rate_hz)
    if config.embedding_log is not None and config.input is not None:
        raise ConfigError(
            "the embedding log needs the time of day, which a file and standard input lack: listen to a "
            "microphone or an input command"
        )
    requests = RequestQueue()
    outputs = Outputs(config, _surroundings(pipeline, requests, waits=isinstance(source, AudioFileSource)))
    with closing(outputs):
        stdout = standard_output()
        view = _live_view(config, pipeline, stdout)
        sink = _stdout_sink(config, pipeline, stdout, view, outputs)
        logger.info(
            "listening to %s for %s (%s)", source.name, ", ".join(pipeline.rules), pipeline.description
        )
        if pipeline.overlay.is_empty and overlay_store().elsewhere(pipeline.encoder_sha256):
            logger.info("what was enrolled, learned and calibrated with another encoder is not used")
        for sentence in pipeline.all_sentences:
            logger.info("%s", sentence)
        with closing(sink), stopped_by_signals(source):
            if isinstance(source, AudioFileSource):
                _listen_to_file(source, config, pipeline, view, sink, outputs)
            else:
                reader = (lambda: listen_config(args)) if getattr(args, "config", None) else None
                reloader = Reloader(config, pipeline, outputs, reader)
                listen_live(source, config, pipeline, view, sink, outputs, reloader, requests)
    return 0


def open_source(
    config: ListenConfig, sample_rate_hz: int
) -> PcmPipeSource | AudioFileSource | ReturningMicrophone:
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
    return ReturningMicrophone(config.device, sample_rate_hz)


class _ForOutputs:
    """What a file needs of a caretaker: its sound, for clips."""

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs

    def took(self, block: AudioBlock) -> None:
        """Take a block that is about to be heard."""
        self._outputs.took(block)

    def tend(self) -> list[SoundEvent]:
        """Nothing is due: a file is over soon."""
        return []


def _listen_to_file(
    source: AudioFileSource,
    config: ListenConfig,
    pipeline: Pipeline,
    view: LiveView | None,
    stdout: Sink,
    outputs: Outputs,
) -> None:
    health = FileHealth(pipeline.sample_rate_hz)
    stamper = EventStamper(lambda: source.name, pipeline.sample_rate_hz, pipeline.bundle.sha256)
    observers = Observers(config, pipeline, view, lambda: source.name, stamper)

    def observe(report: WindowReport) -> None:
        health.saw(report)
        outputs.saw(report)
        observers(report)

    def send(record: Record) -> None:
        outputs.emit(record)
        stdout.emit(record)

    with closing(observers), source:
        listen(source, pipeline.recognizer(observe), send, stamper, _ForOutputs(outputs))


def _surroundings(pipeline: Pipeline, requests: RequestQueue, *, waits: bool) -> Surroundings:
    def set_labels(labels: tuple[str, ...]) -> None:
        requests.put("labels", {"labels": labels})

    # The bundle's own: a reload changes the labels made besides, which come behind.
    prototypes = pipeline.bundle.prototypes(pipeline.entry)
    return Surroundings(
        version=_version(),
        sample_rate_hz=pipeline.sample_rate_hz,
        state_directory=state_directory(),
        speech_places=speech_places(prototypes.names, prototypes.background),
        waits=waits,
        labels=tuple(pipeline.rules),
        set_labels=set_labels,
    )


def _stdout_sink(
    config: ListenConfig, pipeline: Pipeline, stdout: TextIO, view: LiveView | None, outputs: Outputs
) -> Sink:
    before_line: Callable[[], None] | None = view.clear if view else None
    sink: Sink = (
        JsonLinesSink(stdout, before_line)
        if config.json
        else ConsoleSink(stdout, pipeline.label_width, before_line)
    )
    # Alone, it decides: a reader that goes away ends the program. Beside others, it must not be in their way.
    return Outbox("stdout", sink, STDOUT_QUEUE, RECORD_KINDS) if outputs.names and not view else sink


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


def _version() -> str:
    try:
        return version("edge-listen")
    except PackageNotFoundError:
        return "0"
