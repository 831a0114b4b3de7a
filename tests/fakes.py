"""Stand-ins for the slow or outside parts; each implements the Protocol of `edge.types`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.frontend import LogMelSpec
from edge.scoring import PrototypeSet
from edge.types import Embedding, LogMel

SMALL_LOG_MEL = LogMelSpec(
    sample_rate_hz=1000,
    n_fft=32,
    win_length=32,
    hop_length=10,
    n_mels=12,
    fmin_hz=20.0,
    fmax_hz=500.0,
    mel_scale="htk",
    mel_norm="none",
    log="power_db",
    log_offset=1e-10,
    centred=True,
)
"""A front end so small that a test can run minutes of stream."""


class BandEncoder:
    """Hears pitch: the shares of low, middle and high bands in a window's loudness, as a unit vector.

    Frames count by their place in the window, so that a frame out of place changes the embedding.
    """

    def encode(self, log_mel: LogMel) -> Embedding:
        weight = np.linspace(1.0, 2.0, len(log_mel))[:, None]
        bands = (weight * 10.0 ** (log_mel.astype(np.float64) / 20.0)).mean(axis=0).reshape(3, -1).sum(axis=1)
        return (bands / np.linalg.norm(bands)).astype(np.float32)


class ScriptedEncoder:
    """Gives the n-th window it is asked about the n-th of the scores it was given.

    Use with `axis_prototypes`; `n_encoded` counts the windows.
    """

    def __init__(self, scores: Sequence[Sequence[float]]) -> None:
        self._scores = scores
        self.n_encoded = 0

    def encode(self, log_mel: LogMel) -> Embedding:
        assert np.isfinite(log_mel).all()
        scores = np.array(self._scores[self.n_encoded], np.float64)
        self.n_encoded += 1
        # One axis more than there are names takes up what is left of the unit.
        return np.append(scores, np.sqrt(1.0 - np.square(scores).sum())).astype(np.float32)


def axis_prototypes(
    names: Sequence[str],
    background: Sequence[str] = (),
    groups: dict[str, str] | None = None,
    extra_axes: int = 1,
) -> PrototypeSet:
    """One prototype a name, each an axis of its own: the score is that component of the embedding."""
    groups = groups or {}
    return PrototypeSet(
        vectors=np.eye(len(names), len(names) + extra_axes, dtype=np.float32),
        owners=np.arange(len(names)),
        names=tuple(names),
        background=tuple(name in background for name in names),
        rivals_groups=tuple(groups.get(name) for name in names),
    )
