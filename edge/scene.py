"""The demo's scene: half a minute of sounds made by rule, some to be heard and some to be let pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from edge.synthesis import sounds
from edge.synthesis.signals import Signal, add, ends_faded, unit
from edge.synthesis.voices import people_talking
from edge.types import Samples


@dataclass(frozen=True)
class SceneSound:
    """A sound of the scene.

    Attributes:
        label: the bundle's label that should be heard; None if nothing should.
        what: what plays, in words.
        onset_s: when it begins, in seconds from the scene's start.
        duration_s: how long it is made; its echo goes on a little.
    """

    label: str | None
    what: str
    onset_s: float
    duration_s: float


@dataclass(frozen=True)
class _Part:
    sound: SceneSound
    make: Callable[[int, float, Generator], Signal]
    level_dbfs: float


_PARTS = (
    _Part(SceneSound("siren", "a siren of two tones", 2.0, 3.6), sounds.hi_lo_siren, -20.0),
    _Part(SceneSound(None, "people talking", 6.4, 3.0), people_talking, -26.0),
    _Part(SceneSound("clock alarm", "an alarm clock", 9.9, 3.0), sounds.clock_alarm, -24.0),
    _Part(SceneSound(None, "a fan", 13.4, 2.6), sounds.fan, -36.0),
    _Part(SceneSound("dog bark", "a dog", 16.4, 2.8), sounds.dog_bark, -22.0),
    _Part(SceneSound("door knock", "knocks on a door", 19.8, 2.4), sounds.door_knock, -28.0),
    _Part(SceneSound("church bells", "church bells", 22.8, 4.0), sounds.church_bells, -22.0),
    _Part(SceneSound("siren", "a wailing siren", 28.2, 3.6), sounds.wail_siren, -20.0),
)
_QUIET = (SceneSound(None, "a quiet room", 0.0, 2.0), SceneSound(None, "a quiet room again", 32.6, 1.4))
DEMO_SOUNDS = tuple(sorted([*_QUIET, *(part.sound for part in _PARTS)], key=lambda sound: sound.onset_s))
"""What plays in the scene, in order of time."""
_QUIET_DBFS = -64.0
_LENGTH_S = 34.0


def demo_scene(sample_rate_hz: int, seed: int = 0) -> tuple[Samples, tuple[SceneSound, ...]]:
    """Make the scene. The same rate and seed give the same samples.

    sample_rate_hz: 8000 or more.
    Returns: (n_samples,) float32 in [-1, 1], and DEMO_SOUNDS.
    """
    rng = np.random.default_rng(seed)
    scene = 10.0 ** (_QUIET_DBFS / 20.0) * sounds.quiet_room(sample_rate_hz, _LENGTH_S, rng)
    for part in _PARTS:
        made = unit(part.make(sample_rate_hz, part.sound.duration_s, rng))
        faded = made * ends_faded(len(made), round(0.01 * sample_rate_hz))
        add(scene, 10.0 ** (part.level_dbfs / 20.0) * faded, round(part.sound.onset_s * sample_rate_hz))
    return scene.astype(np.float32), DEMO_SOUNDS
