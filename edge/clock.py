"""Is this machine's clock right? A Raspberry Pi without a battery starts in the past."""

from __future__ import annotations

import ctypes
import sys

_TIMEX_BYTES = 1024
"""More than struct timex takes anywhere; zeroed, it asks and sets nothing."""
_TIME_ERROR = 5


def is_synchronised() -> bool | None:
    """Whether the kernel counts the clock as synchronised (adjtimex(2)); None where it can't be asked."""
    if sys.platform != "linux":
        return None
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    # A sandbox may forbid the call, even to ask.
    return None if state < 0 else state != _TIME_ERROR
