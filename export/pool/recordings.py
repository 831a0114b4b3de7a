"""Which files of a folder are the pool's recordings: every audio file at any depth.

A downloaded ESC-50, UrbanSound8K or FSD50K needs no more than that: what else they hold is text.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from export.pool.errors import PoolError

READABLE = (
    *(".aif", ".aifc", ".aiff", ".au", ".bwf", ".caf", ".flac", ".mp3"),
    *(".oga", ".ogg", ".opus", ".rf64", ".snd", ".w64", ".wav", ".wave"),
)
"""Endings of what soundfile reads."""
UNREADABLE = (".3gp", ".aac", ".ac3", ".amr", ".ape", ".m4a", ".mka", ".wma", ".wv")
"""Endings of audio that it does not: listed all the same, so that a person is told to convert it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """A file of the pool.

    Attributes:
        name: its path within the pool, with "/" between the parts; the same on every machine.
        path: where it lies.
    """

    name: str
    path: Path


def find_recordings(place: Path) -> list[Recording]:
    """List a folder's audio files, at any depth, sorted by name.

    Links are followed, a loop of them once. Hidden files and folders, and `__MACOSX`, are left out; a folder
    that may not be listed is, with a warning.

    Raises: PoolError if `place` is no folder, or there is no audio in it.
    """
    if not place.is_dir():
        what = "is not a folder" if place.exists() else "does not exist"
        raise PoolError(f"{place} {what}: the pool is a folder of recordings")
    recordings = sorted(
        (Recording(_name(path, place), path) for path in _audio_files(place)), key=lambda r: r.name
    )
    if not recordings:
        raise PoolError(
            f"{place} holds no audio: put recordings there (wav, flac, ogg, mp3, aiff …), "
            "or name another folder"
        )
    return recordings


def _audio_files(place: Path) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, files in os.walk(place, followlinks=True, onerror=_warn):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        # In order, so that of two ways to a folder it is always the same that counts.
        subfolders[:] = sorted(name for name in subfolders if not _is_left_out(name))
        for name in files:
            path = Path(folder, name)
            is_audio = path.suffix.lower() in READABLE + UNREADABLE and not _is_left_out(name)
            # A broken link is kept, to be listed as unreadable; opening a named pipe would wait for ever.
            if is_audio and (path.is_file() or not path.exists()):
                yield path


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _warn(error: OSError) -> None:
    logger.warning("%s cannot be listed, so what it holds is left out: %s", error.filename, error.strerror)


def _name(path: Path, place: Path) -> str:
    # A name that is not UTF-8 could be written into no manifest.
    return os.fsencode(path.relative_to(place).as_posix()).decode("utf-8", "backslashreplace")
