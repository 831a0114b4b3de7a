"""Seconds, as settings give them, → samples, in which the core counts time."""

from __future__ import annotations

import math

from edge.errors import ConfigError


def whole_samples(seconds: float, sample_rate_hz: int, setting: str) -> int:
    """Convert a setting, exactly.

    Args:
        seconds: its value, 0 or above.
        sample_rate_hz: of the stream.
        setting: its name, for the message.

    Raises:
        ConfigError: if it isn't a whole number of samples, is negative or not finite.
    """
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ConfigError(f"{setting} must be 0 seconds or more, not {seconds!r}")
    exact = seconds * sample_rate_hz
    nearest = round(exact)
    # What is left of a decimal fraction in binary is far below this.
    if abs(exact - nearest) > 1e-6 * max(1.0, seconds):
        raise ConfigError(
            f"{setting} of {seconds!r} s is {exact:.10g} samples at {sample_rate_hz} Hz "
            f"and must be a whole number of them: try {nearest / sample_rate_hz:.10g}"
        )
    return nearest
