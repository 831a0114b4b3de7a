"""Lines of JSON in a file that is rotated, so that it never outgrows its quota."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from edge.errors import SinkError

FILE_MODE = 0o640
BYTES_PER_MB = 1_000_000
_LONGEST_LINE_BYTES = 1_000_000


class RotatedFile:
    """Appends each line by one write: killed at any moment, lines are whole.

    A last line that a power cut left without an end is cut off when the file is opened. A file that is moved
    away, as logrotate does, is begun anew. It is full when one line more would make it larger than
    `max_bytes`: then it becomes `.1`, what was `.1` becomes `.2`, and what would be more than `keep` is
    deleted. Not for several threads at once.

    Args:
        path: of the file; its directory must be there.
        max_bytes: size of a full file.
        keep: how many full files stay beside it.
        line_is: what a line is, for messages, such as "an event".

    Raises:
        SinkError: the directory is absent or not writable; the file is not a regular one, or of other lines.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int, line_is: str) -> None:
        # Links are followed once, here, so that full files stand beside the file itself.
        self.path = Path(os.path.realpath(path))
        self._max_bytes = max_bytes
        self._keep = keep
        self._line_is = line_is
        self._descriptor: int | None = None
        directory = self.path.parent
        if not directory.is_dir():
            raise SinkError(f"there is no directory {directory}: make it")
        try:
            self._open()
        except OSError as error:
            self.close()
            raise self._failure(error) from None
        if not os.access(directory, os.W_OK | os.X_OK):
            self.close()
            raise SinkError(f"{directory} is not writable, which a full file needs: allow it")

    def append(self, line: bytes) -> None:
        """Append one, its end included.

        Raises: SinkError if the disk is full, or the file cannot be opened or rotated now; then nothing of
            the line is left, and another may be tried.
        """
        try:
            self._append(line)
        except OSError as error:
            self.close()
            raise self._failure(error) from error

    def close(self) -> None:
        """Close the file; safe to call twice. Another line would open it again."""
        if self._descriptor is not None:
            with suppress(OSError):  # a network's disk may tell of a failure only now
                os.close(self._descriptor)
            self._descriptor = None

    def _append(self, line: bytes) -> None:
        descriptor = self._current()
        size = os.fstat(descriptor).st_size
        if size > 0 and size + len(line) > self._max_bytes:
            self._rotate()
            descriptor, size = self._open(), 0
        try:
            if os.write(descriptor, line) < len(line):
                raise SinkError(f"{self.path} took a part of {self._line_is} only: is the disk full?")
        except OSError:
            with suppress(OSError):  # opening it anew cuts the unfinished line off too
                os.ftruncate(descriptor, size)
            raise

    def _current(self) -> int:
        """The descriptor of the file that has the name now."""
        try:
            if self._descriptor is not None and os.path.samestat(
                self.path.stat(), os.fstat(self._descriptor)
            ):
                return self._descriptor
        except OSError:  # moved, or its directory is gone; opening it tells what there is to tell
            pass
        return self._open()

    def _open(self) -> int:
        self.close()
        # Before it is opened, which does something to a device and waits for a fifo's reader.
        if self.path.exists() and not self.path.is_file():
            raise SinkError(f"{self.path} is not a regular file: name another path")
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(self.path, flags, FILE_MODE)
        self._cut_unfinished_line(self._descriptor)
        return self._descriptor

    def _rotate(self) -> None:
        # A gap, which a rotation leaves that was cut short, is filled before the oldest file makes room.
        last = next((n for n in range(1, self._keep) if not self._full_file(n).exists()), self._keep)
        for n in range(last - 1, 0, -1):
            self._full_file(n).replace(self._full_file(n + 1))
        if self._keep:
            self.path.replace(self._full_file(1))
        else:
            self.path.unlink()
        surplus = self._keep + 1  # of a time when more were kept
        while self._full_file(surplus).exists():
            self._full_file(surplus).unlink()
            surplus += 1

    def _full_file(self, n: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{n}")

    def _failure(self, error: OSError) -> SinkError:
        if isinstance(error, SinkError):
            return error
        return SinkError(f"{self.path} cannot be written: {error.strerror or error}")

    def _cut_unfinished_line(self, descriptor: int) -> None:
        """Take back a last line without an end. Raises: SinkError if it is no such line; it is left alone."""
        size = os.fstat(descriptor).st_size
        end = os.pread(descriptor, _LONGEST_LINE_BYTES, max(0, size - _LONGEST_LINE_BYTES))
        unfinished = end[end.rfind(b"\n") + 1 :]
        if not unfinished:
            return
        # After a power cut, file systems fill up with zeros what they hadn't written yet.
        if not unfinished.startswith((b"{", b"\0")) or len(unfinished) == _LONGEST_LINE_BYTES:
            raise SinkError(
                f"{self.path} does not end with {self._line_is}: name another path, or move that file away"
            )
        os.ftruncate(descriptor, size - len(unfinished))
