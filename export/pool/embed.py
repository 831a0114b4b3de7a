"""Recordings → the pool, as each encoder hears it; what was embedded before is taken from the cache."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from tqdm.contrib.logging import logging_redirect_tqdm

from edge.prototypes import Pool
from export.pool.cache import EmbeddingCache
from export.pool.contents import Content, Skipped, read_contents
from export.pool.errors import PoolError
from export.pool.recordings import Recording
from export.pool.windows import WindowSettings, expected_windows
from export.pool.workers import PoolEncoder, RecordingEmbedder, Vectors, in_threads
from export.progress import progress

N_LISTED = 20
"""Of the recordings that were skipped, as many are named."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PoolEmbeddings:
    """A pool, as each encoder hears it.

    Attributes:
        pools: for each encoder's name; row by row the same windows in all of them.
        recordings: those in the pools, in the order of `Pool.names`.
        skipped: recordings that are not, and why, sorted by name.
        n_cached: how many of `recordings` every encoder had embedded before.
        n_duplicates: recordings left out because one in the pools holds the same bytes.
    """

    pools: Mapping[str, Pool]
    recordings: tuple[Recording, ...]
    skipped: tuple[Skipped, ...]
    n_cached: int
    n_duplicates: int


def embed_pool(
    recordings: Sequence[Recording],
    encoders: Mapping[str, PoolEncoder],
    settings: WindowSettings,
    cache: EmbeddingCache,
    *,
    n_workers: int = 1,
    show_progress: bool = False,
) -> PoolEmbeddings:
    """Embed what the cache doesn't hold yet, and store each recording in it as soon as it is done.

    recordings: at least one.
    encoders: at least one, by name.
    n_workers: how many recordings are embedded at a time, each in a thread.
    show_progress: bars on stderr, with an estimate of the time left.
    Raises: PoolError if no recording can be used, or the cache cannot be written; EncoderError. After these,
        and after KeyboardInterrupt, the same call goes on where it ended.
    """
    hide = not show_progress
    contents, skipped = read_contents(progress(recordings, "reading the pool", unit=" files", disable=hide))
    known = {content.sha256: _stored(content, encoders, settings, cache) for content in contents}
    pending = [content for content in contents if len(known[content.sha256]) < len(encoders)]
    if pending:
        logger.info("%d recordings to embed, %d embedded before", len(pending), len(contents) - len(pending))
    stop = threading.Event()
    n_windows = sum(expected_windows(content.recording.path, settings) for content in pending)
    with (
        logging_redirect_tqdm(),
        progress(
            total=n_windows, desc="embedding the pool", unit=" windows", disable=hide or not pending
        ) as bar,
    ):
        embedder = RecordingEmbedder(encoders, settings, bar.update, stop)
        jobs = ((content, known[content.sha256]) for content in pending)
        # Closed here, for otherwise the traceback of an error in this loop would keep the threads at work.
        with closing(in_threads(embedder, jobs, n_workers, stop)) as results:
            for (content, _), result in results:
                if isinstance(result, str):
                    skipped += [Skipped(name, result) for name in content.names]
                    continue
                by_sha256 = {encoders[name].sha256: vectors for name, vectors in result.items()}
                cache.put(content.sha256, settings.key, by_sha256)
                known[content.sha256].update(result)
    return _assembled(contents, known, list(encoders), skipped, {content.sha256 for content in pending})


def _stored(
    content: Content, encoders: Mapping[str, PoolEncoder], settings: WindowSettings, cache: EmbeddingCache
) -> Vectors:
    """What the cache holds of a recording; nothing, if the encoders were not given the same windows."""
    found = {name: cache.get(content.sha256, enc.sha256, settings.key) for name, enc in encoders.items()}
    vectors = {name: array for name, array in found.items() if array is not None}
    return vectors if len({len(array) for array in vectors.values()}) <= 1 else {}


def _assembled(
    contents: Sequence[Content],
    known: Mapping[str, Vectors],
    names: Sequence[str],
    skipped: Sequence[Skipped],
    embedded_now: set[str],
) -> PoolEmbeddings:
    unreadable = {name for name, _ in skipped}
    readable = [content for content in contents if content.recording.name not in unreadable]
    usable = [content for content in readable if len(known[content.sha256][names[0]])]
    silent = [
        Skipped(name, "holds nothing to hear: it is silent, or too quiet, throughout")
        for content in readable if not len(known[content.sha256][names[0]])
        for name in content.names
    ]  # fmt: skip
    all_skipped = tuple(sorted([*skipped, *silent]))
    if not usable:
        name, reason = all_skipped[0]
        raise PoolError(
            f"none of the pool's {len(all_skipped)} recordings can be used; the first, {name}: {reason}"
        )
    n_windows = [len(known[content.sha256][names[0]]) for content in usable]
    of_row = np.repeat(np.arange(len(usable), dtype=np.intp), n_windows)
    recordings = tuple(content.recording for content in usable)
    pools = {
        name: Pool(
            np.concatenate([known[content.sha256][name] for content in usable]),
            of_row,
            tuple(recording.name for recording in recordings),
        )
        for name in names
    }
    return PoolEmbeddings(
        pools,
        recordings,
        all_skipped,
        n_cached=sum(content.sha256 not in embedded_now for content in usable),
        n_duplicates=sum(len(content.duplicates) for content in usable),
    )


def summary(embedded: PoolEmbeddings) -> list[str]:
    """What a person should know of a pool, line by line."""
    n_windows = len(next(iter(embedded.pools.values())).recording)
    n_recordings, n_cached = len(embedded.recordings), embedded.n_cached
    lines = [f"pool: {n_recordings} recordings, {n_windows} windows; {n_cached} were embedded before"]
    if embedded.n_duplicates:
        lines.append(f"{embedded.n_duplicates} more hold the same bytes as others and are left out")
    if embedded.skipped:
        lines.append(f"{len(embedded.skipped)} could not be used:")
        lines += [f"  {name}: {reason}" for name, reason in embedded.skipped[:N_LISTED]]
        if len(embedded.skipped) > N_LISTED:
            lines.append(f"  and {len(embedded.skipped) - N_LISTED} more")
    return lines
