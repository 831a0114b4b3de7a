"""Events as JSON, one a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TextIO

from edge.events import Record
from edge.sinks.text import write_line


class JsonLinesSink:
    """Writes each event as one line of JSON, in ASCII, at once.

    Args:
        stream: where to, such as `sys.stdout`; left open.
        before_line: called before each line, to clear what else stands on the terminal.
    """

    def __init__(self, stream: TextIO, before_line: Callable[[], None] | None = None) -> None:
        self._stream = stream
        self._before_line = before_line

    def emit(self, record: Record) -> None:
        """Write one. Raises: SinkError if the stream is closed or full."""
        if self._before_line is not None:
            self._before_line()
        write_line(self._stream, json.dumps(record.as_json_object()))

    def close(self) -> None:
        """Nothing is held back."""
