"""The bundle's npz files: written the same way each time, read without pickle, checked before use."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError
from edge.manifest import COPY_AGAIN, EXPORT_AGAIN
from edge.types import Embedding, LogMel

NORM_TOLERANCE = 1e-3
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


def npz_bytes(**arrays: object) -> bytes:
    """An npz file, uncompressed: the same bytes for the same arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array), version=(1, 0), allow_pickle=False)
            # A ZipInfo made from a name alone has a fixed date; np.savez leaves that to Python.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def read_prototypes(path: Path, labels: Sequence[str], embedding_dim: int) -> Prototypes:
    """Read the prototypes of `labels`, the manifest's names in its order.

    Raises: BundleError.
    """
    arrays = _read_npz(path, ("vectors", "owners", "encoder_sha256"))
    vectors, owners, maker = arrays["vectors"], arrays["owners"], arrays["encoder_sha256"]
    _check_array(path, "vectors", vectors, np.float32, (None, embedding_dim))
    _check_array(path, "owners", owners, np.int32, (len(vectors),))
    if maker.shape != () or maker.dtype.kind != "U":
        raise BundleError(f"{path}: encoder_sha256 must be a single text, not {_kind(maker)}; {EXPORT_AGAIN}")
    _check_norms(path, "vectors", vectors, NORM_TOLERANCE)
    if np.any((owners < 0) | (owners >= len(labels))):
        raise BundleError(
            f"{path}: owners must be within 0 and {len(labels) - 1}, one per label; {EXPORT_AGAIN}"
        )
    if np.any(np.diff(owners) < 0):
        raise BundleError(f"{path}: owners are not in ascending order; {EXPORT_AGAIN}")
    without = sorted(set(range(len(labels))) - set(owners.tolist()))
    if without:
        raise BundleError(f"{path}: label {labels[without[0]]!a} has no prototype; {EXPORT_AGAIN}")
    return Prototypes(vectors, owners, maker.tobytes().decode("utf-32-le", "replace"))


def read_golden(path: Path, n_frames: int, n_mels: int, embedding_dim: int) -> Golden:
    """Read a golden file.

    Raises: BundleError.
    """
    arrays = _read_npz(path, ("log_mel", "embedding"))
    _check_array(path, "log_mel", arrays["log_mel"], np.float32, (n_frames, n_mels))
    _check_array(path, "embedding", arrays["embedding"], np.float32, (embedding_dim,))
    _check_norms(path, "embedding", arrays["embedding"][None], GOLDEN_NORM_TOLERANCE)
    return Golden(arrays["log_mel"], arrays["embedding"])


def check_background(path: Path, embedding_dim: int) -> None:
    """Check a file of background embeddings, as docs/bundle-format.md describes it.

    Raises: BundleError.
    """
    arrays = _read_npz(path, ("embeddings", "stream", "weight", "duration_s"))
    n_rows = len(np.atleast_1d(arrays["embeddings"]))
    _check_array(path, "embeddings", arrays["embeddings"], np.float16, (None, embedding_dim))
    _check_array(path, "stream", arrays["stream"], np.int32, (n_rows,))
    _check_array(path, "weight", arrays["weight"], np.float32, (n_rows,))
    _check_array(path, "duration_s", arrays["duration_s"], np.float64, ())
    for name in ("stream", "weight"):
        if np.any(arrays[name] < 0):
            raise BundleError(f"{path}: {name} must not be negative; {EXPORT_AGAIN}")
    if not arrays["duration_s"] > 0:
        raise BundleError(f"{path}: duration_s must be above 0, not {arrays['duration_s']}; {EXPORT_AGAIN}")


def _read_npz(path: Path, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    expected = sorted(f"{name}.npy" for name in names)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            found = sorted(member.filename for member in members)
            if found != expected:
                raise BundleError(
                    f"{path} must hold {_listed(expected)}, but holds {_listed(found)}; {EXPORT_AGAIN}"
                )
            # What is stored plainly cannot unpack to more than the file's own checked size.
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise BundleError(f"{path} is compressed; its arrays must be stored plainly; {EXPORT_AGAIN}")
            return {name: _parse_npy(path, name, archive.read(f"{name}.npy")) for name in names}
    except (zipfile.BadZipFile, UnicodeDecodeError, struct.error, EOFError, RuntimeError, OSError) as error:
        raise BundleError(
            f"{path} is not a readable npz file ({_first_line(error)}); {COPY_AGAIN}"
        ) from error


def _parse_npy(path: Path, name: str, data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError as error:
        raise BundleError(
            f"{path}: {name} is not an npy array ({_first_line(error)}); {EXPORT_AGAIN}"
        ) from error
    if version != (1, 0):
        raise BundleError(f"{path}: {name} is in an unknown version of the npy format; {EXPORT_AGAIN}")
    if dtype.hasobject:
        raise BundleError(f"{path}: {name} holds pickled objects, which are never read; {EXPORT_AGAIN}")
    n_bytes, n_expected = len(data) - stream.tell(), math.prod(shape) * dtype.itemsize
    if n_bytes != n_expected or dtype.itemsize == 0:
        raise BundleError(
            f"{path}: {name} needs {n_expected} bytes for its shape, not {n_bytes}; {EXPORT_AGAIN}"
        )
    array: NDArray[Any] = np.ndarray(shape, dtype, data, stream.tell(), order="F" if is_fortran else "C")
    return array


def _check_array(
    path: Path, name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int | None, ...]
) -> None:
    """Check dtype, shape (None: any length but 0) and finiteness."""
    fits = len(shape) == array.ndim and all(
        have > 0 if want is None else have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        wanted = f"{np.dtype(dtype).name} ({', '.join('n' if n is None else str(n) for n in shape)})"
        raise BundleError(f"{path}: {name} must be {wanted}, not {_kind(array)}; {EXPORT_AGAIN}")
    if not np.all(np.isfinite(array)):
        raise BundleError(f"{path}: {name} holds a value that is not finite; {EXPORT_AGAIN}")


def _check_norms(path: Path, name: str, vectors: NDArray[np.float32], tolerance: float) -> None:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    worst = int(np.argmax(np.abs(norms - 1.0)))
    if abs(norms[worst] - 1.0) > tolerance:
        raise BundleError(
            f"{path}: {name} row {worst} must have norm 1, but has {norms[worst]:.6g}; {EXPORT_AGAIN}"
        )


def _kind(array: NDArray[Any]) -> str:
    return f"{array.dtype.name} ({', '.join(map(str, array.shape))})"


def _listed(members: Sequence[str]) -> str:
    return ascii(", ".join(members)) if members else "nothing"


def _first_line(error: BaseException) -> str:
    return ascii(str(error)).strip("'\"")[:120]
