"""A bundle's files as bytes: there, whole and inside the bundle; written so that they survive a power cut."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from edge.errors import BundleError
from edge.manifest_entries import COPY_AGAIN, EXPORT_AGAIN, FileEntry
from edge.manifest_names import MANIFEST_NAME

MAX_MANIFEST_BYTES = 16 << 20


def sha256_of(files: Sequence[Path]) -> str:
    """Hash of the files' bytes, one file after another: what prototypes name their encoder by.

    Raises: OSError.
    """
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def read_sha256(files: Sequence[Path]) -> str:
    """`sha256_of` a bundle's files. Raises: BundleError."""
    try:
        return sha256_of(files)
    except OSError as error:
        raise _unreadable(files[0], error) from error


def read_manifest(directory: Path) -> bytes:
    """Bytes of a bundle's manifest.json.

    Raises: BundleError.
    """
    path = directory / MANIFEST_NAME
    try:
        if not directory.exists():
            raise BundleError(f"no bundle at {directory}: there is no such directory; check its name")
        if not directory.is_dir():
            raise BundleError(
                f"{directory} is not a directory; name the directory that holds {MANIFEST_NAME}"
            )
        if not path.is_file():
            raise BundleError(
                f"{directory} is not a bundle: it holds no file {MANIFEST_NAME}; name one that does"
            )
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise BundleError(
                f"{path} is larger than {MAX_MANIFEST_BYTES >> 20} MiB, so no manifest; {EXPORT_AGAIN}"
            )
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def check_file(directory: Path, name: str, expected: FileEntry) -> None:
    """Check that a file lies inside the bundle and has the size expected.

    Raises: BundleError.
    """
    path = directory / name
    try:
        if not path.resolve().is_relative_to(directory.resolve()):
            raise BundleError(f"{path} is a link that leads out of the bundle; {COPY_AGAIN}")
        if not path.exists():
            # Dangling, or in a circle, over which resolve() raises no more from Python 3.13 on.
            what = "is a link that leads nowhere" if path.is_symlink() else "is missing"
            raise BundleError(f"{path} {what}; {COPY_AGAIN}")
        if not path.is_file():
            raise BundleError(f"{path} is not a regular file; {COPY_AGAIN}")
        size = path.stat().st_size
        if size != expected.size_bytes:
            raise BundleError(f"{path} must have {expected.size_bytes} bytes, but has {size}; {COPY_AGAIN}")
    except RuntimeError as error:  # Python before 3.13: links lead in a circle
        raise BundleError(f"{path} is a link that leads nowhere; {COPY_AGAIN}") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def verify_content(directory: Path, name: str, expected: FileEntry) -> None:
    """Check that a file has the hash expected.

    Raises: BundleError.
    """
    path = directory / name
    found = read_sha256([path])
    if found != expected.sha256:
        raise BundleError(
            f"{path} is damaged: its sha256 must be {expected.sha256[:12]}..., "
            f"but is {found[:12]}...; {COPY_AGAIN}"
        )


def write_file(path: Path, content: bytes | Path) -> FileEntry:
    """Write bytes, or copy a file, through to the disk. Raises: OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        path.write_bytes(content)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return FileEntry(sha256_of([path]), path.stat().st_size)


def sync_folders(top: Path) -> None:
    """Write the entries of a folder and of all below it through to the disk. Raises: OSError."""
    for folder, _, _ in os.walk(top):
        sync_folder(Path(folder))


def sync_folder(folder: Path) -> None:
    """Write a folder's entries through to the disk. Raises: OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable(path: Path, error: OSError) -> BundleError:
    return BundleError(
        f"{path} cannot be read: {error.strerror or error}; check its permissions and its disk"
    )
