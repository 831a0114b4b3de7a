"""The directory of the embedding log: rows appended to files, no more and no older than was asked for."""

from __future__ import annotations

import errno
import itertools
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edge.embedding_log.file import LogHeader, file_name, log_paths
from edge.output_settings import EmbeddingLogSettings

_MB = 1_000_000
_DAY_S = 86400.0
_CLOCK_TOLERANCE_S = 60.0
_BEGUN = ".begun"
"""A file whose first line is being written."""


@dataclass(frozen=True)
class LogRow:
    """A row to be written.

    Attributes:
        unix_s: Unix time of the window's middle.
        content: the row as it lies in a file, see `edge.embedding_log.file.row_type`.
    """

    unix_s: float
    content: bytes


@dataclass(frozen=True)
class _Open:
    descriptor: int
    path: Path
    n_bytes: int
    first_unix_s: float
    last_unix_s: float

    def with_row(self, row: LogRow) -> _Open:
        return replace(self, n_bytes=self.n_bytes + len(row.content), last_unix_s=row.unix_s)


class EmbeddingLogStore:
    """Appends rows to the newest file and deletes the oldest. Other files in there are left alone.

    A file is full at `file_mb`. Another is begun at each start, after a day, when the clock has jumped back,
    and when somebody deleted the one in use.

    Args:
        settings: how much may lie there.
        directory: where; made if need be.
        header: makes the first line of a file that is begun now.

    Attributes:
        n_written: how many rows were written so far.
    """

    def __init__(
        self, settings: EmbeddingLogSettings, directory: Path, header: Callable[[], LogHeader]
    ) -> None:
        self._directory = directory
        self._max_bytes = round(settings.max_mb * _MB)
        self._file_bytes = round(settings.file_mb * _MB)
        self._max_age_s = settings.max_days * _DAY_S
        self._header = header
        self._open: _Open | None = None
        self.n_written = 0

    def append(self, rows: Sequence[LogRow]) -> None:
        """Write rows. Raises: OSError, when only the first of them are written; see `n_written`."""
        if self._open is not None and _is_deleted(self._open.descriptor):
            self.close()
        done = 0
        while done < len(rows):
            file = self._open
            if file is None or not self._fits(file, rows[done]):
                file = self._begin(rows[done])
            longer, end = file.with_row(rows[done]), done + 1
            while end < len(rows) and self._fits(longer, rows[end]):
                longer, end = longer.with_row(rows[end]), end + 1
            self._write(file, rows[done:end])
            self._open, done = longer, end

    def tidy(self) -> None:
        """Make the directory, delete files that are too old, and the oldest until another file has room.

        Raises: OSError.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        now_unix_s = time.time()
        files = []
        for path in log_paths(self._directory):
            if self._open is not None and path == self._open.path:
                continue
            with suppress(FileNotFoundError):  # a person deleted it just now
                stat = path.stat()
                changed_unix_s = stat.st_mtime
                if changed_unix_s > now_unix_s + _CLOCK_TOLERANCE_S:
                    # Of a time when the clock was wrong; it would be kept until then.
                    os.utime(path)
                    changed_unix_s = now_unix_s
                files.append((changed_unix_s, path.name, stat.st_size))
        excess = sum(size for _, _, size in files) + self._file_bytes - self._max_bytes
        for changed_unix_s, name, size in sorted(files):
            if changed_unix_s >= now_unix_s - self._max_age_s and excess <= 0:
                break
            (self._directory / name).unlink(missing_ok=True)
            excess -= size

    def close(self) -> None:
        """Close the file in use; the next row begins another. Safe to call twice."""
        if self._open is not None:
            with suppress(OSError):  # a network's disk may tell of a failure only now
                os.close(self._open.descriptor)
            self._open = None

    def _fits(self, file: _Open, row: LogRow) -> bool:
        return (
            file.n_bytes + len(row.content) <= self._file_bytes
            and file.last_unix_s <= row.unix_s <= file.first_unix_s + _DAY_S
        )

    def _begin(self, row: LogRow) -> _Open:
        self.close()
        self.tidy()
        header = self._header()
        content = header.as_bytes()
        # Under its name only with a whole first line, whenever this is killed.
        begun = self._directory / _BEGUN
        descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            _write_all(descriptor, content)
            path = next(
                path
                for number in itertools.count(1)
                if not (
                    path := self._directory / file_name(row.unix_s, header.encoder_sha256, number)
                ).exists()
            )
            begun.rename(path)
        except OSError:
            os.close(descriptor)
            begun.unlink(missing_ok=True)
            raise
        self._open = _Open(descriptor, path, len(content), row.unix_s, row.unix_s)
        return self._open

    def _write(self, file: _Open, rows: Sequence[LogRow]) -> None:
        try:
            # By one write: killed at any moment, all rows but the last are whole.
            _write_all(file.descriptor, b"".join(row.content for row in rows))
        except OSError:
            # Whatever there was room for is taken back, so that rows are found where they are sought.
            try:
                os.ftruncate(file.descriptor, file.n_bytes)
                os.lseek(file.descriptor, file.n_bytes, os.SEEK_SET)
            except OSError:
                self.close()
            raise
        self.n_written += len(rows)


def _write_all(descriptor: int, content: bytes) -> None:
    """Raises: OSError, also if only a part was taken."""
    if os.write(descriptor, content) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_deleted(descriptor: int) -> bool:
    try:
        return os.fstat(descriptor).st_nlink == 0
    except OSError:  # a network's disk that went away
        return True
