"""The embedding log: what each window sounded like, as a row of numbers, without a second of sound kept."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

from edge.embedding_log.file import LogHeader
from edge.embedding_log.store import EmbeddingLogStore, LogRow
from edge.embedding_log.writer import EmbeddingLogWriter
from edge.errors import ConfigError
from edge.output_settings import EmbeddingLogSettings
from edge.recognizer import WindowReport
from edge.status import OutputStatus
from edge.times import rfc3339, utc

WRITE_EVERY_S = 10.0
"""A card wears out by many small writes."""
_AT_ONCE = 128
"""Rows that are written sooner, as sound that is read faster than it was recorded brings them."""
_MAX_WAITING = 2048
"""Rows that may wait for the disk: at a hop of 0.48 s, a quarter of an hour."""


class EmbeddingLog:
    """Keeps the embedding of each window that was scored, with its time: an observer of window reports.

    A call is for the thread that listens and returns at once; files are written by another thread. What
    cannot be written is lost and counted, and warned of once: listening goes on, and the next rows are tried.

    Args:
        settings: where to and how much.
        state_directory: where the log's directory is if the settings don't name one.
        encoder_sha256: of the encoder that makes the embeddings.
        embedding_dim: their length.
        hop_s: seconds between two windows.
        window_s: seconds of a window.
        source_name: tells what a person calls the source, which a microphone knows once it is there.
        time_of: position in the stream, in samples → Unix time in seconds; None if that isn't known, when
            there is no row.

    Raises:
        ConfigError: if a file may be larger than all together.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a file tells of itself
        self,
        settings: EmbeddingLogSettings,
        state_directory: Path,
        encoder_sha256: str,
        embedding_dim: int,
        hop_s: float,
        window_s: float,
        source_name: Callable[[], str],
        time_of: Callable[[int], float | None],
    ) -> None:
        if settings.file_mb > settings.max_mb:
            raise ConfigError(
                f"file_mb = {settings.file_mb:g} under [embedding_log] is more than "
                f"max_mb = {settings.max_mb:g}: lower it"
            )

        def header() -> LogHeader:
            now = rfc3339(utc(time.time()))
            return LogHeader(encoder_sha256, embedding_dim, hop_s, window_s, source_name(), now)

        self._time_of = time_of
        self._rows: list[LogRow] = []
        self._handed_over_s = time.monotonic()
        directory = log_directory(settings, state_directory)
        self._writer = EmbeddingLogWriter(EmbeddingLogStore(settings, directory, header), _MAX_WAITING)

    @property
    def n_lost(self) -> int:
        """Rows that could not be written."""
        return self._writer.status.n_lost

    @property
    def status(self) -> OutputStatus:
        """How it does, as the output "embedding log", counted in rows."""
        return self._writer.status

    def __call__(self, report: WindowReport) -> None:
        """Take the report of a window."""
        if report.embedding is not None:
            unix_s = self._time_of((report.start_sample + report.end_sample) // 2)
            if unix_s is not None:
                # As `row_type` says, which a test holds it to.
                head = struct.pack("<df", unix_s, report.level_dbfs)
                self._rows.append(LogRow(unix_s, head + report.embedding.astype("<f2").tobytes()))
        if self._rows and (
            len(self._rows) >= _AT_ONCE or time.monotonic() >= self._handed_over_s + WRITE_EVERY_S
        ):
            self._hand_over()

    def close(self) -> None:
        """Write what is held back, for no longer than 10 s; safe to call twice."""
        if self._rows:
            self._hand_over()
        self._writer.close()

    def _hand_over(self) -> None:
        self._writer.put(tuple(self._rows))
        self._rows.clear()
        self._handed_over_s = time.monotonic()


def log_directory(settings: EmbeddingLogSettings | None, state_directory: Path) -> Path:
    """Where the log lies; None stands for the defaults."""
    of_settings = None if settings is None else settings.directory
    return of_settings or state_directory / "embeddings"
