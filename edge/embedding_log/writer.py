"""Writes the embedding log on a thread of its own, so that a slow disk never holds up the listening."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Sequence

from edge.embedding_log.store import EmbeddingLogStore, LogRow
from edge.errors import first_line
from edge.status import OutputStatus

logger = logging.getLogger(__name__)

CLOSE_S = 10.0
"""How long `close` waits for rows to be written."""
_TIDY_EVERY_S = 3600.0


class EmbeddingLogWriter:
    """Takes rows at once and writes them in order. What finds no room, on the way or on the disk, is lost.

    Args:
        store: where they are written.
        max_rows: how many may wait.
    """

    def __init__(self, store: EmbeddingLogStore, max_rows: int) -> None:
        self._store = store
        self._max_rows = max_rows
        self._waiting: deque[Sequence[LogRow]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._n_lost = 0
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._work, name="embedding log", daemon=True)
        self._thread.start()

    @property
    def status(self) -> OutputStatus:
        """How it does, as the output "embedding log", in rows."""
        with self._changed:
            return OutputStatus(
                "embedding log", self._store.n_written, self._n_waiting(), self._n_lost, self._failure
            )

    def put(self, rows: Sequence[LogRow]) -> None:
        """Take rows, and return at once."""
        with self._changed:
            if self._closed or self._n_waiting() + len(rows) > self._max_rows:
                self._lose(len(rows), "the disk is too slow to take them")
            else:
                self._waiting.append(rows)
                self._changed.notify()

    def close(self) -> None:
        """Let what waits be written, for no longer than `CLOSE_S`; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        with self._changed:
            if self._waiting:
                self._lose(self._n_waiting(), "the disk was too slow to take them")
                self._waiting.clear()

    def _n_waiting(self) -> int:
        return sum(map(len, self._waiting))

    def _work(self) -> None:
        tidied_s = -math.inf
        while True:
            if time.monotonic() >= tidied_s + _TIDY_EVERY_S:
                tidied_s = time.monotonic()
                self._tidy()
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed, _TIDY_EVERY_S)
                if not self._waiting and self._closed:
                    break
                # They stay in the queue while they are written: until then their memory is in use.
                rows = self._waiting[0] if self._waiting else ()
            if rows:
                self._write(rows)
        self._store.close()

    def _tidy(self) -> None:
        try:
            self._store.tidy()
        except OSError as error:
            with self._changed:
                self._lose(0, first_line(error))

    def _write(self, rows: Sequence[LogRow]) -> None:
        before, failure = self._store.n_written, None
        try:
            self._store.append(rows)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next rows are to be tried
            failure = first_line(error)
        with self._changed:
            if not self._waiting:
                return  # `close` gave them up
            self._waiting.popleft()
            if failure is not None:
                self._lose(len(rows) - (self._store.n_written - before), failure)
            elif self._failure is not None:
                logger.warning("the embedding log is written again; %d rows were lost so far", self._n_lost)
                self._failure = None

    def _lose(self, n_rows: int, why: str) -> None:
        self._n_lost += n_rows
        if self._failure is None:
            logger.warning("the embedding log is not written until this is mended: %s", why)
        self._failure = why
