"""Text to a stream that someone else may close at any moment."""

from __future__ import annotations

import sys
from typing import TextIO

from edge.errors import SinkError


def standard_output() -> TextIO:
    """Where events go. Raises: SinkError if the program was started without one."""
    # Python's type stubs leave out that it is None where the descriptor was closed at the start.
    stream: TextIO | None = sys.stdout
    if stream is None:
        raise SinkError("standard output is closed, so events would go nowhere: start it with an open one")
    return stream


def write_line(stream: TextIO, line: str) -> None:
    """Write a line and flush it, so that a reader at the other end of a pipe has it now.

    Raises: SinkError if the reader has gone or the disk is full.
    """
    write_text(stream, line + "\n")


def write_text(stream: TextIO, text: str) -> None:
    """Write text as it is and flush it. Raises: SinkError, as `write_line`."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise SinkError("standard output was closed by its reader; stopped") from None
    except OSError as error:
        raise SinkError(f"cannot write to standard output: {error.strerror or error}") from error
