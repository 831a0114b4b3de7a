"""The part of a clip in which it sounds: clips are padded, begin late, and hiss before and after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.synthesis.signals import ends_faded
from edge.types import Samples

FRAME_S = 0.01
RANGE_DB = 30.0
"""A frame farther below the loudest is not active. At 40 dB, the hiss in many of ESC-50's clips would be."""
FLOOR_DBFS = -70.0
"""A frame below this level is not active, however quiet the rest is."""
FADE_S = 0.005


def active_part(samples: Samples, sample_rate_hz: int) -> Samples | None:
    """A clip from its first to its last active frame, so that its onset is its first sample.

    A frame of 10 ms is active if its RMS level is within 30 dB of the loudest frame's and above -70 dBFS.
    What comes back is free of a constant level, and is faded in and out over 5 ms.

    samples: (n_samples,) float32 mono.
    Returns: (m,) float32; None if no frame is active.
    """
    sound = _without_constant(samples)
    if sound is None:
        return None
    active = np.flatnonzero(active_frames(sound, sample_rate_hz))
    if not len(active):
        return None
    length = _frame_length(sample_rate_hz)
    part = sound[active[0] * length : (active[-1] + 1) * length]
    gain = ends_faded(len(part), max(1, min(round(FADE_S * sample_rate_hz), len(part) // 2)))
    return (part * gain).astype(np.float32)


def active_rms(samples: Samples, sample_rate_hz: int) -> float:
    """RMS over the active frames of a sound; what is between them doesn't count.

    samples: (n_samples,) float32 mono, at least one frame of them active.
    """
    active = active_frames(samples, sample_rate_hz)
    return float(np.sqrt(np.mean(_frame_power(samples, sample_rate_hz)[active])))


def active_frames(samples: Samples, sample_rate_hz: int) -> NDArray[np.bool_]:
    """(n_frames,) whether each 10 ms frame is active; the last may be shorter. See `active_part`."""
    power = _frame_power(samples, sample_rate_hz)
    lowest = max(power.max(initial=0.0) * 10.0 ** (-RANGE_DB / 10.0), 10.0 ** (FLOOR_DBFS / 10.0))
    return np.asarray(power >= lowest)


def _frame_length(sample_rate_hz: int) -> int:
    return round(FRAME_S * sample_rate_hz)


def _frame_power(samples: Samples, sample_rate_hz: int) -> NDArray[np.float64]:
    if not len(samples):
        return np.zeros(0)
    starts = np.arange(0, len(samples), _frame_length(sample_rate_hz))
    sums = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    return np.asarray(sums / np.diff(np.append(starts, len(samples))))


def _without_constant(samples: Samples) -> Samples | None:
    """Less its mean. Digital silence around it is cut off first, or the mean would make a sound of it."""
    loud = np.flatnonzero(np.abs(samples) > 10.0 ** (FLOOR_DBFS / 20.0))
    if not len(loud):
        return None
    sound = samples[loud[0] : loud[-1] + 1]
    return np.asarray(sound - np.float32(sound.mean()))
