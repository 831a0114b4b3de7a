"""A bundle on disk: loaded only if every byte is as its manifest says, written only if it would load.

The format's one owner; docs/bundle-format.md describes it. Nothing of a bundle is executed or unpickled here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.bundle_arrays import (
    Golden,
    Prototypes,
    check_background,
    read_golden,
    read_pool,
    read_prototypes,
)
from edge.bundle_files import read_manifest, sha256_of, sync_folder, sync_folders, verify_file, write_file
from edge.errors import BundleError
from edge.labels import check_distinct
from edge.manifest import MANIFEST_NAME, EncoderEntry, FileEntry, LabelEntry, Manifest
from edge.manifest_entries import EXPORT_AGAIN, check_file_name
from edge.manifest_json import manifest_bytes, parse_manifest
from edge.prototypes import Pool
from edge.scoring import PrototypeSet

__all__ = ["Bundle", "EncoderEntry", "FileEntry", "LabelEntry", "Manifest", "load_bundle", "write_bundle"]


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle.

    Attributes:
        directory: where it lies.
        manifest: what it says of itself.
        sha256: of the bytes of manifest.json, and so of every file's.
        arrays: encoder name → its prototypes.
        goldens: encoder name → its golden log-mel and embedding.
    """

    directory: Path
    manifest: Manifest
    sha256: str
    arrays: Mapping[str, Prototypes]
    goldens: Mapping[str, Golden]

    def encoder_entry(self, name: str | None = None, *, for_gpu: bool = False) -> EncoderEntry:
        """Pick an encoder: by name, else the first meant for the device, else the first of all.

        Every encoder runs on either device; `meant_for` says where it runs best.

        Raises: BundleError if none has that name.
        """
        encoders = self.manifest.encoders
        if name is not None:
            for encoder in encoders:
                if encoder.name == name:
                    return encoder
            names = ", ".join(encoder.name for encoder in encoders)
            raise BundleError(f'{self.directory}: no encoder "{name}"; the bundle has: {names}')
        device = "gpu" if for_gpu else "cpu"
        return next((encoder for encoder in encoders if encoder.meant_for == device), encoders[0])

    def encoder_paths(self, entry: EncoderEntry) -> tuple[Path, ...]:
        """The encoder's files, the graph's first."""
        return tuple(self.directory / name for name in entry.files)

    def prototypes(self, entry: EncoderEntry) -> PrototypeSet:
        """The prototypes made with this encoder, under the labels' names in the manifest's order."""
        labels, arrays = self.manifest.labels, self.arrays[entry.name]
        return PrototypeSet(
            vectors=arrays.vectors,
            owners=arrays.owners.astype(np.intp),
            names=tuple(label.name for label in labels),
            background=tuple(label.kind == "background" for label in labels),
            rivals_groups=tuple(label.rivals_group for label in labels),
        )

    def golden(self, entry: EncoderEntry) -> Golden:
        """A log-mel and what this encoder must make of it."""
        return self.goldens[entry.name]

    def pool(self, entry: EncoderEntry) -> Pool | None:
        """Embeddings of unlabelled recordings by this encoder, read now; None if the bundle has none.

        Raises: BundleError.
        """
        if entry.pool is None:
            return None
        path = self.directory / entry.pool
        pool, made_with = read_pool(path, entry.embedding_dim)
        _check_maker(path, made_with, self.directory, self.manifest, entry)
        return pool

    def thresholds(self, entry: EncoderEntry) -> dict[str, float]:
        """Label name → on-threshold with this encoder, for all labels that can be listened for."""
        return {
            label.name: label.thresholds[entry.name]
            for label in self.manifest.labels
            if label.kind == "label"
        }


def load_bundle(directory: Path) -> Bundle:
    """Read and verify a bundle.

    Raises: BundleError, one line that says which file, what was expected, what was found and what to do.
    """
    data = read_manifest(directory)
    path = directory / MANIFEST_NAME
    manifest = parse_manifest(data, path)
    try:
        check_distinct(manifest.labels)
    except BundleError as error:
        raise BundleError(f"{path}: {error}; {EXPORT_AGAIN}") from error
    for name in manifest.referenced_files:
        if name not in manifest.files:
            raise BundleError(f'{path}: "{name}" is used, but files does not list it; {EXPORT_AGAIN}')
    for name, expected in manifest.files.items():
        verify_file(directory, name, expected)
    arrays = {entry.name: _load_prototypes(directory, manifest, entry) for entry in manifest.encoders}
    shape = (manifest.n_frames, manifest.log_mel.n_mels)
    goldens = {e.name: read_golden(directory / e.golden, *shape, e.embedding_dim) for e in manifest.encoders}
    if manifest.background is not None:
        check_background(directory / manifest.background, manifest.encoders[0].embedding_dim)
    return Bundle(directory, manifest, hashlib.sha256(data).hexdigest(), arrays, goldens)


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


def _load_prototypes(directory: Path, manifest: Manifest, entry: EncoderEntry) -> Prototypes:
    path = directory / entry.prototypes
    names = [label.name for label in manifest.labels]
    prototypes = read_prototypes(path, names, entry.embedding_dim)
    _check_maker(path, prototypes.encoder_sha256, directory, manifest, entry)
    return prototypes


def _check_maker(
    path: Path, found_sha256: str, directory: Path, manifest: Manifest, entry: EncoderEntry
) -> None:
    """Refuse arrays that were made with another encoder. Raises: BundleError."""
    if len(entry.files) == 1:
        made_with = manifest.files[entry.files[0]].sha256
    else:
        made_with = sha256_of([directory / name for name in entry.files])
    if found_sha256 != made_with:
        raise BundleError(
            f'{path} was made with another encoder than "{entry.name}": encoder_sha256 must be '
            f"{made_with[:12]}..., but is {ascii(found_sha256[:12])[1:-1]}...; {EXPORT_AGAIN}"
        )


def check_target(directory: Path, *, replace: bool) -> None:
    """Whether a bundle may be written there, which is best asked before it is made.

    replace: whether a bundle that is there already may be replaced.
    Raises: BundleError.
    """
    if not os.path.lexists(directory):
        return
    if not replace:
        raise BundleError(
            f"{directory} exists already; remove it, choose another place, or ask to replace it"
        )
    if not (directory / MANIFEST_NAME).is_file():
        raise BundleError(f"{directory} is not a bundle, so it is not replaced; choose another place")


def _load_staged(made: Path, directory: Path) -> Bundle:
    try:
        bundle = load_bundle(made)
        for entry in bundle.manifest.encoders:
            bundle.pool(entry)  # which a reader checks no sooner than it needs one
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
