"""What the starter is trained from: decoded permissive clips by fold, and generated background."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.frontend import STARTER
from export.starter.background import KINDS, generate
from export.starter.corpus import BACKGROUND_FOLD, Material
from export.starter.data import Clip, read_mono

BACKGROUND_CLIP_S = 10.0


def fold_materials(
    clips: Sequence[Clip], folds: Sequence[int], background: NDArray[np.int16]
) -> list[Material]:
    """The permissive clips of each fold, and one material of background alone.

    A copy of doubtful identity is drawn half as often.
    """
    materials = []
    for fold in folds:
        chosen = [clip for clip in clips if clip.fold == fold and clip.permissive]
        materials.append(
            Material(
                fold,
                [read_mono(clip.path, STARTER.sample_rate_hz) for clip in chosen],
                np.array([clip.target for clip in chosen]),
                np.array([1.0 if clip.certain else 0.5 for clip in chosen]),
                background,
            )
        )
    nothing = np.zeros(0)
    return [*materials, Material(BACKGROUND_FOLD, [], nothing.astype(np.int64), nothing, background)]


def background_clips(
    directory: Path, minutes: dict[str, float], seed: int, *, heldout: bool
) -> dict[str, NDArray[np.int16]]:
    """Generated background by kind, (n_clips, samples) int16 at 16 kHz; made once and kept in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    found: dict[str, NDArray[np.int16]] = {}
    for kind in KINDS:
        n_clips = round(minutes[kind] * 60.0 / BACKGROUND_CLIP_S)
        path = directory / f"{'heldout' if heldout else 'train'}-{kind}-{n_clips}-seed{seed}.npy"
        if not path.is_file():
            clips = generate(kind, n_clips, BACKGROUND_CLIP_S, seed, heldout=heldout)
            made = [
                np.clip(clip.samples * 32767.0, -32768, 32767).astype(np.int16)
                for clip in tqdm(clips, desc=f"background {kind}", total=n_clips, unit="clip")
            ]
            temporary = path.with_suffix(".part.npy")
            np.save(temporary, np.stack(made))
            temporary.replace(path)
        found[kind] = np.load(path, allow_pickle=False)
    return found
