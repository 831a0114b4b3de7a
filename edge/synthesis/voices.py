"""People talking, in no language: what speech is made of without being any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from edge.synthesis.signals import (
    Signal,
    add,
    coloured_noise,
    harmonics,
    seconds,
    smoothed,
    unit,
    with_echoes,
)

_VOWELS_HZ = (
    (730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (570, 840, 2410), (300, 870, 2240),
    (660, 1720, 2410), (390, 1990, 2550), (640, 1190, 2390), (440, 1020, 2240),
)  # fmt: skip
"""First three formants of American English vowels (Peterson and Barney, 1952)."""
_NEUTRAL_HZ = (500, 1500, 2500)
_BANDWIDTHS_HZ = (70.0, 100.0, 160.0)


def people_talking(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """A man and a woman who talk by turns in a room. Returns: unit RMS."""
    talk = np.zeros(round(duration_s * rate_hz))
    start_s, turn = 0.0, 0
    while start_s < duration_s:
        length_s = float(rng.uniform(1.2, 2.0))
        pitch_hz, size = ((110.0, 1.0), (200.0, 1.16))[turn % 2]
        add(talk, unit(_phrase(rate_hz, length_s, pitch_hz, size, rng)), round(start_s * rate_hz))
        start_s += length_s - 0.1
        turn += 1
    return with_echoes(talk, rate_hz, rng, decay_s=0.3, level=0.25)


@dataclass
class _Contours:
    """Knots of what the voice does over time, in seconds."""

    times_s: list[float]
    formants_hz: list[tuple[int, int, int]]
    loudness: list[float]
    pitch_times_s: list[float]
    pitch_hz: list[float]

    def add(self, time_s: float, formants_hz: tuple[int, int, int], loudness: float) -> None:
        self.times_s.append(time_s)
        self.formants_hz.append(formants_hz)
        self.loudness.append(loudness)


def _phrase(rate_hz: int, duration_s: float, pitch_hz: float, size: float, rng: Generator) -> Signal:
    """Syllables of moving formants with hisses between them; the pitch falls towards the end."""
    t_s = seconds(duration_s, rate_hz)
    contours = _Contours([0.0], [_NEUTRAL_HZ], [0.0], [0.0], [pitch_hz])
    hisses = np.zeros(len(t_s))
    now_s = 0.03
    while now_s < duration_s - 0.3:
        level = float(rng.uniform(0.5, 1.0))
        if rng.random() < 0.4:
            add(hisses, level * _hiss(rate_hz, rng), round(now_s * rate_hz))
        pitch = pitch_hz * (1.2 - 0.4 * now_s / duration_s) * float(rng.uniform(0.85, 1.2))
        now_s = _syllable(contours, now_s, level, pitch, rng)
    contours.add(now_s, _NEUTRAL_HZ, 0.0)
    jitter = 1.0 + 0.01 * unit(smoothed(rng.standard_normal(len(t_s)), rate_hz // 100))
    pitch_contour = np.interp(t_s, contours.pitch_times_s, contours.pitch_hz) * jitter
    formants_hz = np.transpose(contours.formants_hz) * size
    tract = [
        (np.interp(t_s, contours.times_s, formant_hz), bandwidth_hz)
        for formant_hz, bandwidth_hz in zip(formants_hz, _BANDWIDTHS_HZ, strict=True)
    ]
    upper = [(3500.0 * size, 300.0), (4500.0 * size, 400.0)]
    voiced = harmonics(pitch_contour, rate_hz, resonances=[*tract, *upper], slope=0.7)
    return unit(voiced) * np.interp(t_s, contours.times_s, contours.loudness) + hisses


def _syllable(contours: _Contours, start_s: float, level: float, pitch_hz: float, rng: Generator) -> float:
    """Add a consonant's closure or murmur and a vowel; returns when it ends."""
    length_s = float(rng.uniform(0.12, 0.26))
    vowel_hz = _VOWELS_HZ[int(rng.integers(len(_VOWELS_HZ)))]
    onset_s = start_s + float(rng.uniform(0.04, 0.08))
    contours.add(start_s, _NEUTRAL_HZ, float(rng.choice([0.0, 0.05, 0.3])))
    contours.add(onset_s, vowel_hz, level)
    contours.add(start_s + 0.8 * length_s, vowel_hz, 0.8 * level)
    contours.pitch_times_s.append(onset_s)
    contours.pitch_hz.append(pitch_hz)
    return start_s + length_s


def _hiss(rate_hz: int, rng: Generator) -> Signal:
    """An "s" or "sh"."""
    n_samples = round(float(rng.uniform(0.05, 0.11)) * rate_hz)
    low_hz = float(rng.choice([1800.0, 3500.0]))
    noise = coloured_noise(n_samples, rate_hz, rng, low_hz=low_hz, high_hz=7000.0)
    return 0.3 * noise * np.hanning(n_samples)
