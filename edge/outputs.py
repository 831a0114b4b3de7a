"""Which outputs there are besides standard output, and how they change while the program runs."""

from __future__ import annotations

import logging
import queue
import threading
import time
from contextlib import suppress
from typing import Any

from edge.clips import ClipRecorder
from edge.config import ListenConfig
from edge.errors import ConfigError, SinkError, first_line
from edge.events import Record
from edge.output_makers import (
    Output,
    Surroundings,
    close_for_another,
    files_of,
    is_still_right,
    make_output,
    take_over,
)
from edge.recognizer import WindowReport
from edge.status import OutputStatus, Status
from edge.types import AudioBlock

FILE_QUEUE = 1000
EXCLUSIVE = ("mqtt", "metrics")
"""Two of a kind would be in each other's way: a broker takes one client of a name, a port one server."""
MEND_EVERY_S = 60.0
HAND_OVER_S = 2.0
logger = logging.getLogger(__name__)

OUTPUTS = ("events_file", "mqtt", "webhook", "command", "metrics", "clips")
"""Their tables, in the order in which they are given events."""


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
        closed: list[tuple[str, object]] = []
        rest: list[Record] = []
        try:
            for table in OUTPUTS:
                settings, running = getattr(config, table), self._running.get(table)
                if settings is None:
                    continue
                if running is not None and is_still_right(running, settings):
                    wanted[table] = running
                    continue
                if running is not None and table in EXCLUSIVE:
                    closed.append((table, running.settings))
                    rest = close_for_another(running)
                wanted[table] = self._make(table, settings)
                take_over(wanted[table], rest)
                rest = []
        except BaseException:
            self.discard(wanted)
            # So that the old settings stay in force, as they do for the others.
            for table, settings in closed:
                self._try_again(table, settings)
            raise
        return wanted

    def _make(self, table: str, settings: Any) -> Output:
        try:
            return make_output(table, settings, self._around)
        except SinkError as error:
            logger.warning("%s does not work, and is tried again each minute: %s", table, first_line(error))
            return Output(
                settings, None, None, lambda: None, failure=first_line(error), files=files_of(settings)
            )

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
                threading.Thread(target=output.close, name="output closing").start()
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
            self._mended.put((table, make_output(table, settings, self._around)))

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
