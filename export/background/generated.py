"""Recordings of generated background, five minutes each: one set of voices or instruments to a recording.

Sound is made once, a minute and two thirds for each recording, and played three times with another speed and
another frequency response each time. The TV-like kind plays the same speech over the same music, but not that
of one recording, mixed anew.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soxr
from numpy.random import Generator
from numpy.typing import NDArray

from edge.types import Samples
from export.background.sound import Sound
from export.starter.augment import colour, reverberate, rms
from export.starter.background import KINDS
from export.starter.background_store import background_clips
from export.starter.parts import Part
from export.starter.programs import SAMPLE_RATE_HZ

RECORDING_S = 300.0
N_TAKES = 3
_BASE_S = RECORDING_S / N_TAKES
_TV = "tv"
ALL_KINDS = (*KINDS, _TV)
"""In equal shares. "tv": speech over music through one loudspeaker in one room, their levels moving."""
_LARGEST_SPEED_CHANGE = 0.08


def generated_recordings(work: Path, part: Part, hours: float, seed: int) -> list[Sound]:
    """All recordings of a part, kinds in turn, at 16 kHz; the same for the same arguments.

    work: folder in which the sound they are made of is kept.
    hours: of all together, rounded up to whole recordings of every kind.
    Raises: ProgramError if a program that speech or music is made with is missing; OSError.
    """
    n_of_each = int(np.ceil(hours * 3600.0 / RECORDING_S / len(ALL_KINDS)))
    minutes: dict[str, float] = dict.fromkeys(KINDS, n_of_each * _BASE_S / 60.0)
    base = background_clips(work, minutes, seed, part, _BASE_S)
    sounds = []
    for number, kind in itertools.product(range(n_of_each), ALL_KINDS):
        name = f"{kind}-{number:03d}"

        def blocks(kind: str = kind, number: int = number) -> list[Samples]:
            rng = np.random.default_rng([seed, ALL_KINDS.index(kind), number])
            return [_recording(base, kind, number, rng)]

        sounds.append(Sound(name, f"generated {part} {hours:g} h seed {seed} {name}", blocks))
    return sounds


def at_rate(sound: Sound, sample_rate_hz: int) -> Sound:
    """The same recording for an encoder of another rate."""
    if sample_rate_hz == SAMPLE_RATE_HZ:
        return sound

    def blocks() -> list[Samples]:
        return [
            np.asarray(soxr.resample(samples, SAMPLE_RATE_HZ, sample_rate_hz), np.float32)
            for samples in sound.blocks()
        ]

    return Sound(sound.name, sound.key, blocks)


def _recording(base: Mapping[str, NDArray[np.int16]], kind: str, number: int, rng: Generator) -> Samples:
    if kind == _TV:
        takes = [_tv_take(base, number, rng) for _ in range(N_TAKES)]
    else:
        clip = _clip(base[kind], number)
        # What is stationary gains nothing from being played at another speed.
        takes = [_take(clip, rng) if kind in ("speech", "music") else clip for _ in range(N_TAKES)]
    return _unclipped(np.concatenate(takes))


def _clip(clips: NDArray[np.int16], number: int) -> Samples:
    return np.asarray(clips[number % len(clips)] / np.float32(32768.0), np.float32)


def _take(clip: Samples, rng: Generator) -> Samples:
    """The clip from somewhere on, its beginning behind its end, played faster or slower and coloured."""
    return colour(_at_another_speed(clip, rng), rng)


def _at_another_speed(clip: Samples, rng: Generator) -> Samples:
    turned = np.roll(clip, int(rng.integers(len(clip))))
    factor = 1.0 + float(rng.uniform(-_LARGEST_SPEED_CHANGE, _LARGEST_SPEED_CHANGE))
    played = soxr.resample(turned, SAMPLE_RATE_HZ * factor, SAMPLE_RATE_HZ, quality="LQ")
    return np.resize(np.asarray(played, np.float32), len(clip))


def _tv_take(base: Mapping[str, NDArray[np.int16]], number: int, rng: Generator) -> Samples:
    speech, music = (
        _at_another_speed(_clip(base[kind], number + shift), rng) * _moving_gain(rng)
        for kind, shift in (("speech", 7), ("music", 3))
    )
    music_db = float(rng.uniform(-20.0, 3.0))
    scene = speech / rms(speech) + music / rms(music) * 10.0 ** (music_db / 20.0)
    scene = reverberate(colour(np.asarray(scene, np.float32), rng), rng)
    level_dbfs = float(rng.uniform(-45.0, -15.0))
    return np.asarray(scene / rms(scene) * 10.0 ** (level_dbfs / 20.0), np.float32)


def _moving_gain(rng: Generator) -> Samples:
    """A gain that moves every few seconds, by some dB."""
    n_samples = round(_BASE_S * SAMPLE_RATE_HZ)
    knots_db = rng.normal(0.0, 5.0, round(_BASE_S / 4.0))
    gain_db = np.interp(np.linspace(0.0, len(knots_db) - 1.0, n_samples), np.arange(len(knots_db)), knots_db)
    return np.asarray(10.0 ** (gain_db / 20.0), np.float32)


def _unclipped(samples: Samples) -> Samples:
    peak = float(np.abs(samples).max())
    return samples if peak <= 0.99 else np.asarray(samples * (0.99 / peak), np.float32)
