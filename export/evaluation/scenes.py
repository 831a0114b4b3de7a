"""Scenes: clips over background at stated signal-to-noise ratios, with the sample at which each begins."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.types import Samples
from export.evaluation.active_sound import active_part, active_rms
from export.evaluation.scene_background import background_bed
from export.evaluation.scene_sounds import Group, Part, Sound
from export.starter.data import read_mono

logger = logging.getLogger(__name__)

SCENE_S = 60.0
APART_S = 8.0
"""Sounds of one label are at least this far apart."""
GAP_S = (1.0, 4.0)
"""Shortest and longest pause between sounds that don't overlap."""
LONGEST_S = 15.0
"""What of a sound is longer is cut off, or few would fit into a scene."""
SNR_STRETCH_S = 1.0
LEVELS_DBFS = (-50.0, -35.0)
"""Lowest and highest RMS level of a scene's background."""
HIGHEST_PEAK = 0.98


@dataclass(frozen=True)
class SceneSound:
    """A sound of a scene.

    Attributes:
        label: the label that should be heard; None for a distractor, of which none should.
        what: the data set's name of it.
        clip: the file's name in the data set.
        source: what that was cut from.
        onset_sample: position of its first sample.
        offset_sample: position just behind its last.
        snr_db: RMS of the sound over its active frames (see `active_sound`) against RMS of the background
            alone over the same stretch, onset to offset; a stretch shorter than 1 s is widened on both sides
            to 1 s, so that a click between two words isn't measured against silence.
        overlapped: whether another sound of the scene plays at the same time.
    """

    label: str | None
    what: str
    clip: str
    source: str
    onset_sample: int
    offset_sample: int
    snr_db: float
    overlapped: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """A stretch of sound and what plays in it.

    Attributes:
        samples: (n_samples,) float32 in [-1, 1].
        sample_rate_hz: of these.
        background: its kind.
        level_dbfs: RMS of the background.
        sounds: by onset.
    """

    samples: Samples
    sample_rate_hz: int
    background: str
    level_dbfs: float
    sounds: tuple[SceneSound, ...]


@dataclass(frozen=True, eq=False)
class _Placed:
    part: Part
    samples: Samples
    onset_sample: int

    @property
    def offset_sample(self) -> int:
        return self.onset_sample + len(self.samples)


class SceneMaker:
    """Places groups of sounds one after another, in as many scenes as they need.

    Args:
        backgrounds: (n_clips, clip_length) int16 at 16 kHz by kind; the kinds take turns.
        sample_rate_hz: of the scenes.
        window_s: of the pipeline that will hear them: no sound is nearer to the ends of a scene.
        apart_s: sounds of one label are at least this far apart, or 8 s, so that their events can't be one.
        seed: of everything drawn.
    """

    def __init__(
        self,
        backgrounds: Mapping[str, NDArray[np.int16]],
        sample_rate_hz: int,
        window_s: float,
        apart_s: float,
        seed: int,
    ) -> None:
        self._backgrounds = backgrounds
        self._rate_hz = sample_rate_hz
        self._n_samples = self._samples(SCENE_S)
        self._margin = self._samples(min(window_s + 1.0, SCENE_S / 4.0))
        self._apart = self._samples(max(APART_S, apart_s))
        self._seed = seed
        self._silent: set[str] = set()

    def scenes(self, groups: Sequence[Group]) -> Iterator[Scene]:
        """Make the scenes one at a time; clips are read when they are placed.

        A clip that holds no sound is left out with a warning.
        The same groups and seed give the same samples.

        Raises: DatasetError if a clip cannot be decoded.
        """
        waiting = list(groups)
        kinds = list(self._backgrounds)
        index = 0
        while waiting:
            rng = np.random.default_rng([self._seed, 1, index])
            placed = self._place(waiting, rng)
            if placed:
                yield self._mix(placed, kinds[index % len(kinds)], rng)
                index += 1

    def _place(self, waiting: list[Group], rng: Generator) -> list[_Placed]:
        """Fill a scene with what fits, and take it from `waiting`."""
        placed: list[_Placed] = []
        at, end = self._margin, self._n_samples - self._margin
        free_from: dict[str | None, int] = {}
        while waiting and at < end:
            group = next((g for g in waiting if all(free_from.get(p.sound.label, 0) <= at for p in g)), None)
            if group is None:
                at += self._samples(1.0)
                continue
            here = self._lay_out(group, at, rng)
            last = max((one.offset_sample for one in here), default=at)
            if last > end:
                break
            waiting.remove(group)
            placed += here
            for one in here:
                if one.part.sound.label is not None:
                    free_from[one.part.sound.label] = one.offset_sample + self._apart
            at = last + (self._samples(rng.uniform(*GAP_S)) if here else 0)
        return placed

    def _lay_out(self, group: Group, at: int, rng: Generator) -> list[_Placed]:
        """A group's sounds, the first at `at`, the second within it."""
        laid: list[_Placed] = []
        for part in group:
            samples = self._read(part.sound)
            if samples is not None:
                onset = at + (round(rng.uniform(0.1, 0.9) * len(laid[0].samples)) if laid else 0)
                laid.append(_Placed(part, samples, onset))
        return laid

    def _read(self, sound: Sound) -> Samples | None:
        part = active_part(read_mono(sound.path, self._rate_hz), self._rate_hz)
        longest = self._samples(LONGEST_S)
        if part is not None and len(part) > longest:
            part = active_part(part[:longest], self._rate_hz)
        if part is None and sound.clip not in self._silent:
            self._silent.add(sound.clip)
            logger.warning("%s holds no sound and is left out", sound.clip)
        return part

    def _mix(self, placed: Sequence[_Placed], kind: str, rng: Generator) -> Scene:
        level_dbfs = float(rng.uniform(*LEVELS_DBFS))
        bed = background_bed(self._backgrounds[kind], self._n_samples, self._rate_hz, level_dbfs, rng)
        samples = bed.copy()
        for one in placed:
            noise_rms = _rms_around(bed, one.onset_sample, one.offset_sample, self._samples(SNR_STRETCH_S))
            gain = noise_rms * 10.0 ** (one.part.snr_db / 20.0) / active_rms(one.samples, self._rate_hz)
            samples[one.onset_sample : one.offset_sample] += np.float32(gain) * one.samples
        # All of it, so that the ratios stay what they are.
        scale = min(1.0, HIGHEST_PEAK / float(np.abs(samples).max()))
        return Scene(
            samples * np.float32(scale),
            self._rate_hz,
            kind,
            level_dbfs + 20.0 * float(np.log10(scale)),
            tuple(_noted(one, placed) for one in sorted(placed, key=lambda one: one.onset_sample)),
        )

    def _samples(self, seconds: float) -> int:
        return round(seconds * self._rate_hz)


def _rms_around(bed: Samples, start: int, end: int, shortest: int) -> float:
    missing = max(0, shortest - (end - start))
    stretch = bed[max(0, start - missing // 2) : end + missing - missing // 2]
    return float(np.sqrt(np.mean(np.square(stretch, dtype=np.float64))))


def _noted(one: _Placed, placed: Sequence[_Placed]) -> SceneSound:
    sound = one.part.sound
    return SceneSound(
        label=sound.label,
        what=sound.what,
        clip=sound.clip,
        source=sound.source,
        onset_sample=one.onset_sample,
        offset_sample=one.offset_sample,
        snr_db=one.part.snr_db,
        overlapped=any(
            other is not one
            and other.onset_sample < one.offset_sample
            and one.onset_sample < other.offset_sample
            for other in placed
        ),
    )
