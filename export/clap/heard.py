"""What one encoder makes of the labels and the pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.prototypes import Pool, Prototype
from export.clap.encoders import AudioGraph
from export.clap.label_prototypes import kin_by_neighbours, make_prototypes
from export.clap.label_texts import LabelTexts
from export.pool.embed import PoolEmbeddings

MAX_POOL_WINDOWS = 20_000
"""Of the pool that goes into a bundle, evenly spread; and as many first windows of recordings."""


@dataclass(frozen=True, eq=False)
class Heard:
    """Labels and pool as one encoder hears them.

    Attributes:
        graph: the encoder.
        prototypes: of each label, then of each background.
        kin: (n_labels, n_backgrounds) bool, which backgrounds the labels could not beat where they are right.
        pool: for the bundle, so that the device can make labels; or None.
        used: numbers of the recordings that prototypes or this pool hold something of, ascending.
    """

    graph: AudioGraph
    prototypes: Sequence[Prototype]
    kin: NDArray[np.bool_]
    pool: Pool | None
    used: NDArray[np.intp]


def hear(graph: AudioGraph, texts: LabelTexts, embedded: PoolEmbeddings | None, *, with_pool: bool) -> Heard:
    """Make the prototypes.

    with_pool: whether the pool goes into the bundle; of a large one, windows evenly spread.
    """
    pool = None if embedded is None else embedded.pools[graph.precision]
    prototypes = make_prototypes(texts, pool)
    kin = kin_by_neighbours(prototypes, len(texts.labels), pool)
    if pool is None:
        return Heard(graph, prototypes, kin, None, np.zeros(0, np.intp))
    rows = [prototype.rows for prototype in prototypes]
    if not with_pool:
        return Heard(graph, prototypes, kin, None, np.unique(pool.recording[np.concatenate(rows)]))
    # Evenly spread windows could miss all short recordings beside a long one.
    first_windows = np.unique(pool.recording, return_index=True)[1]
    spread = np.union1d(_spread(np.arange(len(pool.recording))), _spread(first_windows))
    used = np.unique(pool.recording[np.concatenate([*rows, spread])])
    return Heard(graph, prototypes, kin, _part(pool, spread), used)


def _spread(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    return rows[:: -(-len(rows) // MAX_POOL_WINDOWS)]


def _part(pool: Pool, rows: NDArray[np.intp]) -> Pool:
    """Some of a pool's windows, with their recordings."""
    recordings, recording = np.unique(pool.recording[rows], return_inverse=True)
    names = tuple(pool.names[number] for number in recordings)
    return Pool(pool.embeddings[rows], recording.astype(np.intp), names)
