"""How well `no_speech` tells clips with speech from others, by the built-in bundle, at several margins.

Clips of ESC-50 that the bundle was not made from (of its training folds, under licences it leaves out) and
held-out generated voices. Each clip is 8 s: 3 s of faint noise, as `before_s`, then 5 s of sound.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from edge.clip_speech import SPEECH_MARGIN, is_speech, speech_places
from edge.config import ListenConfig
from edge.pipeline import Pipeline, prepare
from edge.recognizer import WindowReport
from edge.types import AudioBlock, Samples
from export.starter.augment import rms
from export.starter.data import DEVELOPMENT_FOLDS, Clip, load_clips, read_mono
from export.starter.speech import speech_clips

RATE_HZ = 16_000
BEFORE, SOUND = 3 * RATE_HZ, 5 * RATE_HZ
MARGINS = (0.0, 0.05, 0.1, 0.2)
SPEECH_RMS = 10.0 ** (-25.0 / 20.0)
HUMAN = {
    "crying_baby", "sneezing", "clapping", "breathing", "coughing", "footsteps", "laughing", "brushing_teeth",
    "snoring", "drinking_sipping",
}  # fmt: skip
VOCAL = {"crying_baby", "sneezing", "coughing", "laughing"}


def dropped(pipeline: Pipeline, scene: Samples) -> list[bool]:
    """Whether a clip of this sound would be left out, for each margin."""
    reports: list[WindowReport] = []
    recognizer = pipeline.recognizer(reports.append)
    recognizer.push(AudioBlock(scene, 0))
    recognizer.flush()
    places = speech_places(pipeline.prototypes.names, pipeline.prototypes.background)
    found = [report.scores for report in reports if report.scores is not None]
    return [any(is_speech(scores, places, margin) for scores in found) for margin in MARGINS]


def row(pipeline: Pipeline, what: str, scenes: Sequence[Samples]) -> None:
    """Print a line of the table."""
    shares = np.mean([dropped(pipeline, scene) for scene in scenes], axis=0)
    print(f"| {what} | {len(scenes)} | " + " | ".join(f"{100 * share:.0f} %" for share in shares) + " |")


def scene(rng: np.random.Generator, sound: Samples, speech: Samples | None = None, start: int = 0) -> Samples:
    """Faint noise, the sound in its last 5 s, and speech from `start` on."""
    mixed = (1e-3 * rng.standard_normal(BEFORE + SOUND)).astype(np.float32)
    mixed[BEFORE:] += sound
    if speech is not None:
        mixed[start : start + len(speech)] += speech
    return np.clip(mixed, -1.0, 1.0)


def at_level(samples: Samples, level: float) -> Samples:
    """Scaled to an RMS."""
    return np.asarray(samples * (level / max(float(rms(samples)), 1e-6)), np.float32)


def speech_scenes(
    rng: np.random.Generator, sounds: Mapping[str, Sequence[Samples]], n_clips: int
) -> Iterator[tuple[str, list[Samples]]]:
    """Rows with speech, of held-out voices."""
    voices = speech_clips(SOUND, [np.random.default_rng(seed) for seed in range(n_clips)], "heldout")
    speech = [at_level(samples, SPEECH_RMS) for _, samples in voices]
    nothing = np.zeros(SOUND, np.float32)
    yield "speech alone", [scene(rng, nothing, one, BEFORE) for one in speech]
    yield "1 s of speech alone", [scene(rng, nothing, one[:RATE_HZ], BEFORE) for one in speech]
    for name, pool in sounds.items():
        loud = [at_level(pool[int(rng.integers(len(pool)))], SPEECH_RMS) for _ in speech]
        for snr_db in (10, 0, -10):
            gain = np.float32(10.0 ** (-snr_db / 20.0))
            scenes = [scene(rng, gain * other, one, BEFORE) for other, one in zip(loud, speech, strict=True)]
            yield f"speech at {snr_db:+d} dB to {name}", scenes
        pairs = zip(loud, speech, strict=True)
        yield f"speech in the 3 s before {name}", [scene(rng, other, one[:BEFORE]) for other, one in pairs]


def sounds_of(clips: Sequence[Clip]) -> list[Samples]:
    """(SOUND,) float32 of each."""
    return [np.resize(read_mono(clip.path, RATE_HZ), SOUND).astype(np.float32) for clip in clips]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description="How well no_speech tells clips with speech from others.")
    parser.add_argument("--data", type=Path, required=True, help="folder of ESC-50")
    parser.add_argument("--clips", type=int, default=100, help="a row, at most (default: %(default)s)")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    clips = [clip for clip in load_clips(options.data) if clip.fold in DEVELOPMENT_FOLDS]
    rng.shuffle(clips)
    unseen = [clip for clip in clips if not clip.permissive]
    others = sounds_of([clip for clip in unseen if clip.category not in HUMAN][: options.clips])
    vocal = sounds_of([clip for clip in unseen if clip.category in VOCAL][: options.clips])
    # Of dogs, all clips of these folds were trained on.
    dogs = sounds_of([clip for clip in clips if clip.category == "dog"][: options.clips])
    pipeline = prepare(ListenConfig(labels=("dog bark",), provider="cpu"))
    print(f"{pipeline.description} (SPEECH_MARGIN = {SPEECH_MARGIN:g})\n")
    print("| clips | number | " + " | ".join(f"{margin:g}" for margin in MARGINS) + " |")
    print("|-|-|" + "-|" * len(MARGINS))
    for what, scenes in speech_scenes(rng, {"another sound": others, "a dog": dogs}, options.clips):
        row(pipeline, what, scenes)
    for what, plain in (
        ("no speech: sounds not of people", others),
        ("no speech: dogs", dogs),
        ("no speech: laughing, crying, coughing, sneezing", vocal),
    ):
        row(pipeline, what, [scene(rng, sound) for sound in plain])


if __name__ == "__main__":
    main()
