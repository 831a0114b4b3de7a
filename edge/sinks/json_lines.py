"""Events as JSON, one a line."""

from __future__ import annotations

import json
from typing import TextIO

from edge.events import EventRecord
from edge.sinks.text import write_line


class JsonLinesSink:
    """Writes each event as one line of JSON, in ASCII, at once.

    Args:
        stream: where to, such as `sys.stdout`; left open.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def emit(self, record: EventRecord) -> None:
        """Write one. Raises: SinkError if the stream is closed or full."""
        write_line(self._stream, json.dumps(record.as_json_object()))

    def close(self) -> None:
        """Nothing is held back."""
