"""A lock between processes: a file that one of them holds at a time; a kill gives it back."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TRY_EVERY_S = 0.02


@contextmanager
def locked(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock within the block, as flock(2) has it; two threads keep each other out as well.

    Args:
        path: of the lock's file, which is made if need be and stays; its directory must exist.
        timeout_s: how long to wait for whoever holds it.

    Raises: TimeoutError if it takes longer; OSError if the file cannot be made or locked.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up_at_s = time.monotonic() + timeout_s
        while not _taken(descriptor):
            if time.monotonic() >= give_up_at_s:
                raise TimeoutError(f"{path} is held by another process")
            time.sleep(_TRY_EVERY_S)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
