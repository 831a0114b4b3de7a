"""A recording → the stretch of it that holds the sound."""

from __future__ import annotations

import numpy as np

from edge.types import Samples

SILENCE_DBFS = -60.0
"""A recording whose loudest frame is below this holds nothing to learn from."""
FRAME_S = 0.02
_KEPT_S = 0.05
"""What is kept at both sides, so that no attack is cut."""
_ABOVE_FLOOR_DB = 10.0
_BELOW_LOUDEST_DB = 40.0
_FLOOR_PERCENTILE = 10.0


def trimmed(samples: Samples, sample_rate_hz: int) -> Samples | None:
    """The stretch from the first to the last part that stands out, pauses inside it included.

    samples: (n_samples,) float32, finite.
    Returns: a view, (n,) float32 with 1 ≤ n ≤ n_samples; all of a recording that is as loud throughout, such
        as a hum; None if there is nothing above silence.
    """
    bounds = sound_bounds(samples, sample_rate_hz)
    return None if bounds is None else samples[bounds[0] : bounds[1]]


def sound_bounds(samples: Samples, sample_rate_hz: int) -> tuple[int, int] | None:
    """Where `trimmed` begins and ends, in samples."""
    frame_length = round(FRAME_S * sample_rate_hz)
    levels = frame_levels_dbfs(samples, frame_length)
    if not len(levels) or levels.max() < SILENCE_DBFS:
        return None
    (loud,) = np.nonzero(levels >= _least_dbfs(levels))
    kept = round(_KEPT_S * sample_rate_hz)
    start = max(0, int(loud[0]) * frame_length - kept)
    return start, min(len(samples), (int(loud[-1]) + 1) * frame_length + kept)


def frame_levels_dbfs(samples: Samples, frame_length: int) -> Samples:
    """RMS about the recording's mean of each frame, in dB re full scale; the last may be shorter.

    Returns: (n_frames,) float32; -inf for digital silence.
    """
    if not len(samples):
        return np.empty(0, np.float32)
    starts = np.arange(0, len(samples), frame_length)
    power = np.square(samples - samples.mean(dtype=np.float64))
    mean = np.add.reduceat(power, starts) / np.diff(starts, append=len(samples))
    with np.errstate(divide="ignore"):
        return np.asarray(10.0 * np.log10(mean), np.float32)


def _least_dbfs(levels: Samples) -> float:
    loudest = float(levels.max())
    # Silence, such as what a clip was padded with, is no floor of a room.
    audible = levels[levels >= SILENCE_DBFS]
    floor = max(float(np.percentile(audible, _FLOOR_PERCENTILE)), loudest - _BELOW_LOUDEST_DB)
    if loudest - floor < _ABOVE_FLOOR_DB:
        return SILENCE_DBFS  # as loud throughout: nothing stands out, so all of it is the sound
    return max(SILENCE_DBFS, floor + min(_ABOVE_FLOOR_DB, 0.5 * (loudest - floor)))
