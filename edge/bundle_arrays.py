"""What the bundle's npz files hold: each array checked for all that docs/bundle-format.md says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError
from edge.manifest_entries import EXPORT_AGAIN
from edge.npz_file import check_array, check_norms, decode, kind_of, npz_bytes, read_npz, read_text
from edge.prototypes import LEAST_RECORDINGS, Pool
from edge.types import Embedding, LogMel

__all__ = [
    "Golden",
    "Prototypes",
    "npz_bytes",
    "read_golden",
    "read_pool",
    "read_prototypes",
]

NORM_TOLERANCE = 1e-3
# Half precision rounds each value by up to 5e-4 of itself.
POOL_NORM_TOLERANCE = 2e-3
# The golden embedding is what the graph yielded, at its own precision.
GOLDEN_NORM_TOLERANCE = 1e-2


@dataclass(frozen=True, eq=False)
class Prototypes:
    """What a prototypes file holds.

    Attributes:
        vectors: (n_prototypes, embedding_dim) float32, unit L2 norms.
        owners: (n_prototypes,) int32 index into the manifest's labels, ascending.
        encoder_sha256: of the encoder that made them, see `bundle_files.sha256_of`.
    """

    vectors: NDArray[np.float32]
    owners: NDArray[np.int32]
    encoder_sha256: str


@dataclass(frozen=True, eq=False)
class Golden:
    """What an encoder must reproduce.

    Attributes:
        log_mel: (n_frames, n_mels) float32.
        embedding: (embedding_dim,) float32, unit L2 norm: what it yielded for `log_mel` when exported.
    """

    log_mel: LogMel
    embedding: Embedding


def read_prototypes(path: Path, labels: Sequence[str], embedding_dim: int) -> Prototypes:
    """Read the prototypes of `labels`, the manifest's names in its order.

    Raises: BundleError.
    """
    arrays = read_npz(path, ("vectors", "owners", "encoder_sha256"))
    vectors, owners, maker = arrays["vectors"], arrays["owners"], arrays["encoder_sha256"]
    check_array(path, "vectors", vectors, np.float32, (None, embedding_dim))
    check_array(path, "owners", owners, np.int32, (len(vectors),))
    encoder_sha256 = read_text(path, "encoder_sha256", maker)
    check_norms(path, "vectors", vectors, NORM_TOLERANCE)
    if np.any((owners < 0) | (owners >= len(labels))):
        raise BundleError(
            f"{path}: owners must be within 0 and {len(labels) - 1}, one per label; {EXPORT_AGAIN}"
        )
    if np.any(np.diff(owners) < 0):
        raise BundleError(f"{path}: owners are not in ascending order; {EXPORT_AGAIN}")
    without = sorted(set(range(len(labels))) - set(owners.tolist()))
    if without:
        raise BundleError(f"{path}: label {labels[without[0]]!a} has no prototype; {EXPORT_AGAIN}")
    return Prototypes(vectors, owners, encoder_sha256)


def read_golden(path: Path, n_frames: int, n_mels: int, embedding_dim: int) -> Golden:
    """Read a golden file.

    Raises: BundleError.
    """
    arrays = read_npz(path, ("log_mel", "embedding"))
    check_array(path, "log_mel", arrays["log_mel"], np.float32, (n_frames, n_mels))
    check_array(path, "embedding", arrays["embedding"], np.float32, (embedding_dim,))
    check_norms(path, "embedding", arrays["embedding"][None], GOLDEN_NORM_TOLERANCE)
    return Golden(arrays["log_mel"], arrays["embedding"])


def read_pool(path: Path, embedding_dim: int) -> tuple[Pool, str]:
    """Read a pool, its rows brought to unit norm in single precision.

    Returns: the pool, and the hash of the encoder that made it.
    Raises: BundleError.
    """
    arrays = read_npz(path, ("embeddings", "recording", "names", "encoder_sha256"))
    rows, recording, names = arrays["embeddings"], arrays["recording"], arrays["names"]
    check_array(path, "embeddings", rows, np.float16, (None, embedding_dim))
    check_array(path, "recording", recording, np.int32, (len(rows),))
    encoder_sha256 = read_text(path, "encoder_sha256", arrays["encoder_sha256"])
    check_norms(path, "embeddings", rows, POOL_NORM_TOLERANCE)
    _check_recordings(path, recording, names)
    embeddings = rows.astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Pool(embeddings, recording.astype(np.intp), tuple(map(decode, names))), encoder_sha256


def _check_recordings(path: Path, recording: NDArray[np.int32], names: NDArray[Any]) -> None:
    steps = np.diff(recording.astype(np.int64), prepend=-1)
    wrong = (steps < 0) | (steps > 1)
    wrong[0] = steps[0] != 1
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise BundleError(
            f"{path}: recording must ascend from 0 without gaps, "
            f"but row {row} holds {recording[row]}; {EXPORT_AGAIN}"
        )
    n_recordings = int(recording[-1]) + 1
    if names.dtype.kind != "U" or names.shape != (n_recordings,):
        raise BundleError(
            f"{path}: names must be text ({n_recordings}), not {kind_of(names)}; {EXPORT_AGAIN}"
        )
    if n_recordings < LEAST_RECORDINGS:
        raise BundleError(
            f"{path}: a pool needs {LEAST_RECORDINGS} recordings, but has {n_recordings}; {EXPORT_AGAIN}"
        )
