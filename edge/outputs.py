"""Which outputs there are besides standard output, and how they change while the program runs."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.clips import ClipRecorder
from edge.config import ListenConfig
from edge.errors import ConfigError, SinkError, first_line
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
from edge.recognizer import WindowReport
from edge.status import OutputStatus, Status, StatusListener
from edge.types import AudioBlock

FILE_QUEUE = 1000
EXCLUSIVE = ("mqtt", "metrics")
"""Two of a kind would be in each other's way: a broker takes one client of a name, a port one server."""
MEND_EVERY_S = 60.0
logger = logging.getLogger(__name__)

OUTPUTS = ("events_file", "mqtt", "webhook", "command", "metrics", "clips")
"""Their tables, in the order in which they are given events."""


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
        close: delivers what waits, within a time, and lets go.
    """

    settings: object
    sink: Outbox | ClipRecorder | None
    listener: StatusListener | None
    close: Callable[[], None]
    inferred: Callable[[float], None] | None = None
    failure: str | None = None


class Outputs:
    """Those that run. Made, changed and given records by the thread that listens.

    Args:
        config: what is wanted.
        around: what they need to know.

    One that can't be made for want of something that may come, such as a disk or a port, is tried again.

    Raises: ConfigError if one is set up wrongly; then none runs.
    """

    def __init__(self, config: ListenConfig, around: Surroundings) -> None:
        self._around = around
        self._running: dict[str, Output] = {}
        self._mended: queue.SimpleQueue[tuple[str, Output]] = queue.SimpleQueue()
        self._mender: threading.Thread | None = None
        self._mend_s = time.monotonic() + MEND_EVERY_S
        self.change(self.prepare(config))

    def prepare(self, config: ListenConfig) -> dict[str, Output]:
        """Make those that a configuration asks for and that don't run yet; callable from another thread.

        Returns: by table, those that run as they are wanted and the new ones, for `change`.
        Raises: ConfigError; then none was made.
        """
        wanted: dict[str, Output] = {}
        try:
            for table in OUTPUTS:
                settings = getattr(config, table)
                if settings is not None:
                    wanted[table] = self._wanted(table, settings)
        except BaseException:
            self.discard(wanted)
            raise
        return wanted

    def _wanted(self, table: str, settings: Any) -> Output:
        running = self._running.get(table)
        if running is not None and running.settings == settings and running.failure is None:
            return running
        if running is None or table not in EXCLUSIVE:
            return self._make(table, settings)
        running.close()
        try:
            return self._make(table, settings)
        except ConfigError:
            # So that the old settings stay in force, as they do for the others.
            self._try_again(table, running.settings)
            raise

    def _make(self, table: str, settings: Any) -> Output:
        try:
            return _MAKERS[table](settings, self._around)
        except SinkError as error:
            logger.warning("%s does not work, and is tried again each minute: %s", table, first_line(error))
            return Output(settings, None, None, lambda: None, failure=first_line(error))

    def discard(self, prepared: dict[str, Output]) -> None:
        """Close those made by `prepare` that don't run."""
        for table, output in prepared.items():
            if self._running.get(table) is not output:
                output.close()

    def change(self, prepared: dict[str, Output]) -> None:
        """Run these from now on. The others deliver what they hold in the background, and close."""
        retired = [output for table, output in self._running.items() if prepared.get(table) is not output]
        self._running = prepared
        for output in retired:
            threading.Thread(target=output.close, name="output closing").start()

    @property
    def names(self) -> tuple[str, ...]:
        """Tables of those that run."""
        return tuple(self._running)

    @property
    def statuses(self) -> tuple[OutputStatus, ...]:
        """How each does that delivers."""
        return tuple(
            OutputStatus(table, failure=output.failure) if output.sink is None else output.sink.status
            for table, output in self._running.items()
            if output.sink is not None or output.failure is not None
        )

    def emit(self, record: Record) -> None:
        """Give each a record."""
        for output in self._running.values():
            if output.sink is not None:
                output.sink.emit(record)

    def tell(self, status: Status) -> None:
        """Tell each that wants to know how the program is."""
        for output in self._running.values():
            if output.listener is not None:
                output.listener.tell(status)
        self._mend()

    def _mend(self) -> None:
        """Try again what could not be made, in a thread, and run what could be made by now."""
        while not self._mended.empty():
            table, output = self._mended.get()
            before = self._running.get(table)
            if before is None or before.settings != output.settings:
                output.close()
                continue
            if before.failure is not None:
                logger.warning("%s works now", table)
            self.change({**self._running, table: output})
        is_trying = self._mender is not None and self._mender.is_alive()
        if is_trying or time.monotonic() < self._mend_s:
            return
        self._mend_s = time.monotonic() + MEND_EVERY_S
        broken = {table: output.settings for table, output in self._running.items() if output.failure}
        if broken:
            self._mender = threading.Thread(target=self._try_all, args=(broken,), name="mend", daemon=True)
            self._mender.start()

    def _try_all(self, broken: dict[str, Any]) -> None:
        for table, settings in broken.items():
            self._try_again(table, settings)

    def _try_again(self, table: str, settings: Any) -> None:
        # What it says was said before.
        with suppress(SinkError, ConfigError):
            self._mended.put((table, _MAKERS[table](settings, self._around)))

    def took(self, block: AudioBlock) -> None:
        """Take a block, for clips."""
        for recorder in self._recorders():
            recorder.push(block)

    def saw(self, report: WindowReport) -> None:
        """Take the report of a window, for clips."""
        for recorder in self._recorders():
            recorder.saw(report)

    def inferred(self, seconds: float) -> None:
        """Take how long the encoder took, for metrics."""
        for output in self._running.values():
            if output.inferred is not None:
                output.inferred(seconds)

    def _recorders(self) -> list[ClipRecorder]:
        return [output.sink for output in self._running.values() if isinstance(output.sink, ClipRecorder)]

    def close(self) -> None:
        """Have all deliver what they hold, side by side, and close them; safe to call twice."""
        outputs = list(self._running.values())
        while not self._mended.empty():
            outputs.append(self._mended.get()[1])
        threads = [threading.Thread(target=output.close) for output in outputs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._running = {}


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
    return Output(settings, box, sink, box.close)


def _webhook(settings: WebhookSettings, around: Surroundings) -> Output:
    from edge.sinks.webhook import WebhookSink  # noqa: PLC0415

    box = _outbox("webhook", settings, WebhookSink(settings, around.version), settings.queue, around)
    return Output(settings, box, None, box.close)


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
