"""What a microphone's callback leaves behind, and its place in the stream."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.resampling import StreamingResampler
from edge.types import AudioBlock, Samples

MAX_AGE_S = 5.0


class Chunk(NamedTuple):
    """What one call of PortAudio brought.

    Attributes:
        frames: (n_frames, n_channels) float32 at the native rate.
        n_lost_before: frames lost between the chunk before and this one.
        captured_unix_s: when its first frame was captured.
    """

    frames: NDArray[np.float32]
    n_lost_before: int
    captured_unix_s: float


class Recording:
    """What PortAudio's thread writes: a bounded queue, and a count of the frames that were lost.

    When the queue is full, sound is dropped until it has been worked off: one long gap, as many short ones
    would leave no window whole. How much PortAudio itself dropped it does not tell, so that is estimated from
    the time between two calls.

    Attributes:
        rate_hz: the native rate.
        max_chunks: how many chunks may wait.
        chunks: the queue.
        n_lost: frames lost so far.
    """

    def __init__(self, rate_hz: int, max_chunks: int) -> None:
        self.rate_hz = rate_hz
        self.max_chunks = max_chunks
        # A SimpleQueue's put never waits for the reader, as Queue's could.
        self.chunks: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
        self.n_lost = 0
        self._n_lost_since_chunk = 0
        self._shedding = False
        self._last_call_s: float | None = None

    def callback(self, frames: NDArray[np.float32], n_frames: int, times: Any, status: Any) -> None:
        """Copy, count and return; never wait. Its arguments are those of sounddevice's stream callback."""
        now_s = time.monotonic()
        if status.input_overflow and self._last_call_s is not None:
            self._lose(max(1, round((now_s - self._last_call_s) * self.rate_hz) - n_frames))
        self._last_call_s = now_s
        n_waiting = self.chunks.qsize()
        self._shedding = n_waiting > 0 if self._shedding else n_waiting >= self.max_chunks
        if self._shedding:
            self._lose(n_frames)
            return
        captured_unix_s = time.time() - _age_s(times, n_frames / self.rate_hz)
        self.chunks.put(Chunk(frames.copy(), self._n_lost_since_chunk, captured_unix_s))
        self._n_lost_since_chunk = 0

    def _lose(self, n_frames: int) -> None:
        self.n_lost += n_frames
        self._n_lost_since_chunk += n_frames


class Timeline:
    """Places chunks in the stream at the encoder's rate, starting the resampler afresh at a gap."""

    def __init__(self, native_hz: int, sample_rate_hz: int) -> None:
        self._native_hz = native_hz
        self._sample_rate_hz = sample_rate_hz
        self._resampler = StreamingResampler(native_hz, sample_rate_hz)
        self._native_position = 0
        self._position = 0
        self._end_unix_s = 0.0

    def add(self, chunk: Chunk) -> Iterator[AudioBlock]:
        """Down-mix and resample a chunk: no block, one, or at a gap two."""
        if chunk.n_lost_before:
            starts_unix_s = self._end_unix_s - self._resampler.delay_s
            yield from self._block(self._resampler.flush(), starts_unix_s)
            self._native_position += chunk.n_lost_before
            behind_gap = round(self._native_position * self._sample_rate_hz / self._native_hz)
            # However short the gap, it must show.
            self._position = max(self._position + 1, behind_gap)
        starts_unix_s = chunk.captured_unix_s - self._resampler.delay_s
        self._native_position += len(chunk.frames)
        self._end_unix_s = chunk.captured_unix_s + len(chunk.frames) / self._native_hz
        yield from self._block(self._resampler.push(chunk.frames.mean(axis=1)), starts_unix_s)

    def _block(self, samples: Samples, starts_unix_s: float) -> Iterator[AudioBlock]:
        if len(samples):
            block = AudioBlock(samples, self._position, starts_unix_s)
            self._position += len(samples)
            yield block


def _age_s(times: Any, duration_s: float) -> float:
    """How long ago a buffer's first frame was captured; its duration, where PortAudio cannot tell."""
    age_s = float(times.currentTime - times.inputBufferAdcTime)
    told = times.inputBufferAdcTime > 0 and 0 < age_s <= MAX_AGE_S
    return age_s if told else duration_s
