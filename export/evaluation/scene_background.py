"""Generated background → a bed of one kind, as long as a scene."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from edge.types import Samples
from export.starter.programs import SAMPLE_RATE_HZ as MADE_AT_HZ

CROSSFADE_S = 0.5


def background_bed(
    clips: NDArray[np.int16], n_samples: int, sample_rate_hz: int, level_dbfs: float, rng: Generator
) -> Samples:
    """Clips drawn at random, one fading into the next: a room's background doesn't change at a stroke.

    clips: (n_clips, clip_length) int16 at 16 kHz.
    level_dbfs: RMS level of the whole; each clip has the same before it is faded.
    Returns: (n_samples,) float32, which may exceed 1 where a clip has high peaks.
    """
    n_made = -(-n_samples * MADE_AT_HZ // sample_rate_hz) + 1
    fade = min(round(CROSSFADE_S * MADE_AT_HZ), clips.shape[1] // 2)
    step = clips.shape[1] - fade
    n_clips = max(1, -(-(n_made - fade) // step))
    rise = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade)
    bed = np.zeros(n_clips * step + fade)
    for place, index in enumerate(rng.choice(len(clips), n_clips, replace=n_clips > len(clips))):
        clip = _unit(clips[index].astype(np.float64))
        if place > 0:
            clip[:fade] *= rise
        if place < n_clips - 1:
            clip[-fade:] *= rise[::-1]
        bed[place * step : place * step + len(clip)] += clip
    at_rate = soxr.resample(bed, MADE_AT_HZ, sample_rate_hz)[:n_samples]
    return np.asarray(10.0 ** (level_dbfs / 20.0) * _unit(at_rate), np.float32)


def _unit(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """At an RMS of 1. Silence stays silence."""
    rms = float(np.sqrt(np.mean(np.square(sound))))
    return np.asarray(sound / rms if rms > 0.0 else sound)
