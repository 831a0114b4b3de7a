"""Clips of tones on disk, backgrounds and scenes of them, for the synthetic bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from synthetic_bundle import SAMPLE_RATE_HZ, tone

from edge.config import ListenConfig
from edge.pipeline import Pipeline, prepare
from export.evaluation.scene_sounds import Group, Part, Sound

CLIP_LENGTH = 10 * SAMPLE_RATE_HZ


def clip_of(hz: float, duration_s: float = 3.0, lead_s: float = 0.5) -> NDArray[np.float32]:
    """A tone between digital silence, 5 s in all."""
    samples = np.zeros(5 * SAMPLE_RATE_HZ, np.float32)
    start = round(lead_s * SAMPLE_RATE_HZ)
    sound = tone(hz, duration_s)
    samples[start : start + len(sound)] = sound
    return samples


def write_clip(folder: Path, name: str, samples: NDArray[np.float32]) -> Path:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / name, samples, SAMPLE_RATE_HZ, subtype="FLOAT")
    return folder / name


def sound_of(path: Path, label: str | None, what: str | None = None) -> Sound:
    return Sound(label, what or label or "tone", path.name, path.stem, path)


def alone(sounds: Sequence[Sound], snrs_db: Sequence[float]) -> list[Group]:
    return [(Part(sound, snr_db),) for snr_db in snrs_db for sound in sounds]


def rumble(n_clips: int = 3) -> Mapping[str, NDArray[np.int16]]:
    """Background that the synthetic encoder doesn't hear: its front end begins at 125 Hz."""
    time_s = np.arange(CLIP_LENGTH) / SAMPLE_RATE_HZ
    wave = np.round(8000.0 * np.sin(2 * np.pi * 20.0 * time_s)).astype(np.int16)
    return {"rumble": np.stack([wave] * n_clips)}


def hiss(*kinds: str, n_clips: int = 3) -> Mapping[str, NDArray[np.int16]]:
    rng = np.random.default_rng(5)
    return {
        kind: np.round(3000.0 * rng.standard_normal((n_clips, CLIP_LENGTH))).astype(np.int16)
        for kind in kinds or ("noise",)
    }


def tones_pipeline(bundle: Path, *labels: str) -> Pipeline:
    return prepare(ListenConfig(labels=labels, bundle=bundle))
