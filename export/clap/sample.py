"""Clips to compare encoders on: some of the pool's, and where it has too few, the demo's sounds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.errors import AudioSourceError
from edge.frontend import LogMelFrontEnd
from edge.scene import demo_scene
from edge.types import Samples
from export.pool.errors import PoolError
from export.pool.recordings import Recording
from export.pool.windows import WindowSettings, is_worth_embedding, read_windows

N_CLIPS = 100
"""With fewer, a share of 97 % would be a matter of one clip or two."""


def sample_log_mels(recordings: Sequence[Recording], settings: WindowSettings) -> NDArray[np.float32]:
    """A window each of recordings spread evenly, the first with something to hear; then the demo's scenes.

    Recordings that cannot be read are passed over.

    Returns: (100, n_frames, n_mels) float32.
    Raises: PoolError if there are recordings and none can be used.
    """
    front_end = LogMelFrontEnd(settings.log_mel)
    found = list(itertools.islice(_of_recordings(recordings, settings), N_CLIPS))
    windows = itertools.islice(itertools.chain(found, _of_scenes(settings)), N_CLIPS)
    return np.array([front_end(settings.clip(window)) for window in windows])


def _of_recordings(recordings: Sequence[Recording], settings: WindowSettings) -> Iterator[Samples]:
    reason = ""
    n_found = 0
    for recording in _evenly_first(recordings):
        windows = read_windows(recording.path, settings)
        try:
            window = next((window for window in windows if is_worth_embedding(window, settings)), None)
        except (AudioSourceError, OSError) as error:
            reason = reason or str(error)
            continue
        if window is not None:
            n_found += 1
            yield window
        else:
            reason = reason or f"{recording.path} holds nothing to hear"
    if recordings and not n_found:
        raise PoolError(f"none of the pool's {len(recordings)} recordings can be used; one of them: {reason}")


def _evenly_first(recordings: Sequence[Recording]) -> Iterator[Recording]:
    """All of them: first as many as are wanted, spread evenly, then the others."""
    step = max(1, len(recordings) // N_CLIPS)
    for start in range(step):
        yield from recordings[start::step]


def _of_scenes(settings: WindowSettings) -> Iterator[Samples]:
    length = settings.window_length
    for seed in itertools.count():
        scene, _ = demo_scene(settings.log_mel.sample_rate_hz, seed)
        # They overlap, because a scene takes longer to make than its windows to embed.
        windows = (scene[start : start + length] for start in range(0, len(scene) - length + 1, length // 4))
        yield from (window for window in windows if is_worth_embedding(window, settings))
