"""A person's clip → what the encoder makes of it, window by window as the daemon will hear it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.types import Embedding, Samples


@dataclass(frozen=True, eq=False)
class ClipWindows:
    """A clip's windows, one every hop, all that touch its sound.

    Attributes:
        name: of the clip.
        embeddings: (n, dim) float32, unit L2 norms.
        holds_sound: (n,) bool, at least one: those in which half of the sound lies, or that half of is sound.
    """

    name: str
    embeddings: NDArray[np.float32]
    holds_sound: NDArray[np.bool_]

    @property
    def of_sound(self) -> NDArray[np.float32]:
        """(m, dim) float32, m ≥ 1: what prototypes are made from."""
        return self.embeddings[self.holds_sound]


def clip_windows(
    name: str,
    samples: Samples,
    bounds: tuple[int, int],
    window_length: int,
    hop_length: int,
    embed: Callable[[Samples], Embedding],
) -> ClipWindows:
    """Slide a window over a clip, with silence before and after it.

    bounds: where its sound begins and ends, as `edge.enrolment.trim.sound_bounds` gives them.
    """
    start, end = bounds
    half = max(1, min(end - start, window_length) // 2)
    # One window begins so that just half of the sound lies in it.
    first = start + half - window_length
    first -= (first + window_length - start - 1) // hop_length * hop_length
    starts = range(first, end, hop_length)
    silence = np.zeros(window_length, np.float32)
    padded = np.concatenate([silence, samples, silence])
    embeddings = [embed(padded[at + window_length : at + 2 * window_length]) for at in starts]
    overlaps = [min(at + window_length, end) - max(at, start) for at in starts]
    return ClipWindows(name, np.stack(embeddings), np.array(overlaps) >= half)
