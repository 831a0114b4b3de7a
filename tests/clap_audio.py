"""CLAP's audio branch with random weights, and sounds to try it on, each made once for all tests."""

from __future__ import annotations

import importlib.util
from functools import cache

import numpy as np
import pytest
import synthetic_checkpoint
from torch import Tensor

from edge.frontend import CLAP_UNFUSED, LogMelFrontEnd, LogMelSpec, fit_clip
from export.clap.architecture import Architecture
from export.clap.audio_encoder import ClapAudioEncoder
from export.clap.geometry import Image
from export.clap.laion_layout import layout
from export.clap.reference import Reference, ReferenceMissingError

SAMPLE_RATE_HZ = 48000
CLIP_LENGTH = 10 * SAMPLE_RATE_HZ


class SmallArchitecture(Architecture):
    """Of no published model: fewer and narrower blocks, but every stage, and shifted windows where tiny has
    them."""

    name = "HTSAT-small"


SMALL = SmallArchitecture(patch_dim=16, depths=(2, 2, 2, 1), n_heads=(1, 2, 4, 8), fusion=False)


@cache
def audio_state(architecture: Architecture) -> dict[str, Tensor]:
    """The audio branch of a synthetic checkpoint, and its projection."""
    return {
        key: synthetic_checkpoint._tensor(key, entry, 0)
        for key, entry in layout(architecture).items()
        if key.startswith(("audio_branch.", "audio_projection."))
    }


@cache
def encoder(architecture: Architecture, image: Image = Image.WHOLE) -> ClapAudioEncoder:
    return ClapAudioEncoder(audio_state(architecture), architecture, image)


@cache
def reference(architecture: Architecture) -> Reference:
    """LAION's own, of the same weights; without it the test that asks is skipped."""
    try:
        return Reference(audio_state(architecture), architecture)
    except ReferenceMissingError as error:
        pytest.skip(str(error))


def hide_laion_clap(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it is not installed."""
    find_spec = importlib.util.find_spec

    def others(name: str, package: str | None = None) -> object:
        return None if name.startswith("laion_clap") else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", others)


@cache
def windows() -> dict[str, np.ndarray]:
    """Five seconds each of the kinds of sound that front ends differ on."""
    rng = np.random.default_rng(7)
    n = 5 * SAMPLE_RATE_HZ
    t = np.arange(n) / SAMPLE_RATE_HZ
    noise = rng.standard_normal((3, n))
    swell = 10.0 ** (-1.5 * (1.0 - np.cos(2.0 * np.pi * t / 1.7)))
    hiss = 1e-4 * noise[0]  # no microphone is without
    vibrato = 0.4 * np.sin(2.0 * np.pi * 5.0 * t)
    chord = sum(np.sin(2.0 * np.pi * hz * t + vibrato) for hz in (220.0, 1313.0, 5000.0))
    sweep = np.sin(2.0 * np.pi * 80.0 * 5.0 / np.log(150.0) * np.exp(t / 5.0 * np.log(150.0)))
    knocks = np.exp(-40.0 * (t % 0.61)) * noise[2]
    sounds = {
        "noise": 0.1 * noise[0],
        "swelling noise": 0.2 * noise[1] * swell,
        "near silence": hiss,
        "chord": 0.2 * chord + hiss,
        "sweep": 0.5 * sweep + hiss,
        "knocks": 0.3 * knocks + hiss,
    }
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


@cache
def clips() -> np.ndarray:
    """(6, 480000) float32: the windows, each repeated to fill a clip."""
    return np.array([fit_clip(window, CLIP_LENGTH, "repeat") for window in windows().values()])


@cache
def log_mels(spec: LogMelSpec = CLAP_UNFUSED) -> np.ndarray:
    """(6, 1001, 64) float32, of the clips."""
    front_end = LogMelFrontEnd(spec)
    return np.array([front_end(clip) for clip in clips()])
