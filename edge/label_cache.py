"""Prototypes made on the device, kept in the state directory, a file each; a damaged one counts as absent."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edge.prototypes import Prototype
from edge.schema import build

METHOD_VERSION = 1
"""To be raised when `edge.prototypes` comes to make another prototype of the same text and pool."""
MAX_FILES = 512
"""The oldest make room for new ones."""


@dataclass(frozen=True)
class _Kept:
    vector: tuple[float, ...]
    rows: tuple[int, ...]
    threshold: float
    headroom: float | None
    note: str | None


def label_key(bundle_sha256: str, encoder: str, texts: Sequence[str]) -> str:
    """Name of all that a prototype depends on. The bundle's hash covers its encoders, pools and recipe."""
    parts = json.dumps([METHOD_VERSION, bundle_sha256, encoder, *texts])
    return hashlib.sha256(parts.encode()).hexdigest()


def read_kept(folder: Path, key: str) -> Prototype | None:
    """The prototype kept under a key; None if there is none, or none that is whole."""
    try:
        digest, _, content = _path(folder, key).read_bytes().partition(b"\n")
        if digest.decode() != hashlib.sha256(content).hexdigest():
            return None
        kept: _Kept = build(_Kept, json.loads(content))
    except (OSError, ValueError):
        return None
    vector, rows = np.array(kept.vector, np.float32), np.array(kept.rows, np.intp)
    return Prototype(vector, rows, kept.threshold, kept.headroom, kept.note)


def keep(folder: Path, key: str, prototype: Prototype) -> None:
    """Keep a prototype under a key, whole or not at all. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = _Kept(
        tuple(prototype.vector.tolist()),
        tuple(prototype.rows.tolist()),
        prototype.threshold,
        prototype.headroom,
        prototype.note,
    )
    content = json.dumps(asdict(kept)).encode()
    descriptor, name = tempfile.mkstemp(prefix=".", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        Path(name).replace(_path(folder, key))
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    _drop_oldest(folder)


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


def _drop_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for path in files[:-MAX_FILES]:
        with suppress(FileNotFoundError):  # another process dropped it
            path.unlink()
