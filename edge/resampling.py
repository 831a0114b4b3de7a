"""From a source's sample rate to the encoder's, a piece at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr

from edge.types import Samples

LOWEST_RATE_HZ = 1_000
"""Below this a rate in a header is a damaged header, not sound."""
HIGHEST_RATE_HZ = 768_000
"""The highest rate that sound cards and files are made with."""


class StreamingResampler:
    """Resamples one uninterrupted stretch of mono sound, whatever the sizes of its pieces.

    The same samples come out however the input is cut. After `flush` it is ready for another stretch. It must
    be flushed at a gap in the sound, or the filter would smear one side of that into the other.

    Args:
        source_rate_hz: rate of what is pushed.
        target_rate_hz: rate of what comes back; the same rate passes samples through untouched.
    """

    def __init__(self, source_rate_hz: int, target_rate_hz: int) -> None:
        self.source_rate_hz = source_rate_hz
        self.target_rate_hz = target_rate_hz
        self._start()

    def _start(self) -> None:
        self._n_in = 0
        self._n_out = 0
        self._stream: Any = None
        if self.source_rate_hz != self.target_rate_hz:
            self._stream = soxr.ResampleStream(
                self.source_rate_hz, self.target_rate_hz, 1, dtype="float32", quality="HQ"
            )

    @property
    def delay_s(self) -> float:
        """How much earlier the next sample that comes out was captured than the next one to go in."""
        return self._n_in / self.source_rate_hz - self._n_out / self.target_rate_hz

    def push(self, samples: Samples) -> Samples:
        """Resample the next piece.

        samples: (n,) float32 mono.
        Returns: (m,) float32; m may be 0, as the filter looks ahead by some milliseconds.
        """
        self._n_in += len(samples)
        resampled = samples if self._stream is None else self._chunk(samples, last=False)
        self._n_out += len(resampled)
        return resampled

    def flush(self) -> Samples:
        """End the stretch.

        Returns: (m,) float32, what the filter still held. All that came out of the stretch is then
            n_in * target_rate_hz / source_rate_hz samples long, give or take one.
        """
        rest = np.zeros(0, np.float32)
        if self._stream is not None:
            rest = self._chunk(rest, last=True)
        self._start()
        return rest

    def _chunk(self, samples: Samples, *, last: bool) -> Samples:
        return np.asarray(self._stream.resample_chunk(samples, last=last), np.float32)
