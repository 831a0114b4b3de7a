"""A data set → an embedding for each clip, made once: what was embedded before comes from the cache."""

from __future__ import annotations

import logging
import os
import queue
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm.contrib.logging import logging_redirect_tqdm

from edge.bundle import Bundle
from edge.encoder import LoadedEncoder, load_encoder
from edge.errors import AudioSourceError
from edge.manifest import EncoderEntry
from edge.settings import Provider
from export.evaluation.clip_embedding import Hearing, embed_file
from export.evaluation.datasets.dataset import Dataset, DatasetError
from export.pool.cache import EmbeddingCache
from export.pool.contents import Content, read_contents
from export.pool.recordings import Recording
from export.pool.workers import StoppedError, in_threads
from export.progress import progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ClipVectors:
    """A data set as an encoder hears it.

    Attributes:
        vectors: (n_clips, dim) float32, unit rows, in the order of the data set's clips.
        encoder_sha256: of the encoder that made them.
        how: how clips were cut, see `Hearing.key`; "" if that is not known.
    """

    vectors: NDArray[np.float32]
    encoder_sha256: str
    how: str


@dataclass(frozen=True)
class Run:
    """How a bundle's encoder is run over clips.

    Attributes:
        entry: which of the bundle's encoders.
        hearing: how clips are cut.
        provider: what computes.
    """

    entry: EncoderEntry
    hearing: Hearing
    provider: Provider


def embed_dataset(dataset: Dataset, bundle: Bundle, run: Run, cache: EmbeddingCache) -> ClipVectors:
    """Embed every clip; the same bytes under several names once.

    Raises: DatasetError if a clip cannot be read or decoded; EncoderError, BundleError; PoolError if the
        cache cannot be written. After these, and after KeyboardInterrupt, the same call goes on where it
        ended.
    """
    sha256 = bundle.arrays[run.entry.name].encoder_sha256
    recordings = [Recording(clip.name, clip.path) for clip in dataset.clips]
    contents, unreadable = read_contents(progress(recordings, f"reading {dataset.title}", unit=" files"))
    if unreadable:
        raise DatasetError(f"{dataset.title}: {unreadable[0].name}: {unreadable[0].reason}")
    place = {clip.name: index for index, clip in enumerate(dataset.clips)}
    vectors = np.empty((len(place), run.entry.embedding_dim), np.float32)
    pending = []
    for content in contents:
        known = cache.get(content.sha256, sha256, run.hearing.key)
        if known is None or known.shape != (1, vectors.shape[1]):
            pending.append(content)
        else:
            vectors[[place[name] for name in content.names]] = known[0]
    logger.info(
        "%s: %d recordings to embed, %d embedded before", dataset.title, len(pending),
        len(contents) - len(pending),
    )  # fmt: skip
    encoders = _encoders(bundle, run, len(pending)) if pending else []
    for content, vector in _embedded(pending, encoders, run.hearing, dataset.title):
        cache.put(content.sha256, run.hearing.key, {sha256: vector[None]})
        vectors[[place[name] for name in content.names]] = vector
    return ClipVectors(vectors, sha256, run.hearing.key)


def peak_memory_mib() -> float:
    """The most memory that this process has had resident so far."""
    try:
        # Of this program alone: what getrusage tells includes that of the process it was started from.
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        return next(float(line.split()[1]) / 1024.0 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def _encoders(bundle: Bundle, run: Run, n_clips: int) -> Sequence[LoadedEncoder]:
    """One for each thread: the same one, unless it holds state from window to window."""

    def load() -> LoadedEncoder:
        return load_encoder(bundle, run.entry, run.hearing.window_hop, run.provider)

    first = load()
    n_threads = min(os.cpu_count() or 1, n_clips) if first.provider == "cpu" else 1
    if run.entry.kind == "clip":
        return [first] * n_threads
    return [first, *(load() for _ in range(1, n_threads))]


def _embedded(
    contents: Sequence[Content], encoders: Sequence[LoadedEncoder], hearing: Hearing, title: str
) -> Iterator[tuple[Content, NDArray[np.float32]]]:
    if not contents:
        return
    free: queue.SimpleQueue[LoadedEncoder] = queue.SimpleQueue()
    for encoder in encoders:
        free.put(encoder)
    stop = threading.Event()

    def embed(content: Content) -> NDArray[np.float32]:
        if stop.is_set():
            raise StoppedError
        encoder = free.get()
        try:
            return embed_file(content.recording.path, encoder, hearing)
        except AudioSourceError as error:
            raise DatasetError(f"{title}: {error}") from error
        finally:
            free.put(encoder)

    with (
        logging_redirect_tqdm(),
        progress(total=len(contents), desc=f"embedding {title}", unit=" clips") as bar,
        closing(in_threads(embed, contents, len(encoders), stop)) as results,
    ):
        for content, vector in results:
            yield content, vector
            bar.update()
