"""Embedding recordings in several threads: decoding, numpy and ONNX Runtime all let go of Python's lock."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge.errors import AudioSourceError
from edge.frontend import LogMelFrontEnd
from edge.types import Embedding, LogMel
from export.pool.contents import Content, file_state, unreadable
from export.pool.windows import WindowSettings, is_worth_embedding, read_windows

Vectors = dict[str, NDArray[np.float32]]
"""Of one recording: (n_windows, dim) float32 by each encoder's name; (0, 0) if it holds nothing to hear."""
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class PoolEncoder(Protocol):
    """An encoder that several threads may use at once, and what it is known by."""

    @property
    def sha256(self) -> str:
        """Of its graph's file."""
        ...

    def encode(self, log_mel: LogMel) -> Embedding:
        """Embed one window. Raises: EncoderError."""
        ...


class StoppedError(Exception):
    """A recording was left half embedded, because its embedder was told to stop."""


class RecordingEmbedder:
    """Embeds recordings by several encoders, decoding each once.

    Args:
        encoders: by name.
        settings: how recordings are cut.
        advance: called for each window, by one thread at a time.
        stop: once set, recordings in hand end at their next window with StoppedError.
    """

    def __init__(
        self,
        encoders: Mapping[str, PoolEncoder],
        settings: WindowSettings,
        advance: Callable[[], object],
        stop: threading.Event,
    ) -> None:
        self._encoders = encoders
        self._settings = settings
        self._advance = advance
        self._stop = stop
        self._lock = threading.Lock()
        self._front_end = LogMelFrontEnd(settings.log_mel)

    def __call__(self, job: tuple[Content, Vectors]) -> Vectors | str:
        """Embed a recording by the encoders that have not.

        job: the recording, and what is stored of it.
        Returns: what is to be stored: by those encoders, or by all if what is stored is of another number of
            windows; or why it cannot be read, as a phrase to follow its name.
        Raises: EncoderError, StoppedError.
        """
        content, known = job
        path = content.recording.path
        try:
            vectors = self._vectors(content, [name for name in self._encoders if name not in known])
            if len({len(array) for array in [*known.values(), *vectors.values()]}) > 1:
                vectors = self._vectors(content, list(self._encoders))
            if file_state(path) != content.state:
                return "was written to while it was read; run this again when that is over"
        except AudioSourceError as error:
            return str(error).removeprefix(str(path)).lstrip(": ")
        except OSError as error:
            return unreadable(error)
        return vectors

    def _vectors(self, content: Content, names: Sequence[str]) -> Vectors:
        rows: dict[str, list[Embedding]] = {name: [] for name in names}
        for window in read_windows(content.recording.path, self._settings):
            if self._stop.is_set():
                raise StoppedError
            if is_worth_embedding(window, self._settings):
                log_mel = self._front_end(self._settings.clip(window))
                for name in names:
                    rows[name].append(self._encoders[name].encode(log_mel))
            with self._lock:
                self._advance()
        return {
            name: np.array(embeddings, np.float32) if embeddings else np.zeros((0, 0), np.float32)
            for name, embeddings in rows.items()
        }


def in_threads(
    job: Callable[[_Item], _Result], items: Iterable[_Item], n_workers: int, stop: threading.Event
) -> Generator[tuple[_Item, _Result], None, None]:
    """Do a job for each item, a few at a time, and yield results as they come, with their items.

    When it ends, by an error or Ctrl-C too, or is closed, it sets `stop` and waits for the jobs in hand.

    Raises: what a job raises.
    """
    left = iter(items)
    waiting: dict[Future[_Result], _Item] = {}
    with ThreadPoolExecutor(n_workers) as pool:
        try:
            while True:
                # One more than can be worked on, so that no thread waits for the results to be stored.
                for item in itertools.islice(left, n_workers + 1 - len(waiting)):
                    waiting[pool.submit(job, item)] = item
                if not waiting:
                    return
                done = wait(waiting, return_when=FIRST_COMPLETED).done
                # What succeeded first, or an error beside it would lose it.
                for future in sorted(done, key=lambda future: future.exception() is not None):
                    yield waiting.pop(future), future.result()
        finally:
            stop.set()
            for future in waiting:
                future.cancel()
