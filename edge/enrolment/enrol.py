"""A person's own clips → a label: its prototypes and its threshold, and what to expect of it.

Clips that don't sound alike are refused, since one wrong clip spoils the rest. The threshold comes from
background, which the encoder may have heard, and from each clip as the others would tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.background import Background
from edge.calibration.false_alarms import Rate
from edge.enrolment.check import Conflict, OddClip, alikeness, conflicts, odd_clips
from edge.enrolment.prototypes import own_cosine, sound_of, without
from edge.enrolment.sharpening import sharpened
from edge.enrolment.threshold import ChosenThreshold, choose_threshold, found_levels
from edge.enrolment.trim import sound_bounds
from edge.enrolment.windows import ClipWindows, clip_windows
from edge.errors import ConfigError, LabelError
from edge.overlay.content import EnrolledSound, Overlay
from edge.overlay.labels import with_overlay
from edge.scoring import PrototypeSet
from edge.trigger_rule import TriggerRule
from edge.types import Embedding, Samples

LEAST_CLIPS = 2
LONGEST_SOUND_S = 30.0


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording of the sound.

    Attributes:
        name: what a person calls it, such as the file's name.
        samples: (n_samples,) float32 mono in [-1, 1] at the encoder's rate.
    """

    name: str
    samples: Samples


@dataclass(frozen=True, eq=False)
class Ground:
    """What a sound is enrolled on.

    Attributes:
        prototypes: of labels, backgrounds and other own sounds.
        background: in which false alarms are counted, or None.
        rule: by which the sound will be told; its on_threshold doesn't matter.
        thresholds: on-thresholds of the labels among the prototypes.
        embed: a window, (n,) float32 with 1 ≤ n ≤ window_length → (embedding_dim,) float32, unit L2 norm.
        window_length: samples of a window.
        hop_length: samples between windows.
        sample_rate_hz: the encoder's.
    """

    prototypes: PrototypeSet
    background: Background | None
    rule: TriggerRule
    thresholds: Mapping[str, float]
    embed: Callable[[Samples], Embedding]
    window_length: int
    hop_length: int
    sample_rate_hz: int


@dataclass(frozen=True, eq=False)
class Enrolment:
    """What came of it.

    Attributes:
        sound: the label.
        odd: clips that don't sound like the others, taken nevertheless.
        conflicts: names that it will be confused with, the nearest first.
        expected: false alarms an hour at its threshold; None without a background.
        n_found: of the clips, how many the prototypes of the others find at the threshold, rivals included.
        notes: what else a person should know.
    """

    sound: EnrolledSound
    odd: tuple[OddClip, ...]
    conflicts: tuple[Conflict, ...]
    expected: Rate | None
    n_found: int
    notes: tuple[str, ...]


def enrol(
    name: str,
    clips: Sequence[Clip],
    ground: Ground,
    created: str,
    *,
    per_h: float = 0.5,
    anyway: bool = False,
) -> Enrolment:
    """Make a label of a few clips.

    Args:
        name: of the sound, none of the ground's.
        clips: 2 or more, better 3.
        ground: the encoder and what else is listened for.
        created: when, UTC in RFC 3339.
        per_h: false alarms an hour that may come, above 0.
        anyway: take clips that don't sound alike.

    Raises:
        ConfigError: if there are too few clips, or one holds no sound or more than 30 s of it.
        LabelError: if the name is taken, or the clips don't sound alike and `anyway` isn't given.
        EncoderError: if the encoder fails.
    """
    if name in ground.prototypes.names:
        raise LabelError(f"there is a sound called {name} already: give yours another name")
    _check_distinct(clips)
    heard = _heard(clips, ground)
    alike = alikeness(heard, ground.prototypes, ground.background)
    odd = odd_clips(heard, alike)
    if odd and not anyway:
        raise LabelError(_refusal(odd, len(clips)))
    sound = sound_of(name, heard, alike.group, created)
    left_out = [sound_of(name, *without(heard, alike.group, i), created) for i in range(len(heard))]
    own = [own_cosine(clip, others) for clip, others in zip(heard, left_out, strict=True)]
    sound = sharpened(sound, ground.background)
    chosen = _chosen(
        sound, [sharpened(others, ground.background) for others in left_out], heard, ground, per_h
    )
    return Enrolment(
        sound=replace(sound, threshold=chosen.threshold),
        odd=odd,
        conflicts=conflicts(heard, float(np.mean(own)), ground.prototypes, ground.thresholds),
        expected=chosen.expected,
        n_found=chosen.n_found,
        notes=chosen.notes,
    )


def _check_distinct(clips: Sequence[Clip]) -> None:
    """The same recording twice would find itself when it is left out. Raises: ConfigError."""
    for place, clip in enumerate(clips):
        for other in clips[:place]:
            if np.array_equal(clip.samples, other.samples):
                raise ConfigError(
                    f"{clip.name} is the same recording as {other.name}: give others of the same sound"
                )


def _heard(clips: Sequence[Clip], ground: Ground) -> list[ClipWindows]:
    if len(clips) < LEAST_CLIPS:
        raise ConfigError(
            f"{len(clips)} clip can't be checked against another: give 3 or more of the sound, 2 at least"
        )
    bounds = [_bounds(clip, ground.sample_rate_hz) for clip in clips]
    return [
        clip_windows(clip.name, clip.samples, of_clip, ground.window_length, ground.hop_length, ground.embed)
        for clip, of_clip in zip(clips, bounds, strict=True)
    ]


def _bounds(clip: Clip, sample_rate_hz: int) -> tuple[int, int]:
    if not np.isfinite(clip.samples).all():
        raise ConfigError(f"{clip.name} holds samples that are no numbers: convert or record it anew")
    bounds = sound_bounds(clip.samples, sample_rate_hz)
    if bounds is None:
        raise ConfigError(f"{clip.name} holds no sound above silence: record it anew, nearer")
    sound_s = (bounds[1] - bounds[0]) / sample_rate_hz
    if sound_s > LONGEST_SOUND_S:
        raise ConfigError(
            f"{clip.name} holds {sound_s:.0f} s from its first sound to its last: "
            f"cut it to the sound itself, {LONGEST_SOUND_S:g} s at most"
        )
    return bounds


def _refusal(odd: Sequence[OddClip], n_clips: int) -> str:
    if len(odd) == n_clips:
        figures = "; ".join(map(str, odd))
        return (
            f"these clips don't sound alike: {figures}: give clips of one sound, or take them with --anyway"
        )
    verb = "doesn't sound" if len(odd) == 1 else "don't sound"
    return (
        f"{', '.join(map(str, odd))} {verb} like the others: leave out or record anew, or take with --anyway"
    )


def _chosen(
    sound: EnrolledSound,
    left_out: Sequence[EnrolledSound],
    heard: Sequence[ClipWindows],
    ground: Ground,
    per_h: float,
) -> ChosenThreshold:
    place, hop_s = len(ground.prototypes.names), ground.hop_length / ground.sample_rate_hz
    levels = [
        found_levels(clip, place, _with(ground, others), ground.rule, hop_s)
        for clip, others in zip(heard, left_out, strict=True)
    ]
    return choose_threshold(
        levels,
        place,
        _with(ground, sound),
        ground.rule,
        ground.background,
        ground.thresholds,
        per_h,
    )


def _with(ground: Ground, sound: EnrolledSound) -> PrototypeSet:
    return with_overlay(ground.prototypes, Overlay("", (sound,)), ground.thresholds)
