"""An npz file, written the same way each time, read without pickle, its arrays checked one by one."""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError, first_line
from edge.manifest_entries import COPY_AGAIN, EXPORT_AGAIN


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


def read_npz(path: Path, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
    """Read a file that holds exactly the arrays named.

    Raises: BundleError.
    """
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
        raise BundleError(f"{path} is not a readable npz file ({first_line(error)}); {COPY_AGAIN}") from error


def _parse_npy(path: Path, name: str, data: bytes) -> NDArray[Any]:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError as error:
        raise BundleError(
            f"{path}: {name} is not an npy array ({first_line(error)}); {EXPORT_AGAIN}"
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


def check_array(
    path: Path, name: str, array: NDArray[Any], dtype: type[np.generic], shape: tuple[int | None, ...]
) -> None:
    """Check dtype, shape (None: any length but 0) and finiteness. Raises: BundleError."""
    fits = len(shape) == array.ndim and all(
        have > 0 if want is None else have == want for have, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        wanted = f"{np.dtype(dtype).name} ({', '.join('n' if n is None else str(n) for n in shape)})"
        raise BundleError(f"{path}: {name} must be {wanted}, not {kind_of(array)}; {EXPORT_AGAIN}")
    if not np.all(np.isfinite(array)):
        raise BundleError(f"{path}: {name} holds a value that is not finite; {EXPORT_AGAIN}")


def check_norms(path: Path, name: str, vectors: NDArray[np.floating[Any]], tolerance: float) -> None:
    """Check that rows have unit L2 norm. Raises: BundleError."""
    # In double precision without a copy in it, which a pool could be too large for.
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    worst = int(np.argmax(np.abs(norms - 1.0)))
    if abs(norms[worst] - 1.0) > tolerance:
        raise BundleError(
            f"{path}: {name} row {worst} must have norm 1, but has {norms[worst]:.6g}; {EXPORT_AGAIN}"
        )


def read_text(path: Path, name: str, array: NDArray[Any]) -> str:
    """The one text that an array holds. Raises: BundleError."""
    if array.shape != () or array.dtype.kind != "U":
        raise BundleError(f"{path}: {name} must be a single text, not {kind_of(array)}; {EXPORT_AGAIN}")
    return decode(array)


def decode(text: NDArray[np.str_] | np.str_) -> str:
    """A text of an array, whatever its bytes: str() raises over those that are none."""
    return np.asarray(text).tobytes().decode("utf-32-le", "replace").rstrip("\0")


def kind_of(array: NDArray[Any]) -> str:
    """An array's dtype and shape, for messages."""
    return f"{array.dtype.name} ({', '.join(map(str, array.shape))})"


def _listed(members: Sequence[str]) -> str:
    return ascii(", ".join(members)) if members else "nothing"
