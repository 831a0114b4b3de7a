"""The encoder of a bundle: from a window's log-mel to its embedding, by one ONNX graph or by two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.bundle import Bundle
from edge.manifest import EncoderEntry
from edge.onnx_session import Graph, checked_embedding
from edge.settings import Provider
from edge.trunk_encoder import TrunkHeadEncoder
from edge.types import Embedding, Encoder, LogMel


class LoadedEncoder(Encoder, Protocol):
    """An encoder that says what it runs on."""

    @property
    def provider(self) -> str:
        """Name of the provider taken."""
        ...


class ClipEncoder:
    """One graph: `log_mel` float32 (batch, n_frames, n_mels) → `embedding` (batch, embedding_dim), unit norm.

    Args:
        paths: the graph's file first, then those that it refers to, beside it.
        provider: see `Graph`.
        n_threads: see `Graph`.

    Raises: EncoderError if ONNX Runtime, the provider or the graph cannot be used.
    """

    def __init__(self, paths: Sequence[Path], provider: Provider = "auto", n_threads: int = 1) -> None:
        self._graph = Graph(paths[0], provider, n_threads)
        self.provider = self._graph.provider
        self.check_shapes(None, None, None)

    def check_shapes(self, n_frames: int | None, n_mels: int | None, embedding_dim: int | None) -> None:
        """Compare the graph's shapes with what is expected of it; None fits any. Raises: EncoderError."""
        self._graph.expect("inputs", {"log_mel": (1, n_frames, n_mels)})
        self._graph.expect("outputs", {"embedding": (1, embedding_dim)})

    def encode(self, log_mel: LogMel) -> Embedding:
        """Embed one window.

        log_mel: (n_frames, n_mels) float32, in the unit that the bundle's `LogMelSpec` names.
        Returns: (embedding_dim,) float32, unit L2 norm.
        Raises: EncoderError if the graph cannot take it, or yields no embedding: another shape than
            (1, embedding_dim), a non-finite value, a norm off 1 by more than 1e-2.
        """
        (output,) = self._graph.run({"log_mel": np.ascontiguousarray(log_mel, np.float32)[None]})
        return checked_embedding(output, self._graph.path)


def load_encoder(
    bundle: Bundle, entry: EncoderEntry, window_hop: int, provider: Provider = "auto", n_threads: int = 1
) -> LoadedEncoder:
    """Open one of a bundle's encoders and check its files and its shapes against the manifest.

    window_hop: samples between the windows that it will be given in turn.
    Raises: BundleError if a file is damaged; EncoderError.
    """
    manifest, paths = bundle.manifest, bundle.verified_encoder(entry)
    n_frames, n_mels = manifest.n_frames, manifest.log_mel.n_mels
    if entry.stride_frames is None:
        encoder = ClipEncoder(paths, provider, n_threads)
        encoder.check_shapes(n_frames, n_mels, entry.embedding_dim)
        return encoder
    hop_frames, rest = divmod(window_hop, manifest.log_mel.hop_length)
    trunk_head = TrunkHeadEncoder(
        paths, entry.stride_frames, n_frames, None if rest else hop_frames, provider, n_threads
    )
    trunk_head.check_shapes(n_mels, entry.embedding_dim)
    return trunk_head
