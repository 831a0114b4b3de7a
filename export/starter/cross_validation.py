"""Clip scores as published, and the scores of clips by models that never saw them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from edge.frontend import STARTER, LogMelFrontEnd, fit_clip
from edge.types import AudioBlock, Samples
from edge.windowing import Windower
from export.starter.model import WINDOW_FRAMES
from export.starter.train import TrainedEncoder

WINDOW_LENGTH = STARTER.win_length + (WINDOW_FRAMES - 1) * STARTER.hop_length
"""Samples of a window, 2.505 s."""
WINDOW_HOP = 7680
"""Samples between windows, 0.48 s: a whole number of the network's strides."""

Embed = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(n, n_frames, n_mels) log-mel → (n, embedding_dim) embeddings of unit norm."""


def window_log_mels(samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Log-mels of a clip's windows as the device would cut them, and each window's energy.

    Returns: (n_windows, n_frames, n_mels) float32 and (n_windows,) float64, the sum of squared samples.
    """
    windower, front_end = Windower(WINDOW_LENGTH, WINDOW_HOP), LogMelFrontEnd(STARTER)
    windows = [*windower.push(AudioBlock(samples, 0)), *windower.flush()]
    fitted = [fit_clip(window.samples, WINDOW_LENGTH, "zero") for window in windows]
    energies = np.array([np.sum(np.square(w, dtype=np.float64)) for w in fitted])
    return np.stack([front_end(w) for w in fitted]), energies


def clip_scores(
    clips: Iterable[Samples], embed: Embed, prototypes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Energy-weighted mean of the windows' cosines, each window at its own level.

    prototypes: (n_prototypes, embedding_dim) of unit norm.
    Returns: (n_clips, n_prototypes) float32 in [-1, 1].
    """
    rows = []
    for samples in clips:
        log_mels, energies = window_log_mels(samples)
        weights = (energies + 1e-12) / (energies + 1e-12).sum()
        rows.append(weights @ (embed(log_mels) @ prototypes.T))
    return np.asarray(rows, np.float32)


def torch_embed(trained: TrainedEncoder) -> Embed:
    """The encoder as a function of arrays."""

    def embed(log_mels: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(trained.encoder(torch.from_numpy(log_mels)).numpy(), np.float32)

    return embed
