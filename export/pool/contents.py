"""Recordings by what is in them: the same bytes under two names are one recording."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from export.pool.recordings import Recording

_CHUNK_BYTES = 1 << 20


class FileState(NamedTuple):
    """By what a changed file is told from an unchanged one."""

    size_bytes: int
    modified_ns: int


class Skipped(NamedTuple):
    """A recording that is not in the pool, and why: a phrase to follow its name and a colon."""

    name: str
    reason: str


@dataclass(eq=False)
class Content:
    """One file's bytes.

    Attributes:
        sha256: of them.
        recording: the first that holds them.
        state: of that file when its bytes were read.
        duplicates: names of the others that hold the same.
    """

    sha256: str
    recording: Recording
    state: FileState
    duplicates: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all recordings that hold it."""
        return self.recording.name, *self.duplicates


def file_state(path: Path) -> FileState:
    """Raises: OSError."""
    status = path.stat()
    return FileState(status.st_size, status.st_mtime_ns)


def read_contents(recordings: Iterable[Recording]) -> tuple[list[Content], list[Skipped]]:
    """Read every recording through.

    Returns: the contents, in the order of their first recordings, and what could not be read.
    """
    contents: dict[str, Content] = {}
    skipped = []
    for recording in recordings:
        try:
            state = file_state(recording.path)
            sha256 = _sha256(recording.path)
        except OSError as error:
            skipped.append(Skipped(recording.name, unreadable(error)))
            continue
        known = contents.setdefault(sha256, Content(sha256, recording, state))
        if known.recording is not recording:
            known.duplicates.append(recording.name)
    return list(contents.values()), skipped


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def unreadable(error: OSError) -> str:
    """Why a file is skipped, as a phrase."""
    return f"{(error.strerror or str(error)).lower()}; check the file and who may read it"
