"""What the synthesised sounds are built of: harmonics, coloured noise, echoes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Signal = NDArray[np.float64]
"""(n_samples,) float64 of any level."""
Resonance = tuple["float | Signal", float]
"""Centre, in Hz and constant or for each sample; and bandwidth in Hz."""

_CONTROL_RATE_HZ = 500
_HIGHEST_HZ = 10000.0
"""What sounds like these hold above it is faint, and costs as much to make."""


def seconds(duration_s: float, rate_hz: int) -> Signal:
    """Times of the samples of a sound of that duration."""
    return np.arange(round(duration_s * rate_hz)) / rate_hz


def unit(sound: Signal) -> Signal:
    """The same at an RMS of 1."""
    return np.asarray(sound / max(float(np.sqrt(np.mean(np.square(sound)))), 1e-12))


def smoothed(control: Signal, length: int) -> Signal:
    """Averaged over `length` samples, so that a step becomes a slope."""
    taper = np.hanning(length + 2)
    return np.convolve(control, taper / taper.sum(), "same")


def ends_faded(n_samples: int, length: int) -> Signal:
    """A gain that rises over the first `length` samples and falls over the last."""
    place = np.arange(n_samples)
    return np.asarray(np.clip(np.minimum(place, place[::-1]) / length, 0.0, 1.0))


def add(sound: Signal, piece: Signal, start: int) -> None:
    """Add a piece to a sound from `start` on; what reaches beyond the end is left out."""
    end = min(len(sound), start + len(piece))
    if start < end:
        sound[start:end] += piece[: end - start]


def harmonics(pitch_hz: Signal, rate_hz: int, *, resonances: Sequence[Resonance], slope: float) -> Signal:
    """A periodic source whose harmonics fall as 1/n^slope, heard through resonances one after another.

    Args:
        pitch_hz: fundamental for each sample.
        rate_hz: sample rate.
        resonances: of the body, horn or mouth.
        slope: 1 is a sawtooth.
    """
    phase = 2.0 * np.pi * np.cumsum(pitch_hz) / rate_hz
    # Resonances move slowly: their gain is computed now and then, and interpolated.
    every = max(1, rate_hz // _CONTROL_RATE_HZ)
    control = slice(None, None, every)
    positions = np.arange(len(pitch_hz))
    slow_pitch_hz = pitch_hz[control]
    slow = [(c[control] if isinstance(c, np.ndarray) else c, width_hz) for c, width_hz in resonances]
    sound = np.zeros(len(pitch_hz))
    highest_hz = min(_HIGHEST_HZ, 0.47 * rate_hz)
    for n in range(1, int(highest_hz / pitch_hz.min()) + 1):
        n_hz = n * slow_pitch_hz
        gain = n**-slope * np.clip((highest_hz - n_hz) / (0.05 * highest_hz), 0.0, 1.0)
        for centre_hz, width_hz in slow:
            ratio = n_hz / centre_hz
            gain = gain / np.hypot(1.0 - ratio**2, ratio * width_hz / centre_hz)
        sound += np.interp(positions, positions[control], gain) * np.sin(n * phase)
    return sound


def coloured_noise(n_samples: int, rate_hz: int, rng: Generator, *, low_hz: float, high_hz: float) -> Signal:
    """Noise of unit RMS, falling by 12 dB an octave below `low_hz` and by 6 above `high_hz`."""
    hz = np.fft.rfftfreq(n_samples, 1.0 / rate_hz)
    shape = (hz / low_hz) ** 2 / (1.0 + (hz / low_hz) ** 2) / np.sqrt(1.0 + (hz / high_hz) ** 2)
    return unit(np.fft.irfft(np.fft.rfft(rng.standard_normal(n_samples)) * shape, n_samples))


def with_echoes(sound: Signal, rate_hz: int, rng: Generator, *, decay_s: float, level: float) -> Signal:
    """A sound in a room or street: the direct sound, and reflections that decay, the high ones sooner.

    Args:
        sound: the direct sound.
        rate_hz: sample rate.
        rng: for the reflections.
        decay_s: time in which they fall by 60 dB.
        level: theirs all together, against the direct sound's.

    Returns: unit RMS, longer than the sound by `decay_s`.
    """
    t_s = seconds(decay_s, rate_hz)
    low = coloured_noise(len(t_s), rate_hz, rng, low_hz=100.0, high_hz=1000.0)
    high = coloured_noise(len(t_s), rate_hz, rng, low_hz=1000.0, high_hz=6000.0)
    tail = low * 10.0 ** (-3.0 * t_s / decay_s) + high * 10.0 ** (-5.0 * t_s / decay_s)
    tail *= np.minimum(1.0, t_s / 0.008)
    response = np.concatenate([[1.0], level * tail / np.linalg.norm(tail)])
    n_fft = 1 << (len(sound) + len(tail)).bit_length()
    heard = np.fft.irfft(np.fft.rfft(sound, n_fft) * np.fft.rfft(response, n_fft), n_fft)
    return unit(heard[: len(sound) + len(tail)])
