"""Generated background, made once and kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.progress import progress
from export.starter.background import KINDS, generate
from export.starter.parts import Part

BACKGROUND_CLIP_S = 10.0


def background_clips(
    directory: Path,
    minutes: Mapping[str, float],
    seed: int,
    part: Part,
    clip_s: float = BACKGROUND_CLIP_S,
) -> dict[str, NDArray[np.int16]]:
    """Generated background by kind, (n_clips, samples) int16 at 16 kHz; made once and kept in `directory`.

    minutes: how much of each kind that is wanted; the others are not made.
    part: whose voices, instruments and ranges are used.
    clip_s: length of each clip, in seconds.
    Raises: ProgramError if a program that speech or music is made with is missing; OSError if `directory`
        cannot be written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    found: dict[str, NDArray[np.int16]] = {}
    for kind in (kind for kind in KINDS if kind in minutes):
        n_clips = round(minutes[kind] * 60.0 / clip_s)
        length = "" if clip_s == BACKGROUND_CLIP_S else f"x{clip_s:g}s"
        path = directory / f"{part}-{kind}-{n_clips}{length}-seed{seed}.npy"
        if not path.is_file():
            clips = generate(kind, n_clips, clip_s, seed, part)
            made = [
                np.clip(clip.samples * 32767.0, -32768, 32767).astype(np.int16)
                for clip in progress(clips, desc=f"background {kind}", total=n_clips, unit=" clips")
            ]
            temporary = path.with_suffix(".part.npy")
            np.save(temporary, np.stack(made))
            temporary.replace(path)
        found[kind] = np.load(path, allow_pickle=False)
    return found
