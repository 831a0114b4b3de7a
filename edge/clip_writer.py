"""Writes clips on a thread of its own, so that a slow disk never holds up the listening."""

from __future__ import annotations

import logging
import threading
from collections import deque

from edge.clip_store import Clip, ClipStore
from edge.errors import first_line
from edge.status import OutputStatus

logger = logging.getLogger(__name__)

CLOSE_S = 10.0
"""How long `close` waits for clips to be written."""
_TIDY_EVERY_S = 3600.0


class ClipWriter:
    """Takes clips at once and writes them in order. What finds no room, on the way or on the disk, is lost.

    Args:
        store: where they are written.
        max_samples: how many samples may wait in all; a clip that would make it more is lost.
    """

    def __init__(self, store: ClipStore, max_samples: int) -> None:
        self._store = store
        self._max_samples = max_samples
        self._waiting: deque[Clip] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._n_written = 0
        self._n_lost = 0
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._work, name="clips", daemon=True)
        self._thread.start()

    @property
    def status(self) -> OutputStatus:
        """How it does, as the output "clips"."""
        with self._changed:
            return OutputStatus("clips", self._n_written, len(self._waiting), self._n_lost, self._failure)

    def put(self, clip: Clip) -> None:
        """Take a clip, and return at once."""
        with self._changed:
            waiting = sum(len(each.pcm) for each in self._waiting)
            if self._closed or waiting + len(clip.pcm) > self._max_samples:
                self._lose("clips are made faster than they can be written")
            else:
                self._waiting.append(clip)
                self._changed.notify()

    def close(self) -> None:
        """Let what waits be written, for no longer than `CLOSE_S`; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        with self._changed:
            if self._waiting:
                logger.warning("%d clips are lost: the disk was too slow to take them", len(self._waiting))
                self._n_lost += len(self._waiting)
                self._waiting.clear()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._closed:
                    self._changed.wait(_TIDY_EVERY_S)
                if not self._waiting and self._closed:
                    return
                # It stays in the queue while it is written: until then its memory is in use.
                clip = self._waiting[0] if self._waiting else None
            if clip is None:
                self._tidy()
            else:
                self._write(clip)

    def _tidy(self) -> None:
        try:
            self._store.tidy()
        except OSError as error:
            logger.warning("old clips could not be deleted: %s", error)

    def _write(self, clip: Clip) -> None:
        failure = None
        try:
            path = self._store.write(clip)
            logger.debug("wrote %s", path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next clip is to be tried
            failure = first_line(error)
        with self._changed:
            if not self._waiting:
                return  # `close` gave it up
            self._waiting.popleft()
            if failure is not None:
                self._lose(failure)
                return
            self._n_written += 1
            if self._failure is not None and not self._waiting:
                logger.info("clips are written again")
                self._failure = None

    def _lose(self, why: str) -> None:
        self._n_lost += 1
        if self._failure is None:
            logger.warning("a clip is lost, and so are those after it until this is mended: %s", why)
        self._failure = why
