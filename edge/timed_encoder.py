"""An encoder that tells how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge.types import Embedding, Encoder, LogMel


class TimedEncoder:
    """Another encoder, timed.

    Args:
        encoder: that does the work.

    Attributes:
        busy_s: seconds of wall time spent in it so far.
        observe: called with the seconds that each window took.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.busy_s = 0.0
        self.observe: Callable[[float], None] | None = None

    def encode(self, log_mel: LogMel) -> Embedding:
        """As the encoder does."""
        began_s = time.perf_counter()
        embedding = self._encoder.encode(log_mel)
        took_s = time.perf_counter() - began_s
        self.busy_s += took_s
        if self.observe is not None:
            self.observe(took_s)
        return embedding
