"""Hours of a made-up home: two motors, two chirpers, a clicker and a television, its own each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.types import Samples
from export.starter.augment import rms
from export.starter.background import generate

RATE_HZ = 16_000
HOUR_S, SCENE_S = 3600, 40
SCENE = SCENE_S * RATE_HZ
LEVEL_DBFS = -30.0


@dataclass(frozen=True)
class Source:
    """A thing that sounds: parameters drawn once, for all hours."""

    kind: str
    seed: int

    def sound(self, varied: Generator) -> NDArray[np.float64]:
        """(SCENE,) of one time it sounds."""
        fixed = np.random.default_rng([7, self.seed])
        return {"motor": motor, "chirps": chirps, "clicks": clicks}[self.kind](fixed, varied)


def motor(fixed: Generator, varied: Generator) -> NDArray[np.float64]:
    """Harmonics of a turning frequency in noise, both swelling at a slower one."""
    t_s = np.arange(SCENE) / RATE_HZ
    base_hz = 40.0 * 2.0 ** fixed.uniform(0.0, 2.5) * varied.uniform(0.97, 1.03)
    fall, slope, noise_db = fixed.uniform(0.3, 1.2), fixed.uniform(0.0, 2.0), fixed.uniform(-6.0, 6.0)
    swell_hz, depth = fixed.uniform(0.3, 15.0) * varied.uniform(0.9, 1.1), fixed.uniform(0.3, 0.9)
    tones = np.zeros(SCENE)
    for n, gain_db in enumerate(fixed.normal(0.0, 8.0, 30), 1):
        if n * base_hz < 7500.0:
            phase = varied.uniform(0.0, 2.0 * np.pi)
            tones += n**-fall * 10.0 ** (gain_db / 20.0) * np.sin(2.0 * np.pi * n * base_hz * t_s + phase)
    spectrum = np.fft.rfft(varied.standard_normal(SCENE))
    spectrum *= np.maximum(np.fft.rfftfreq(SCENE, 1.0 / RATE_HZ), 100.0) ** (-slope / 2.0)
    noise = np.fft.irfft(spectrum, SCENE)
    mixed = tones / tones.std() + noise / noise.std() * 10.0 ** (noise_db / 20.0)
    return np.asarray(mixed * (1.0 + depth * np.sin(2.0 * np.pi * swell_hz * t_s)))


def chirps(fixed: Generator, varied: Generator) -> NDArray[np.float64]:
    """Phrases of notes that bend, with pauses of some seconds: a toy, or something like a bird."""
    pitch_hz, bend = fixed.uniform(1800.0, 4500.0), fixed.uniform(0.1, 0.6)
    note_s, n_notes, gap_s = fixed.uniform(0.05, 0.3), int(fixed.integers(2, 8)), fixed.uniform(0.05, 0.2)
    turns = int(fixed.integers(1, 3))
    sound = 1e-3 * varied.standard_normal(SCENE)
    start_s = varied.uniform(0.0, 3.0)
    while start_s < SCENE_S - n_notes * (1.2 * note_s + gap_s):
        for _ in range(n_notes):
            length = int(note_s * varied.uniform(0.9, 1.1) * RATE_HZ)
            place = np.arange(length) / length
            note_hz = pitch_hz * (1.0 + bend * np.sin(np.pi * turns * place)) * varied.uniform(0.97, 1.03)
            note = np.sin(2.0 * np.pi * np.cumsum(note_hz) / RATE_HZ) * np.sin(np.pi * place)
            _add(sound, note, start_s)
            start_s += note_s + gap_s
        start_s += varied.uniform(1.0, 6.0)
    return sound


def clicks(fixed: Generator, varied: Generator) -> NDArray[np.float64]:
    """Short ringing knocks, about evenly spaced: a relay, a radiator that warms up."""
    every_s, pitch_hz = fixed.uniform(0.15, 1.5), fixed.uniform(500.0, 5000.0)
    t_s = np.arange(round(0.03 * RATE_HZ)) / RATE_HZ
    sound = 1e-3 * varied.standard_normal(SCENE)
    start_s = varied.uniform(0.0, 1.0)
    while start_s < SCENE_S:
        ring = np.sin(2.0 * np.pi * pitch_hz * varied.uniform(0.98, 1.02) * t_s) * np.exp(-200.0 * t_s)
        _add(sound, ring + 0.3 * np.exp(-400.0 * t_s) * varied.standard_normal(len(t_s)), start_s)
        start_s += every_s * varied.uniform(0.7, 1.3)
    return sound


def _add(sound: NDArray[np.float64], piece: NDArray[np.float64], start_s: float) -> None:
    start = round(start_s * RATE_HZ)
    end = min(len(sound), start + len(piece))
    sound[start:end] += piece[: end - start]


def television(work: Path, hour: int) -> list[NDArray[np.float64]]:
    """Some scenes of held-out speech over held-out music, made once and kept."""
    path = work / f"television-{hour}.npy"
    if not path.is_file():
        pairs = zip(
            generate("speech", 8, SCENE_S, 100 + hour, "heldout"),
            generate("music", 8, SCENE_S, 100 + hour, "heldout"),
            strict=True,
        )
        rng = np.random.default_rng([1, hour])
        mixed = [
            speech.samples / rms(speech.samples)
            + music.samples / rms(music.samples) * 10.0 ** (rng.uniform(-5.0, 10.0) / 20.0)
            for speech, music in pairs
        ]
        np.save(path, np.stack(mixed).astype(np.float32))
    return list(np.load(path, allow_pickle=False))


def hour_of(home: int, hour: int, work: Path) -> Iterator[Samples]:
    """(SCENE,) float32 after one another: each source in turn, at a level of its own give or take 3 dB."""
    sources = [
        Source(kind, 100 * home + k)
        for k, kind in enumerate(["motor", "motor", "chirps", "chirps", "clicks"])
    ]
    on_tv = television(work, hour)
    rng = np.random.default_rng([3, home, hour])
    for n in range(HOUR_S // SCENE_S):
        turn = n % (len(sources) + 1)
        sound = on_tv[int(rng.integers(len(on_tv)))] if turn == len(sources) else sources[turn].sound(rng)
        gain = 10.0 ** ((LEVEL_DBFS + rng.uniform(-3.0, 3.0)) / 20.0) / sound.std()
        yield np.asarray(np.clip(gain * sound, -1.0, 1.0), np.float32)
