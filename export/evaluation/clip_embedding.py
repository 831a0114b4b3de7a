"""How a whole clip is heard: the windows that the device would cut, weighted by their energy, as one vector.

A prototype's cosine to that vector ranks clips' classes exactly as the energy-weighted mean of the windows'
cosines does, which is the clip score that the built-in bundle's figures are given in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edge.bundle import Bundle
from edge.errors import EncoderError
from edge.frontend import LogMelSpec, Padding, StreamingLogMel
from edge.sources.audio_file import AudioFileSource
from edge.stream_time import whole_samples
from edge.types import AudioBlock, Embedding, Encoder, Window
from edge.windowing import Windower

_SILENCE = 1e-12
"""Energy added to each window, so that those of a silent clip count alike."""


@dataclass(frozen=True)
class Hearing:
    """How clips are cut into windows.

    Attributes:
        log_mel: the encoder's front end.
        window_s: seconds of sound in a window.
        clip_s: seconds that the encoder takes.
        padding: how a shorter window is padded to that.
        hop_s: seconds from one window to the next.
    """

    log_mel: LogMelSpec
    window_s: float
    clip_s: float
    padding: Padding
    hop_s: float

    @classmethod
    def of_bundle(cls, bundle: Bundle, hop_s: float | None = None) -> Hearing:
        """As the bundle is run on the device, or at another hop. Raises: ConfigError for a bad hop."""
        manifest = bundle.manifest
        hop_s = manifest.hop_s if hop_s is None else hop_s
        return cls(manifest.log_mel, manifest.window_s, manifest.clip_s, manifest.padding, hop_s)

    @property
    def window_length(self) -> int:
        """Samples of a window."""
        return whole_samples(self.window_s, self.log_mel.sample_rate_hz, "window_s")

    @property
    def window_hop(self) -> int:
        """Samples between windows. Raises: ConfigError if hop_s is not a whole number of samples."""
        return whole_samples(self.hop_s, self.log_mel.sample_rate_hz, "hop_s")

    @property
    def clip_length(self) -> int:
        """Samples that the encoder takes."""
        return whole_samples(self.clip_s, self.log_mel.sample_rate_hz, "clip_s")

    @property
    def key(self) -> str:
        """A text that differs where embeddings would."""
        return json.dumps({"of": "a clip: energy-weighted mean of windows", **asdict(self)}, sort_keys=True)


def embed_file(path: Path, encoder: Encoder, hearing: Hearing) -> Embedding:
    """Embed a recording, holding no more of it than a window.

    Returns: (embedding_dim,) float32, unit L2 norm.
    Raises: AudioSourceError if it cannot be decoded to its end; EncoderError.
    """
    with AudioFileSource(path, hearing.log_mel.sample_rate_hz) as source:
        return embed_blocks(source.blocks(), encoder, hearing)


def embed_blocks(blocks: Iterable[AudioBlock], encoder: Encoder, hearing: Hearing) -> Embedding:
    """Embed a finite stream, at its own level.

    Returns: (embedding_dim,) float32, unit L2 norm: of the windows' embeddings, each weighted by its sum of
        squared samples, the last window zero-padded as on the device.
    Raises: EncoderError if the encoder fails, or windows cancel each other out.
    """
    windower = Windower(hearing.window_length, hearing.window_hop)
    log_mel = StreamingLogMel(
        hearing.log_mel, hearing.window_length, hearing.clip_length, hearing.window_hop, hearing.padding
    )
    total: Embedding | None = None

    def hear(windows: Iterable[Window]) -> None:
        nonlocal total
        for window in windows:
            energy = np.float32(np.sum(np.square(window.samples, dtype=np.float64)) + _SILENCE)
            part = energy * encoder.encode(log_mel(window))
            total = part if total is None else total + part

    for block in blocks:
        hear(windower.push(block))
    hear(windower.flush())
    norm = 0.0 if total is None else float(np.linalg.norm(total))
    if total is None or not norm > 0.0:
        raise EncoderError("the clip's windows have no common direction: it cannot be judged as a whole")
    return np.asarray(total / norm, np.float32)
