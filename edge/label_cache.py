"""Prototypes made on the device, kept in the state directory, a file each; a damaged one counts as absent."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from edge.prototype_json import PlainPrototype
from edge.prototypes import Prototype
from edge.schema import build

METHOD_VERSION = 1
"""To be raised when `edge.prototypes` comes to make another prototype of the same text and pool."""
MAX_FILES = 512
"""Those used longest ago make room for new ones."""
_UNFINISHED = ".new-"
_ABANDONED_S = 3600.0
"""Nobody writes a file for this long: whoever began it was killed."""


def label_key(bundle_sha256: str, encoder: str, texts: Sequence[str]) -> str:
    """Name of all that a prototype depends on. The bundle's hash covers its encoders, pools and recipe."""
    parts = json.dumps([METHOD_VERSION, bundle_sha256, encoder, *texts])
    return hashlib.sha256(parts.encode()).hexdigest()


def read_kept(folder: Path, key: str) -> Prototype | None:
    """The prototype kept under a key; None if there is none, or none that is whole."""
    path = _path(folder, key)
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
        if digest.decode() != hashlib.sha256(content).hexdigest():
            return None
        kept: PlainPrototype = build(PlainPrototype, json.loads(content))
    except (OSError, ValueError):
        return None
    # Its time says when it was used last; where that cannot be written, it may make room too soon.
    with suppress(OSError):
        os.utime(path)
    return kept.prototype()


def keep(folder: Path, key: str, prototype: Prototype) -> None:
    """Keep a prototype under a key, whole or not at all. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(asdict(PlainPrototype.of(prototype))).encode()
    descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        Path(name).replace(_path(folder, key))
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    _make_room(folder)


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


def _make_room(folder: Path) -> None:
    abandoned_unix_s = time.time() - _ABANDONED_S
    unfinished = [
        path for used_unix_s, path in _by_use(folder, f"{_UNFINISHED}*") if used_unix_s < abandoned_unix_s
    ]
    for path in [*unfinished, *(path for _, path in _by_use(folder, "*.json")[:-MAX_FILES])]:
        with suppress(FileNotFoundError):  # another process removed it
            path.unlink()


def _by_use(folder: Path, pattern: str) -> list[tuple[float, Path]]:
    """When each file was used last, in seconds of Unix time, and the file; the longest ago first."""
    files = []
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            files.append((path.stat().st_mtime, path))
    return sorted(files)
