"""Events as lines for a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from edge.events import EventRecord, Record
from edge.sinks.text import write_line
from edge.times import local_clock, stream_clock


class ConsoleSink:
    """Writes each event as a line: time, label, and the score (onset) or how long it lasted (offset).

    Records of health are left out: the log on standard error tells the same.

    The time is the local time of day; for a file, the position in it.

    Args:
        stream: where to, such as `sys.stdout`; left open.
        label_width: characters of the longest label that can occur, so that columns line up.
        before_line: called before each line, to clear what else stands on the terminal.
    """

    def __init__(
        self, stream: TextIO, label_width: int = 0, before_line: Callable[[], None] | None = None
    ) -> None:
        self._stream = stream
        self._label_width = label_width
        self._before_line = before_line

    def emit(self, record: Record) -> None:
        """Write one. Raises: SinkError if the stream is closed or full."""
        if not isinstance(record, EventRecord):
            return
        if self._before_line is not None:
            self._before_line()
        write_line(self._stream, event_line(record, self._label_width))

    def close(self) -> None:
        """Nothing is held back."""


def event_line(record: EventRecord, label_width: int = 0) -> str:
    """An event as a person reads it."""
    when = stream_clock(record.stream_s) if record.time is None else local_clock(record.time)
    if record.duration_s is None:
        return f"{when}  {record.label:<{label_width}}  {record.score:.2f}"
    return f"{when}  {record.label:<{label_width}}  ended after {record.duration_s:.1f} s"
