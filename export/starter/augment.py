"""Waveform augmentation: everything that differs between a data set's clip and a microphone in a room.

Quality is confounded with class in the training clips (some classes are clean, others 8-bit), so level, noise
floor, requantisation, spectral tilt and reverberation are randomised over all classes alike.

All functions take and return (n_samples,) float32 and draw from the generator given, so a seed fixes them.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.random import Generator

from edge.types import Samples

SAMPLE_RATE_HZ = 16000


def rms(samples: Samples) -> float:
    """Root mean square, at least 1e-6 so that it may be divided by."""
    return max(float(np.sqrt(np.mean(np.square(samples)))), 1e-6)


def energetic_crop(samples: Samples, length: int, rng: Generator) -> Samples:
    """A random stretch, likelier the more energy it holds; shorter material is placed at random in zeros."""
    crop = np.zeros(length, np.float32)
    if len(samples) <= length:
        start = int(rng.integers(0, length - len(samples) + 1))
        crop[start : start + len(samples)] = samples
        return crop
    starts = rng.integers(0, len(samples) - length + 1, 4)
    energies = np.array([np.sum(np.square(samples[s : s + length])) for s in starts]) + 1e-9
    start = rng.choice(starts, p=energies / energies.sum())
    crop[:] = samples[start : start + length]
    return crop


def change_speed(samples: Samples, rng: Generator) -> Samples:
    """Play up to 15 % slower or faster, pitch included."""
    factor = float(rng.uniform(0.85, 1.15))
    return np.asarray(
        soxr.resample(samples, SAMPLE_RATE_HZ * factor, SAMPLE_RATE_HZ, quality="LQ"), np.float32
    )


def colour(samples: Samples, rng: Generator) -> Samples:
    """A smooth random frequency response: another microphone, a wall between (up to about ±10 dB)."""
    n_fft = 1 << (len(samples) - 1).bit_length()
    knots_hz = np.array([50.0, 200.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0])
    gains_db = rng.normal(0.0, 3.0, len(knots_hz)) + rng.normal(0.0, 1.5) * np.linspace(
        -2.0, 2.0, len(knots_hz)
    )
    return _filtered(samples, n_fft, knots_hz, gains_db)


def _filtered(samples: Samples, n_fft: int, knots_hz: np.ndarray, gains_db: np.ndarray) -> Samples:
    fft_hz = np.fft.rfftfreq(n_fft, 1.0 / SAMPLE_RATE_HZ)
    response_db = np.interp(np.log(fft_hz + 1.0), np.log(knots_hz), gains_db)
    spectrum = np.fft.rfft(samples, n_fft) * 10.0 ** (response_db / 20.0)
    return np.fft.irfft(spectrum, n_fft)[: len(samples)].astype(np.float32)


def reverberate(samples: Samples, rng: Generator) -> Samples:
    """A room: the direct sound and exponentially decaying noise, 0.1 to 0.9 s to -60 dB."""
    decay_s = float(rng.uniform(0.1, 0.9))
    length = int(decay_s * SAMPLE_RATE_HZ)
    tail = rng.standard_normal(length) * 10.0 ** (-3.0 * np.arange(length) / length)
    tail *= 10.0 ** (float(rng.uniform(-18.0, 0.0)) / 20.0) / np.linalg.norm(tail)
    tail[0] += 1.0
    n_fft = 1 << (len(samples) + length - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, n_fft) * np.fft.rfft(tail, n_fft), n_fft)
    return wet[: len(samples)].astype(np.float32)


def coloured_noise(length: int, rng: Generator) -> Samples:
    """Noise whose power falls by 0 to 12 dB an octave, unit RMS."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.maximum(np.arange(len(spectrum)) / len(spectrum), 1e-3)
    noise = np.fft.irfft(spectrum * frequency ** -float(rng.uniform(0.0, 2.0)), length).astype(np.float32)
    return np.asarray(noise / rms(noise), np.float32)


def requantise(samples: Samples) -> Samples:
    """What an 8-bit copy peaking at full scale keeps."""
    peak = max(float(np.abs(samples).max()), 1e-6)
    return (np.round(samples / peak * 127.0) / 127.0 * peak).astype(np.float32)


def random_level(samples: Samples, rng: Generator) -> Samples:
    """Set the peak to a random -38 to 0 dBFS, near ones somewhat preferred."""
    peak_dbfs = -38.0 * float(rng.beta(1.0, 1.5))
    gain = 10.0 ** (peak_dbfs / 20.0) / max(float(np.abs(samples).max()), 1e-6)
    return np.asarray(samples * gain, np.float32)


def vary(samples: Samples, length: int, rng: Generator) -> Samples:
    """One sound source as it might sound elsewhere: speed, stretch of the clip, frequency response."""
    if rng.random() < 0.5:
        samples = change_speed(samples, rng)
    crop = energetic_crop(samples, length, rng)
    return colour(crop, rng) if rng.random() < 0.5 else crop


def record(samples: Samples, rng: Generator) -> Samples:
    """A scene as a device might record it: room, noise floor, level, resolution."""
    if rng.random() < 0.25:
        samples = reverberate(samples, rng)
    if rng.random() < 0.5:
        snr_db = float(rng.uniform(5.0, 45.0))
        samples = samples + coloured_noise(len(samples), rng) * rms(samples) * 10.0 ** (-snr_db / 20.0)
    if rng.random() < 0.3:
        samples = requantise(samples)
    return random_level(samples, rng)
