"""What ALSA, PortAudio and JACK write to standard error by themselves, kept out of the log."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = (b"ALSA lib ", b"Expression '", b"Cannot connect to server", b"jack server", b"JackShm", b"\n")
"""How such lines begin. A microphone that is away for a night would bring ten thousand of them."""

logger = logging.getLogger(__name__)


@contextmanager
def noise_as_debug() -> Iterator[None]:
    """Within it, such lines are debug messages; all else that goes to standard error arrives as ever.

    They are written by C code to the descriptor itself, so that passes through a pipe meanwhile.
    """
    if sys.stderr is None:  # started without one, so there is nothing to keep clean
        yield
        return
    sys.stderr.flush()
    own = os.dup(2)
    reading, writing = os.pipe()
    os.dup2(writing, 2)
    os.close(writing)
    reader = threading.Thread(target=_pass_on, args=(reading, own), name="standard error", daemon=True)
    reader.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(own, 2)
        # Without a writer the pipe has an end, unless a child still holds it.
        reader.join(timeout=1.0)
        os.close(own)


def _pass_on(reading: int, own: int) -> None:
    with os.fdopen(reading, "rb") as pipe:
        for line in pipe:
            if line.startswith(NOISE):
                if line.strip():
                    logger.debug("sound library: %s", line.decode(errors="replace").strip())
                continue
            try:
                os.write(own, line)
            except OSError:
                # The reader at the other end is gone; whoever writes must not be ended by that.
                continue
