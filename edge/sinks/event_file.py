"""Events as JSON lines in a file that is rotated, so that it never outgrows its quota."""

from __future__ import annotations

import json
import threading

from edge.errors import SinkError
from edge.events import Record
from edge.output_settings import EventFileSettings
from edge.rotated_file import BYTES_PER_MB, RotatedFile

_CLOSE_WAIT_S = 1.0


class EventFileSink:
    """Appends each record as one line of JSON in ASCII, see `edge.rotated_file`.

    Args:
        settings: the table [events_file].

    Raises:
        SinkError: the directory is absent or not writable; the file is not a regular one, or not of events.
    """

    def __init__(self, settings: EventFileSettings) -> None:
        max_bytes = int(settings.max_mb * BYTES_PER_MB)
        try:
            self._file = RotatedFile(settings.path, max_bytes, settings.keep, "an event")
        except SinkError as error:
            raise SinkError(f"[events_file] {error}") from None
        self._lock = threading.Lock()
        self._is_closed = False

    def emit(self, record: Record) -> None:
        """Append one. Raises: SinkError if the disk is full, or the file cannot be opened or rotated now."""
        line = json.dumps(record.as_json_object()).encode("ascii") + b"\n"
        with self._lock:
            if self._is_closed:
                raise SinkError(f"{self._file.path}: stopped")
            self._file.append(line)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._is_closed = True
        # A disk that hangs would hold the lock for ever; then the file is closed by the program's end.
        if self._lock.acquire(timeout=_CLOSE_WAIT_S):
            self._file.close()
            self._lock.release()
