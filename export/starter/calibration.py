"""The starter's own background: generated hours, and the clips of ESC-50's last fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.bundle import Bundle
from export.background.build import GENERATION_SEED, add_background, make_background
from export.background.folders import SILENCE_S, file_sound
from export.background.generated import generated_recordings
from export.background.sound import Sound
from export.starter.data import FINAL_FOLD, Clip
from export.starter.pack import attribution
from export.starter.programs import SAMPLE_RATE_HZ
from export.starter.vocabulary import VOCABULARY

CALIBRATION_HOURS = 24.0
MEMBERS_FILE = "attribution.members.csv"
"""Whose these clips are; apart from those that the encoder was made from, which attribution.csv lists."""
MEMBERS_ARE = "recordings of ESC-50's fold 4 that the encoder never heard"


def with_calibration(bundle: Bundle, clips: Sequence[Clip], work: Path, out: Path, created: str) -> Bundle:
    """Write the bundle to `out` with its background, replacing one that is there.

    clips: ESC-50's.
    work: folder in which sound and what was heard are kept.
    Raises: ProgramError, BundleError, EncoderError, AudioSourceError, OSError.
    """
    background = make_background(
        bundle,
        generated_recordings(work / "sound", "calibration", CALIBRATION_HOURS, GENERATION_SEED),
        final_fold_members(bundle, clips),
        MEMBERS_ARE,
        work,
    )
    credits_ = {MEMBERS_FILE: attribution(_member_clips(bundle, clips))}
    return add_background(bundle, background, out, created, replace_old=out.exists(), others=credits_)


def final_fold_members(bundle: Bundle, clips: Sequence[Clip]) -> list[tuple[int, Sound]]:
    """The clips that nothing is made from and that may be shipped something of, with their labels' places."""
    places = {label.name: place for place, label in enumerate(bundle.manifest.labels)}
    return [
        (places[VOCABULARY[clip.target].name], file_sound(clip.path, SAMPLE_RATE_HZ, SILENCE_S))
        for clip in _member_clips(bundle, clips)
    ]


def _member_clips(bundle: Bundle, clips: Sequence[Clip]) -> list[Clip]:
    names = {label.name for label in bundle.manifest.labels}
    return [
        clip
        for clip in clips
        if clip.fold == FINAL_FOLD and clip.permissive and VOCABULARY[clip.target].name in names
    ]
