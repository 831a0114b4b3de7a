"""What the starter is trained from: decoded permissive clips by fold, beside background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.frontend import STARTER
from export.starter.corpus import BACKGROUND_FOLD, Material
from export.starter.data import Clip, read_mono


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
