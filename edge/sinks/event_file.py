"""Events as JSON lines in a file that is rotated, so that it never outgrows its quota."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from pathlib import Path

from edge.errors import SinkError
from edge.events import Record
from edge.output_settings import EventFileSettings

FILE_MODE = 0o640
BYTES_PER_MB = 1_000_000
_LONGEST_LINE_BYTES = 1_000_000
_CLOSE_WAIT_S = 1.0


class EventFileSink:
    """Appends each record as one line of JSON in ASCII, by one write: killed at any moment, lines are whole.

    A last line that a power cut left without an end is cut off when the file is opened. A file that is moved
    away, as logrotate does, is begun anew. It is full when one line more would make it larger than `max_mb`:
    then it becomes `.1`, what was `.1` becomes `.2`, and what would be more than `keep` is deleted.

    Args:
        settings: the table [events_file].

    Raises:
        SinkError: the directory is absent or not writable; the file is not a regular one, or not of events.
    """

    def __init__(self, settings: EventFileSettings) -> None:
        # Links are followed once, here, so that full files stand beside the file itself.
        self._path = Path(os.path.realpath(settings.path))
        self._max_bytes = int(settings.max_mb * BYTES_PER_MB)
        self._keep = settings.keep
        self._lock = threading.Lock()
        self._is_closed = False
        self._descriptor: int | None = None
        directory = self._path.parent
        if not directory.is_dir():
            raise SinkError(f"[events_file] there is no directory {directory}: make it")
        try:
            self._open()
        except OSError as error:
            self._let_go()
            raise SinkError(f"[events_file] {self._why(error)}") from None
        if not os.access(directory, os.W_OK | os.X_OK):
            self._let_go()
            raise SinkError(f"[events_file] {directory} is not writable, which a full file needs: allow it")

    def emit(self, record: Record) -> None:
        """Append one. Raises: SinkError if the disk is full, or the file cannot be opened or rotated now."""
        line = json.dumps(record.as_json_object()).encode("ascii") + b"\n"
        with self._lock:
            if self._is_closed:
                raise SinkError(f"{self._path}: stopped")
            try:
                self._append(line)
            except OSError as error:
                self._let_go()
                raise SinkError(self._why(error)) from error

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._is_closed = True
        # A disk that hangs would hold the lock for ever; then the file is closed by the program's end.
        if self._lock.acquire(timeout=_CLOSE_WAIT_S):
            self._let_go()
            self._lock.release()

    def _append(self, line: bytes) -> None:
        descriptor = self._current()
        size = os.fstat(descriptor).st_size
        if size > 0 and size + len(line) > self._max_bytes:
            self._rotate()
            descriptor, size = self._open(), 0
        try:
            if os.write(descriptor, line) < len(line):
                raise SinkError(f"{self._path} took a part of an event only: is the disk full?")
        except OSError:
            with suppress(OSError):  # opening it anew cuts the unfinished line off too
                os.ftruncate(descriptor, size)
            raise

    def _current(self) -> int:
        """The descriptor of the file that has the name now."""
        try:
            if self._descriptor is not None and os.path.samestat(
                self._path.stat(), os.fstat(self._descriptor)
            ):
                return self._descriptor
        except OSError:  # moved, or its directory is gone; opening it tells what there is to tell
            pass
        return self._open()

    def _open(self) -> int:
        self._let_go()
        # Before it is opened, which does something to a device and waits for a fifo's reader.
        if self._path.exists() and not self._path.is_file():
            raise SinkError(f"{self._path} is not a regular file: name another path")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, FILE_MODE)
        _cut_unfinished_line(self._descriptor, self._path)
        return self._descriptor

    def _rotate(self) -> None:
        # A gap, which a rotation leaves that was cut short, is filled before the oldest file makes room.
        last = next((n for n in range(1, self._keep) if not self._full_file(n).exists()), self._keep)
        for n in range(last - 1, 0, -1):
            self._full_file(n).replace(self._full_file(n + 1))
        if self._keep:
            self._path.replace(self._full_file(1))
        else:
            self._path.unlink()
        surplus = self._keep + 1  # of a time when more were kept
        while self._full_file(surplus).exists():
            self._full_file(surplus).unlink()
            surplus += 1

    def _full_file(self, n: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{n}")

    def _let_go(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):  # a network's disk may tell of a failure only now
                os.close(self._descriptor)
            self._descriptor = None

    def _why(self, error: OSError) -> str:
        if isinstance(error, SinkError):
            return str(error)
        return f"{self._path} cannot be written: {error.strerror or error}"


def _cut_unfinished_line(descriptor: int, path: Path) -> None:
    """Take back a last line without an end. Raises: SinkError if it is none of an event; it is left alone."""
    size = os.fstat(descriptor).st_size
    end = os.pread(descriptor, _LONGEST_LINE_BYTES, max(0, size - _LONGEST_LINE_BYTES))
    unfinished = end[end.rfind(b"\n") + 1 :]
    if not unfinished:
        return
    # After a power cut, file systems fill up with zeros what they hadn't written yet.
    if not unfinished.startswith((b"{", b"\0")) or len(unfinished) == _LONGEST_LINE_BYTES:
        raise SinkError(f"{path} does not end with an event: name another path, or move that file away")
    os.ftruncate(descriptor, size - len(unfinished))
