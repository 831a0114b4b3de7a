"""The last seconds of a stream, in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.types import AudioBlock, Samples

Pcm16 = NDArray[np.int16]
"""(n_samples,) int16 mono."""


class AudioRing:
    """Holds the newest samples of a stream without a gap.

    They are held as 16-bit integers, in half the memory of float32: 16 bits are what microphones deliver and
    what the files hold, and samples that came from 16 bits come out as they were.

    Args:
        capacity: how many samples it holds.
    """

    def __init__(self, capacity: int) -> None:
        self._pcm: Pcm16 = np.zeros(capacity, np.int16)
        self._oldest = 0
        self._end = 0

    @property
    def oldest_sample(self) -> int:
        """Position in the stream of the oldest sample held."""
        return self._oldest

    @property
    def end_sample(self) -> int:
        """Position just behind the newest sample held."""
        return self._end

    def push(self, block: AudioBlock) -> None:
        """Take a block; the oldest samples make room. One that doesn't follow on the last begins anew."""
        if block.start_sample != self._end:
            self._oldest = self._end = block.start_sample
        capacity = len(self._pcm)
        first = max(0, len(block.samples) - capacity)
        newest = to_pcm16(block.samples[first:])
        at = (block.start_sample + first) % capacity
        until_wrap = min(len(newest), capacity - at)
        self._pcm[at : at + until_wrap] = newest[:until_wrap]
        self._pcm[: len(newest) - until_wrap] = newest[until_wrap:]
        self._end += len(block.samples)
        self._oldest = max(self._oldest, self._end - capacity)

    def copy(self, start_sample: int, end_sample: int) -> Pcm16:
        """A copy of what it holds between two positions: less than asked for where it holds less."""
        start, end = max(start_sample, self._oldest), min(end_sample, self._end)
        if start >= end:
            return np.zeros(0, np.int16)
        capacity = len(self._pcm)
        at = start % capacity
        until_wrap = min(end - start, capacity - at)
        return np.concatenate([self._pcm[at : at + until_wrap], self._pcm[: end - start - until_wrap]])


def to_pcm16(samples: Samples) -> Pcm16:
    """Float samples → 16-bit: full scale is 32768, beyond is cut off, what is no number becomes 0."""
    scaled = np.rint(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0) * np.float32(32768.0))
    pcm: Pcm16 = np.clip(scaled, -32768.0, 32767.0).astype(np.int16)
    return pcm
