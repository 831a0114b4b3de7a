"""Is a window a sound at all, and how loud: what decides whether it is worth embedding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge.types import Samples

Fault = Literal["nonfinite", "silent", "dc", "clipped"]

LARGEST_SAMPLE = 1e6
"""Beyond it a value is a wrong format's, and would overflow in single precision further on."""
FULL_SCALE = 0.99
"""Clipping is sought from here up: after resampling, a clipped peak ripples about full scale."""
CLIPPED_SHARE = 0.25
"""More of the samples at full scale than this is a fault. Loud recordings reach 0.17 in a 2.6 s window."""
DC_LEVEL_DBFS = -90.0
"""Under this level a window with a mean above `DC_MEAN` holds nothing but the mean."""
DC_MEAN = 1e-3


@dataclass(frozen=True)
class SignalCheck:
    """What `check` found.

    Attributes:
        level_dbfs: RMS about the window's mean, in dB re full scale, of the window's loudest stretch, so that
            a short bark in a quiet window counts as loud as it is. A sine at full scale has -3.01; silence
            has -inf; nan with the fault "nonfinite".
        peak: the largest magnitude, 1 at full scale; nan or inf if a sample isn't finite.
        fault: why this window must not be embedded, or None. "nonfinite": a NaN, an infinity, or a
            value so large that it's as little a sample. "silent": all zeros. "dc": a constant, or as good as
            one. "clipped": grossly; some samples at full scale are fine.
    """

    level_dbfs: float
    peak: float
    fault: Fault | None


def check(samples: Samples, stretch_length: int | None = None) -> SignalCheck:
    """Measure a window and look for what no encoder should be given.

    Args:
        samples: (n_samples,) float32, n_samples ≥ 1.
        stretch_length: the level is that of the loudest of the equal stretches, each at least this many
            samples, that the window is cut into; None takes the window as one.
    """
    low, high = float(samples.min()), float(samples.max())
    peak = max(-low, high)
    if not peak <= LARGEST_SAMPLE:
        return SignalCheck(math.nan, peak, "nonfinite")
    if low == high:
        return SignalCheck(-math.inf, peak, "dc" if peak else "silent")
    mean = samples.mean()
    power = samples - mean
    np.square(power, out=power)
    level_dbfs = _loudest_dbfs(power, stretch_length)
    if level_dbfs < DC_LEVEL_DBFS and abs(mean) > DC_MEAN:
        return SignalCheck(level_dbfs, peak, "dc")
    return SignalCheck(level_dbfs, peak, "clipped" if peak >= FULL_SCALE and _is_clipped(samples) else None)


def _is_clipped(samples: Samples) -> bool:
    n_at_full_scale = np.count_nonzero(np.abs(samples) >= FULL_SCALE)
    return int(n_at_full_scale) > CLIPPED_SHARE * len(samples)


def _loudest_dbfs(power: Samples, stretch_length: int | None) -> float:
    n_stretches = max(1, len(power) // (stretch_length or len(power)))
    bounds = np.arange(n_stretches + 1) * len(power) // n_stretches
    loudest = float(np.max(np.add.reduceat(power, bounds[:-1]) / np.diff(bounds)))
    return 10.0 * math.log10(loudest) if loudest > 0 else -math.inf
