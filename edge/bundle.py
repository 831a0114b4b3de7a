"""A bundle on disk: nothing of it is used but what its manifest says, byte for byte.

The format's one owner; docs/bundle-format.md describes it. Nothing of a bundle is executed or unpickled here.
`edge.bundle_writer` writes one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.background import Background, read_background
from edge.bundle_arrays import (
    Golden,
    Prototypes,
    read_golden,
    read_pool,
    read_prototypes,
)
from edge.bundle_files import check_file, read_manifest, read_sha256, verify_content
from edge.errors import BundleError
from edge.labels import check_distinct
from edge.manifest import EncoderEntry, Manifest, TextEncoderEntry
from edge.manifest_entries import EXPORT_AGAIN
from edge.manifest_json import parse_manifest
from edge.manifest_names import MANIFEST_NAME
from edge.prototypes import Pool
from edge.scoring import PrototypeSet


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle, verified but for its large files: what it gives of these is verified when it is asked for.

    Attributes:
        directory: where it lies.
        manifest: what it says of itself.
        sha256: of the bytes of manifest.json, and so of every file's.
        arrays: encoder name → its prototypes.
        goldens: encoder name → its golden log-mel and embedding.
        background_maker: hash of the encoder that made the background; None if the bundle has none.
    """

    directory: Path
    manifest: Manifest
    sha256: str
    arrays: Mapping[str, Prototypes]
    goldens: Mapping[str, Golden]
    background_maker: str | None

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

    def verified_encoder(self, entry: EncoderEntry) -> tuple[Path, ...]:
        """The encoder's files, the graph's first, their hashes found right.

        Raises: BundleError if one is damaged, or the prototypes were made with another encoder.
        """
        paths = self._verified(entry.files)
        self._check_maker(entry, entry.prototypes, self.arrays[entry.name].encoder_sha256)
        if self.background_maker is not None and entry is self.manifest.encoders[0]:
            self._check_maker(entry, self.manifest.background or "", self.background_maker)
        return paths

    def verified_text_encoder(self, entry: TextEncoderEntry) -> tuple[Path, Path]:
        """The text encoder's graph and its tokenizer, their hashes found right.

        Raises: BundleError if one is damaged.
        """
        graph, *_, tokenizer = self._verified((*entry.files, entry.tokenizer))
        return graph, tokenizer

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

    @property
    def background(self) -> Background | None:
        """What false alarms are counted in, by the first encoder, read each time; None if there is none.

        Raises: BundleError if it was changed since the bundle was verified.
        """
        return _background(self.directory, self.manifest)

    def golden(self, entry: EncoderEntry) -> Golden:
        """A log-mel and what this encoder must make of it."""
        return self.goldens[entry.name]

    def pool(self, entry: EncoderEntry) -> Pool | None:
        """Embeddings of unlabelled recordings by this encoder, read now; None if the bundle has none.

        Raises: BundleError.
        """
        if entry.pool is None:
            return None
        (path,) = self._verified((entry.pool,))
        pool, made_with = read_pool(path, entry.embedding_dim)
        self._check_maker(entry, entry.pool, made_with)
        return pool

    def verify(self) -> None:
        """Verify all that is otherwise verified where it is used.

        Raises: BundleError.
        """
        for entry in self.manifest.encoders:
            self.verified_encoder(entry)
            self.pool(entry)
        if self.manifest.text_encoder is not None:
            self.verified_text_encoder(self.manifest.text_encoder)

    def thresholds(self, entry: EncoderEntry) -> dict[str, float]:
        """Label name → on-threshold with this encoder, for all labels that can be listened for."""
        return {
            label.name: label.thresholds[entry.name]
            for label in self.manifest.labels
            if label.kind == "label"
        }

    def _verified(self, names: Sequence[str]) -> tuple[Path, ...]:
        for name in names:
            verify_content(self.directory, name, self.manifest.files[name])
        return tuple(self.directory / name for name in names)

    def _check_maker(self, entry: EncoderEntry, name: str, found_sha256: str) -> None:
        """Refuse arrays that were made with another encoder. Raises: BundleError."""
        made_with = self.manifest.files[entry.files[0]].sha256
        if len(entry.files) > 1:
            made_with = read_sha256([self.directory / file for file in entry.files])
        if found_sha256 != made_with:
            raise BundleError(
                f'{self.directory / name} was made with another encoder than "{entry.name}": encoder_sha256 '
                f"must be {made_with[:12]}..., but is {ascii(found_sha256[:12])[1:-1]}...; {EXPORT_AGAIN}"
            )


def load_bundle(directory: Path) -> Bundle:
    """Read a bundle and verify it, but for the content of what is verified where it is used.

    Raises: BundleError, one line that says which file, what was expected, what was found and what to do.
    """
    data = read_manifest(directory)
    path = directory / MANIFEST_NAME
    manifest = parse_manifest(data, path)
    try:
        check_distinct(manifest.labels)
    except BundleError as error:
        raise BundleError(f"{path}: {error}; {EXPORT_AGAIN}") from error
    for name in (*manifest.files_at_start, *manifest.files_in_use):
        if name not in manifest.files:
            raise BundleError(f'{path}: "{name}" is used, but files does not list it; {EXPORT_AGAIN}')
    for name, expected in manifest.files.items():
        check_file(directory, name, expected)
    for name in manifest.files_at_start:
        verify_content(directory, name, manifest.files[name])
    names = [label.name for label in manifest.labels]
    arrays = {
        e.name: read_prototypes(directory / e.prototypes, names, e.embedding_dim) for e in manifest.encoders
    }
    shape = (manifest.n_frames, manifest.log_mel.n_mels)
    goldens = {e.name: read_golden(directory / e.golden, *shape, e.embedding_dim) for e in manifest.encoders}
    background = _background(directory, manifest)
    maker = None if background is None else background.encoder_sha256
    return Bundle(directory, manifest, hashlib.sha256(data).hexdigest(), arrays, goldens, maker)


def _background(directory: Path, manifest: Manifest) -> Background | None:
    if manifest.background is None:
        return None
    path, embedding_dim = directory / manifest.background, manifest.encoders[0].embedding_dim
    return read_background(path, embedding_dim, len(manifest.labels))
