"""What ALSA, PortAudio and JACK write to standard error by themselves, kept out of the log."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

NOISE = (b"ALSA lib ", b"Expression '", b"Cannot connect to server", b"jack server", b"JackShm", b"\n")
"""How such lines begin. A microphone that is away for a night would bring ten thousand of them."""

logger = logging.getLogger(__name__)


@contextmanager
def noise_as_debug() -> Iterator[None]:
    """Within it, such lines are debug messages; what else is written to standard error arrives at its end.

    They are written by C code to the descriptor itself, so that is another file meanwhile. It is meant for
    single calls: the last words of a process that dies within it are lost.
    """
    if sys.stderr is None:  # started without one, so there is nothing to keep clean
        yield
        return
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            os.close(own)
            file.seek(0)
            _pass_on(file.read().splitlines(keepends=True))


def _pass_on(lines: list[bytes]) -> None:
    for line in lines:
        if not line.startswith(NOISE):
            sys.stderr.write(line.decode(errors="replace"))
        elif line.strip():
            logger.debug("sound library: %s", line.decode(errors="replace").strip())
    sys.stderr.flush()
