"""Clips to compare encoders on: some of the pool's or, without one, the demo's sounds, made by rule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.errors import AudioSourceError
from edge.frontend import LogMelFrontEnd, fit_clip
from edge.scene import demo_scene
from edge.types import Samples
from export.pool.recordings import Recording
from export.pool.windows import WindowSettings, is_worth_embedding, read_windows

N_CLIPS = 100
N_SCENES = 5


def sample_log_mels(recordings: Sequence[Recording], settings: WindowSettings) -> NDArray[np.float32]:
    """The first window of up to 100 recordings, evenly spread; of the demo's scenes if there are none.

    Recordings that cannot be read, or hold nothing to hear at first, are passed over.

    Returns: (n_clips, n_frames, n_mels) float32; n_clips 0 if no recording can be used.
    """
    front_end = LogMelFrontEnd(settings.log_mel)
    windows = _of_recordings(recordings, settings) if recordings else _of_scenes(settings)
    log_mels = [front_end(fit_clip(w, settings.clip_length, settings.padding)) for w in windows]
    shape = (settings.log_mel.n_frames(settings.clip_length), settings.log_mel.n_mels)
    return np.array(log_mels, np.float32).reshape(-1, *shape)


def _of_recordings(recordings: Sequence[Recording], settings: WindowSettings) -> Iterator[Samples]:
    places = np.unique(np.linspace(0, len(recordings) - 1, N_CLIPS).round().astype(int))
    for place in places:
        try:
            window = next(read_windows(recordings[place].path, settings), None)
        except (AudioSourceError, OSError):
            continue  # the pool's own summary names it
        if window is not None and is_worth_embedding(window, settings):
            yield window


def _of_scenes(settings: WindowSettings) -> Iterator[Samples]:
    length = settings.window_length
    for seed in range(N_SCENES):
        scene, _ = demo_scene(settings.log_mel.sample_rate_hz, seed)
        windows = (scene[start : start + length] for start in range(0, len(scene) - length + 1, length))
        yield from (window for window in windows if is_worth_embedding(window, settings))
