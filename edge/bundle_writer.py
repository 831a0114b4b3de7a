"""A bundle written to disk: only if it would load, whole or not at all."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from edge.bundle import Bundle, load_bundle
from edge.bundle_files import sync_folder, sync_folders, write_file
from edge.errors import BundleError
from edge.manifest import Manifest
from edge.manifest_json import manifest_bytes
from edge.manifest_names import MANIFEST_NAME, check_file_name


def check_target(directory: Path, *, replace: bool) -> None:
    """Whether a bundle may be written there, which is best asked before it is made.

    replace: whether a bundle that is there already may be replaced.
    Raises: BundleError.
    """
    if os.path.lexists(directory):
        if not (directory / MANIFEST_NAME).is_file():
            raise BundleError(
                f"{directory} exists and is not a bundle, so it is not replaced; choose another place"
            )
        if not replace:
            raise BundleError(
                f"{directory} exists already; remove it, choose another place, or ask to --replace it"
            )
    parent = next(folder for folder in directory.absolute().parents if os.path.lexists(folder))
    try:
        # Tried, for permissions tell neither of a disk that is read-only nor of a superuser's rights.
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=parent):
            pass
    except OSError as error:
        raise BundleError(
            f"{directory} cannot be written: {parent}: {error.strerror or error}; choose another place"
        ) from error


def write_bundle(
    directory: Path, manifest: Manifest, files: Mapping[str, bytes | Path], *, replace: bool = False
) -> Bundle:
    """Write a bundle, so that `directory` holds all of it or is as it was.

    It is made beside `directory`, loaded and verified there, and renamed into place. The same input gives the
    same bytes.

    Args:
        directory: the bundle's new place; its parents are made.
        manifest: whose `files` is ignored: hashes and sizes are taken from `files`.
        files: path in the bundle → its bytes, or the file to copy.
        replace: remove a bundle that is there already, once the new one is in place.

    Raises: BundleError if something else is there, the disk refuses, or the bundle would not load.
    """
    check_target(directory, replace=replace)
    for name in files:
        check_file_name(name)
    staging: Path | None = None
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", dir=directory.parent))
        # A folder of its own inside, because mkdtemp's is closed to all other users.
        made = staging / "new"
        made.mkdir()
        entries = {name: write_file(made / name, files[name]) for name in sorted(files)}
        write_file(made / MANIFEST_NAME, manifest_bytes(dataclasses.replace(manifest, files=entries)))
        bundle = _load_staged(made, directory)
        sync_folders(made)
        _install(made, directory, staging / "old")
    except OSError as error:
        raise BundleError(
            f"{directory} cannot be written: {error}; free the disk or choose another place"
        ) from error
    finally:
        # Where even the old bundle could not be put back, `staging` holds the only copy.
        if staging is not None and not (os.path.lexists(staging / "old") and not os.path.lexists(directory)):
            shutil.rmtree(staging, ignore_errors=True)
    return bundle


def _load_staged(made: Path, directory: Path) -> Bundle:
    try:
        bundle = load_bundle(made)
        bundle.verify()
        return dataclasses.replace(bundle, directory=directory)
    except BundleError as error:
        raise BundleError(f"not written: {error}".replace(str(made), str(directory))) from error


def _install(made: Path, directory: Path, old: Path) -> None:
    """Rename `made` to `directory`, moving what is there to `old`; on failure put it back."""
    is_replacing = os.path.lexists(directory)
    if is_replacing:
        directory.rename(old)
    try:
        made.rename(directory)
    except BaseException:
        if is_replacing:
            old.rename(directory)
        raise
    sync_folder(directory.parent)
