"""One output, and how each kind is made from its table of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edge.clips import ClipRecorder
from edge.events import Record, Sink
from edge.health import CONDITIONS
from edge.outbox import Outbox
from edge.output_settings import (
    RECORD_KINDS,
    ClipsSettings,
    CommandSettings,
    EventFileSettings,
    MetricsSettings,
    MqttSettings,
    WebhookSettings,
)
from edge.status import StatusListener

FILE_QUEUE = 1000
HAND_OVER_S = 2.0


@dataclass(frozen=True)
class Surroundings:
    """What outputs need to know of the program.

    Attributes:
        version: of edge-listen.
        sample_rate_hz: of the stream.
        state_directory: where files go that have no place of their own.
        speech_places: where speech stands among the scores.
        waits: whether the source waits for outputs that are slow, as a file does.
        labels: those listened for at the start.
        set_labels: asks for others, from any thread.
    """

    version: str
    sample_rate_hz: int
    state_directory: Path
    speech_places: tuple[int, ...]
    waits: bool
    labels: tuple[str, ...]
    set_labels: Callable[[tuple[str, ...]], None]


@dataclass(frozen=True, eq=False)
class Output:
    """One that runs.

    Attributes:
        settings: that it was made from.
        sink: what takes its records; None for metrics.
        listener: what is told the status, if it wants to be.
        inferred: what is told how long the encoder took, if it wants to be.
        failure: why it could not be made, in one line; None if it was.
        files: secrets and certificates that it read, as they were.
        close: delivers what waits, within a time, and lets go.
    """

    settings: object
    sink: Outbox | ClipRecorder | None
    listener: StatusListener | None
    close: Callable[[], None]
    inferred: Callable[[float], None] | None = None
    failure: str | None = None
    files: tuple[object, ...] = ()


def is_still_right(output: Output, settings: object) -> bool:
    """Whether an output does what the settings, and the secrets that they name, ask for."""
    return output.settings == settings and output.failure is None and output.files == files_of(settings)


def close_for_another(output: Output) -> list[Record]:
    """Returns: what it had not delivered yet."""
    if isinstance(output.sink, Outbox):
        return output.sink.hand_over(HAND_OVER_S)
    output.close()
    return []


def take_over(output: Output, records: list[Record]) -> None:
    """Have it deliver what another left."""
    for record in records:
        if output.sink is not None:
            output.sink.emit(record)


def files_of(settings: Any) -> tuple[object, ...]:
    """What secrets and certificates are like just now: a changed one is another setting."""
    found: list[object] = []
    for each in fields(settings):
        path = getattr(settings, each.name)
        if isinstance(path, Path) and each.name.endswith("_file"):
            try:
                stat = path.stat()
            except OSError as error:
                found.append(error.errno)
            else:
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_mode))
    return tuple(found)


# Each maker imports what it makes: an output that isn't asked for costs neither memory nor time.
def _outbox(name: str, settings: Any, sink: Sink, queue: int, around: Surroundings) -> Outbox:
    return Outbox(name, sink, queue, tuple(settings.events), waits=around.waits)


def _events_file(settings: EventFileSettings, around: Surroundings) -> Output:
    from edge.sinks.event_file import EventFileSink  # noqa: PLC0415

    box = _outbox("events_file", settings, EventFileSink(settings), FILE_QUEUE, around)
    return Output(settings, box, None, box.close)


def _mqtt(settings: MqttSettings, around: Surroundings) -> Output:
    from edge.sinks.mqtt import MqttSink  # noqa: PLC0415

    set_labels = around.set_labels if settings.commands else None
    sink = MqttSink(settings, around.labels, set_labels, around.version)
    # All kinds: it chooses by itself, since its sensors follow onsets and offsets whatever is to be sent.
    box = Outbox("mqtt", sink, settings.queue, RECORD_KINDS, waits=around.waits)
    return Output(settings, box, sink, box.close, files=files_of(settings))


def _webhook(settings: WebhookSettings, around: Surroundings) -> Output:
    from edge.sinks.webhook import WebhookSink  # noqa: PLC0415

    box = _outbox("webhook", settings, WebhookSink(settings, around.version), settings.queue, around)
    return Output(settings, box, None, box.close, files=files_of(settings))


def _command(settings: CommandSettings, around: Surroundings) -> Output:
    from edge.sinks.program import ProgramSink  # noqa: PLC0415

    box = _outbox("command", settings, ProgramSink(settings), settings.queue, around)
    return Output(settings, box, None, box.close)


def _metrics(settings: MetricsSettings, around: Surroundings) -> Output:
    from edge.metrics import MetricsServer  # noqa: PLC0415

    server = MetricsServer(settings, around.version, tuple(CONDITIONS))
    return Output(settings, None, server, server.close, server.observe_inference)


def _clips(settings: ClipsSettings, around: Surroundings) -> Output:
    recorder = ClipRecorder(settings, around.sample_rate_hz, around.speech_places, around.state_directory)
    return Output(settings, recorder, None, recorder.close)


_MAKERS: dict[str, Callable[[Any, Surroundings], Output]] = {
    "events_file": _events_file,
    "mqtt": _mqtt,
    "webhook": _webhook,
    "command": _command,
    "metrics": _metrics,
    "clips": _clips,
}


def make_output(table: str, settings: Any, around: Surroundings) -> Output:
    """Make the output of a table.

    Raises: ConfigError if it is set up wrongly; SinkError if it lacks something that may come.
    """
    return _MAKERS[table](settings, around)
