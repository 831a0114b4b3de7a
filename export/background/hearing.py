"""A recording as the device would hear it: windows, gate and embeddings by the bundle's first encoder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.encoder import load_encoder
from edge.manifest import Manifest
from edge.recognizer import Recognizer, RecognizerSettings, WindowReport
from edge.types import AudioBlock, Samples

GATE_DBFS = -60.0
"""The gate that `edge-listen` has if nobody sets another."""


@dataclass(frozen=True, eq=False)
class Heard:
    """What the encoder made of a recording.

    Attributes:
        embeddings: (n, dim) float16, unit L2 norms, of the windows that were scored.
        position: (n,) int32, their numbers in the recording, a hop each, ascending.
        duration_s: length of the recording.
    """

    embeddings: NDArray[np.float16]
    position: NDArray[np.int32]
    duration_s: float


def recognizer_settings(manifest: Manifest) -> RecognizerSettings:
    """Windows as `edge-listen` cuts them by default."""
    return RecognizerSettings(
        log_mel=manifest.log_mel,
        window_s=manifest.window_s,
        clip_s=manifest.clip_s,
        hop_s=manifest.hop_s,
        padding=manifest.padding,
        gate_dbfs=GATE_DBFS,
    )


class Ear:
    """The bundle's first encoder, open.

    Raises: BundleError, EncoderError.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._entry = bundle.manifest.encoders[0]
        self._settings = recognizer_settings(bundle.manifest)
        self._prototypes = bundle.prototypes(self._entry)
        self._encoder = load_encoder(bundle, self._entry, self._settings.window_hop)
        self.encoder_sha256 = bundle.arrays[self._entry.name].encoder_sha256
        self.sample_rate_hz = bundle.manifest.log_mel.sample_rate_hz

    def hear(self, blocks: Iterable[Samples]) -> Heard:
        """Embed the windows of a recording that pass the gate.

        blocks: its samples in order, float32 mono at `sample_rate_hz`.
        Raises: EncoderError.
        """
        reports: list[WindowReport] = []
        recognizer = Recognizer(self._settings, self._encoder, self._prototypes, {}, reports.append)
        n_samples = 0
        for block in blocks:
            recognizer.push(AudioBlock(block, n_samples))
            n_samples += len(block)
        recognizer.flush()
        scored = [(i, r.embedding) for i, r in enumerate(reports) if r.embedding is not None]
        embeddings = np.array([embedding for _, embedding in scored], np.float16)
        return Heard(
            embeddings.reshape(len(scored), self._entry.embedding_dim),
            np.array([number for number, _ in scored], np.int32),
            n_samples / self.sample_rate_hz,
        )
