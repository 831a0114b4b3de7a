"""Running the programs that make sound: espeak-ng, flite and fluidsynth."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from edge.errors import SoundError
from edge.types import Samples

SAMPLE_RATE_HZ = 16000
PACKAGES = "espeak-ng flite fluidsynth fluid-soundfont-gm"


class ProgramError(SoundError, RuntimeError):
    """A program that background sound is made with is missing or fails."""


def run_program(command: Sequence[str]) -> None:
    """Run to the end, its output kept quiet.

    Raises: ProgramError if it isn't installed, or ends with an error.
    """
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    except FileNotFoundError:
        raise ProgramError(
            f"{command[0]} is not installed, and background sound is made with it: run apt install {PACKAGES}"
        ) from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise ProgramError(f"{command[0]} ended with exit code {error.returncode}: {lines[-1]}") from None


def read_made(path: Path) -> Samples:
    """What a program wrote as WAV, mixed to mono: (n_samples,) float32 at 16 kHz."""
    sound, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(soxr.resample(sound.mean(axis=1), rate_hz, SAMPLE_RATE_HZ), np.float32)
