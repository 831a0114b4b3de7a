"""Keeps resident memory flat over months: glibc holds on to what large arrays took, unless told not to."""

from __future__ import annotations

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
LARGE_BYTES = 128 * 1024
"""Larger blocks are pages of their own, given back at once. glibc raises this limit by itself otherwise."""
N_ARENAS = 2
"""Separate heaps for threads; each grows to its own largest need."""


def keep_memory_flat() -> None:
    """Set it for this process (mallopt(3)); elsewhere than with glibc, nothing happens."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(_M_ARENA_MAX, N_ARENAS)
