"""What can go wrong with a pool as a whole; a recording that cannot be read is skipped and listed instead."""

from __future__ import annotations

from edge.errors import SoundError


class PoolError(SoundError, ValueError):
    """The pool of recordings, or the place where its embeddings are kept, cannot be used."""

    exit_code = 9
