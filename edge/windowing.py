"""Blocks of any size → overlapping windows of one size, never across a gap."""

from __future__ import annotations

import numpy as np

from edge.types import AudioBlock, Samples, Window


class Windower:
    """Cuts a stream into windows that start every `window_hop` samples from the stream's first on.

    A block that doesn't start where the one before ended means lost audio: what was kept is dropped and
    windowing starts afresh with that block.

    Args:
        window_length: samples of a window.
        window_hop: samples between the starts of windows, at most `window_length`.

    Raises:
        ValueError: unless 1 ≤ window_hop ≤ window_length.
    """

    def __init__(self, window_length: int, window_hop: int) -> None:
        if not 1 <= window_hop <= window_length:
            raise ValueError(f"a window hop of {window_hop} samples is not within 1 and {window_length}")
        self._window_length = window_length
        self._window_hop = window_hop
        self._restart(None)

    def _restart(self, start_sample: int | None) -> None:
        self._next_sample = start_sample
        self._kept: list[Samples] = []
        self._n_kept = 0
        self._made_window = False

    @property
    def next_sample(self) -> int | None:
        """Where the next block must start to carry the stream on; None if any block will do."""
        return self._next_sample

    def push(self, block: AudioBlock) -> list[Window]:
        """Take a block in; costs what the block and the windows it completes are long.

        Returns: the windows that are complete now, in order; their samples are not to be written to.
        """
        if block.start_sample != self._next_sample:
            self._restart(block.start_sample)
        self._next_sample = block.start_sample + len(block.samples)
        self._n_kept += len(block.samples)
        if self._n_kept < self._window_length:
            if len(block.samples):
                # A source may use its buffer again.
                self._kept.append(block.samples.copy())
            return []
        first = self._next_sample - self._n_kept
        stretch = np.concatenate([*self._kept, block.samples], dtype=np.float32)
        stretch.flags.writeable = False
        starts = range(0, len(stretch) - self._window_length + 1, self._window_hop)
        # The rest is copied, or the whole stretch would stay in memory with it.
        self._kept = [stretch[starts[-1] + self._window_hop :].copy()]
        self._n_kept = len(self._kept[0])
        self._made_window = True
        return [Window(stretch[start : start + self._window_length], first + start) for start in starts]

    def flush(self) -> list[Window]:
        """End the stream; a push after this starts another.

        Returns: at most one window, so that no sample at the end goes unheard: the next one of the stream,
            zero-padded behind, if some samples came after the last; or, if the stream was shorter than a
            window, one of those samples only. None if all has been heard.
        """
        n_heard = self._window_length - self._window_hop if self._made_window else 0
        windows = []
        if self._next_sample is not None and self._n_kept > n_heard:
            samples = np.concatenate(self._kept, dtype=np.float32)
            n_missing = self._window_length - self._n_kept if self._made_window else 0
            windows.append(Window(np.pad(samples, (0, n_missing)), self._next_sample - self._n_kept))
        self._restart(None)
        return windows
