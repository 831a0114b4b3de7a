"""Background sound that any Debian machine can make, seeded: speech, music, noise, hum and quiet.

Serves as sound that must not fire. A listed part of the voices and instruments is held out, so that false
alarms are measured on what training never heard; `noise` says what stands for that where there are none.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import soundfile
from numpy.random import Generator

from edge.errors import SoundError
from edge.types import Samples
from export.starter.augment import rms
from export.starter.music import music_clips
from export.starter.noise import hum_clips, noise_clips, quiet_clips
from export.starter.parts import PARTS, Part
from export.starter.programs import SAMPLE_RATE_HZ
from export.starter.speech import speech_clips

Kind = Literal["speech", "music", "noise", "hum", "quiet"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LEVELS_DBFS: dict[Kind, tuple[float, float]] = {
    "speech": (-35.0, -10.0),
    "music": (-40.0, -10.0),
    "noise": (-50.0, -10.0),
    "hum": (-55.0, -15.0),
    "quiet": (-90.0, -50.0),
}
"""Lowest and highest RMS level of a clip, by kind."""


@dataclass(frozen=True, eq=False)
class BackgroundClip:
    """A clip of background.

    Attributes:
        kind: what it is.
        source: voices or instruments, or how it was made.
        part: which voices, instruments and ranges it was made of.
        samples: (n_samples,) float32 at 16 kHz in [-1, 1].
    """

    kind: Kind
    source: str
    part: Part
    samples: Samples


_MAKERS = {
    "speech": speech_clips,
    "music": music_clips,
    "noise": noise_clips,
    "hum": hum_clips,
    "quiet": quiet_clips,
}


def generate(kind: Kind, n_clips: int, clip_s: float, seed: int, part: Part) -> Iterator[BackgroundClip]:
    """Make clips, the same for the same arguments.

    kind: one of KINDS.
    clip_s: length of each, in seconds.
    part: whose voices, instruments and ranges are used, and no others.
    Raises: ProgramError if a program that speech or music is made with is missing.
    """
    n_samples = round(clip_s * SAMPLE_RATE_HZ)
    place = [seed, KINDS.index(kind), PARTS.index(part)]
    rngs = [np.random.default_rng([*place, index]) for index in range(n_clips)]
    for rng, (source, samples) in zip(rngs, _MAKERS[kind](n_samples, rngs, part), strict=True):
        yield BackgroundClip(kind, source, part, _at_level(samples, kind, rng))


def _at_level(samples: Samples, kind: Kind, rng: Generator) -> Samples:
    """Draw an RMS level; peaks that would clip bring the clip down instead."""
    level_dbfs = float(rng.uniform(*LEVELS_DBFS[kind]))
    gain = 10.0 ** (level_dbfs / 20.0) / rms(samples)
    highest_gain = 0.99 / max(float(np.abs(samples).max()), 1e-6)
    return np.asarray(samples * min(gain, highest_gain), np.float32)


def write_clips(
    directory: Path, minutes_per_kind: float, seed: int, part: Part, clip_s: float = 10.0
) -> Path:
    """Write clips of every kind as 16-bit WAV.

    Returns: the path of a CSV that lists them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    index = directory / "index.csv"
    with index.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "kind", "part", "source"])
        for kind in KINDS:
            n_clips = round(minutes_per_kind * 60.0 / clip_s)
            for number, clip in enumerate(generate(kind, n_clips, clip_s, seed, part)):
                name = f"{kind}-{number:04d}.wav"
                soundfile.write(directory / name, clip.samples, SAMPLE_RATE_HZ, subtype="PCM_16")
                rows.writerow([name, kind, part, clip.source])
    return index


def main(arguments: Sequence[str] | None = None) -> int:
    """Write clips to listen to.

    Returns: the exit code.
    """
    parser = argparse.ArgumentParser(
        "python -m export.starter.background", description="Writes background clips."
    )
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    parser.add_argument("--minutes-per-kind", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=PARTS, default="train", help="whose voices and instruments")
    settings = parser.parse_args(arguments)
    try:
        index = write_clips(settings.out, settings.minutes_per_kind, settings.seed, settings.part)
    except SoundError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(index)
    return 0


if __name__ == "__main__":
    sys.exit(main())
