"""A folder of numbered states, 000012.overlay: the highest is the current one, the newest ten are kept.

A state is never written over: the next one is written beside it, through to the disk, and then renamed into
place. So reading needs no lock, and a kill or a power cut leaves the old state or the new one. Writers must
keep each other out.
"""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from pathlib import Path

from edge.bundle_files import sync_folder
from edge.overlay.whole_file import UNFINISHED, write_new_file

KEPT = 10
_NAME = re.compile(r"([0-9]{6,})\.overlay")
_TRIES = 10


def numbered(folder: Path) -> list[Path]:
    """All states, the oldest first; none if there is no such folder. Raises: OSError."""
    try:
        paths = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(paths, key=number_of)


def number_of(path: Path) -> int:
    """The number of a state. Raises: ValueError if it is the path of none."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path} is not a numbered state")
    return int(match[1])


def read_file(path: Path, max_bytes: int) -> bytes:
    """A file's bytes; of a larger one the first `max_bytes` + 1, so that it shows. Raises: OSError."""
    with path.open("rb") as file:
        return file.read(max_bytes + 1)


def read_current(folder: Path, max_bytes: int) -> tuple[Path, bytes] | None:
    """The current state, as `read_file`; None if there is none. Raises: OSError."""
    for _ in range(_TRIES):
        paths = numbered(folder)
        if not paths:
            return None
        with suppress(FileNotFoundError):  # removed since it was listed
            return paths[-1], read_file(paths[-1], max_bytes)
    raise FileNotFoundError(errno.ENOENT, f"{paths[-1].name} is listed, but not there")


def add_state(folder: Path, data: bytes) -> None:
    """Make this the current state, whole or not at all. Raises: OSError; then nothing has changed."""
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)
    _clear_unfinished(folder)
    before = numbered(folder)
    new = folder / f"{number_of(before[-1]) + 1 if before else 1:06d}.overlay"
    write_new_file(new, data)
    for path in before[: -(KEPT - 1)]:
        with suppress(OSError):  # it is tried again at the next change
            path.unlink()


def remove_state(path: Path) -> None:
    """Remove a state, so that the one before it is the current one. Raises: OSError."""
    path.unlink()
    sync_folder(path.parent)


def _clear_unfinished(folder: Path) -> None:
    # Whoever began one was killed: had it not been, it would keep this writer out.
    for path in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            path.unlink()
