"""An encoder in two graphs, so that overlapping windows cost a hop each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import EncoderError
from edge.onnx_session import AGAIN, Graph, checked_embedding
from edge.settings import Provider
from edge.types import Embedding, LogMel


class TrunkHeadEncoder:
    """A trunk that sees only the frames that a hop adds, and a head over its last outputs.

    The trunk: `log_mel` (1, n, n_mels), n a multiple of the stride, and `state_0`… → `maps`
    (1, channels, n / stride, bands) and `next_state_0`…. The head: `maps` (1, channels, n_outputs, bands) →
    `embedding` (1, embedding_dim). No convolution pads in time, so this equals computing each window whole.

    A window whose frames, but for the last hop, are not those of the window before (the first one, or one
    after a gap or quiet) is computed whole.

    Args:
        paths: the trunk's file and the head's.
        stride_frames: frames from one output of the trunk to the next.
        n_frames: of a window.
        hop_frames: frames that a window adds to the one before. If it is no multiple of the stride, or None
            (the hop is no whole number of frames), every window is computed whole.
        provider: see `Graph`.
        n_threads: see `Graph`.

    Raises: EncoderError if ONNX Runtime, the provider or a graph cannot be used.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        stride_frames: int,
        n_frames: int,
        hop_frames: int | None,
        provider: Provider = "auto",
        n_threads: int = 1,
    ) -> None:
        self._trunk = Graph(paths[0], provider, n_threads)
        self.provider = self._trunk.provider
        self._head = Graph(paths[1], self.provider, n_threads)
        self._initial = self._initial_states()
        self._n_outputs = self._fixed_dims(self._head, "maps")[2]
        self._hop_frames = None if hop_frames is None or hop_frames % stride_frames else hop_frames
        # No output that sees this padding is among the last n_outputs; docs/bundle-format.md shows why.
        self._lead_in = -n_frames % stride_frames
        self._states = self._initial
        self._maps: NDArray[np.float32] | None = None
        self._previous: LogMel | None = None

    def _initial_states(self) -> dict[str, NDArray[np.float32]]:
        names = [name for name in self._trunk.inputs if name != "log_mel"]
        return {name: np.zeros(self._fixed_dims(self._trunk, name), np.float32) for name in names}

    @staticmethod
    def _fixed_dims(graph: Graph, name: str) -> tuple[int, ...]:
        dims = graph.inputs.get(name, [])
        fixed = tuple(size for size in dims if isinstance(size, int))
        if len(fixed) != 4 or len(dims) != 4:
            raise EncoderError(
                f"{graph.path}: input {name} must have four fixed dimensions, not {dims}; {AGAIN}"
            )
        return fixed

    def check_shapes(self, n_mels: int, embedding_dim: int) -> None:
        """Compare the graphs' shapes with what is expected of them. Raises: EncoderError."""
        states = {name: state.shape for name, state in self._initial.items()}
        channels, bands = (self._fixed_dims(self._head, "maps")[axis] for axis in (1, 3))
        self._trunk.expect("inputs", {"log_mel": (1, None, n_mels)} | states)
        self._trunk.expect(
            "outputs",
            {"maps": (1, channels, None, bands)} | {f"next_{name}": shape for name, shape in states.items()},
        )
        self._head.expect("inputs", {"maps": (1, channels, self._n_outputs, bands)})
        self._head.expect("outputs", {"embedding": (1, embedding_dim)})

    def encode(self, log_mel: LogMel) -> Embedding:
        """Embed one window, the cheaper if it follows the one before.

        log_mel: (n_frames, n_mels) float32, in the unit that the bundle's `LogMelSpec` names.
        Returns: (embedding_dim,) float32, unit L2 norm.
        Raises: EncoderError if a graph cannot take it or yields no embedding.
        """
        if not self._follows(log_mel):
            self._states, self._maps = self._initial, None
            fresh = np.pad(log_mel, ((self._lead_in, 0), (0, 0)))
        else:
            fresh = log_mel[-(self._hop_frames or 0) :]
        self._previous = None  # Stays so if a graph fails: what the states hold is unknown then.
        maps, *states = self._trunk.run({"log_mel": fresh[None], **self._states})
        self._states = dict(zip(self._initial, states, strict=True))
        joined = maps if self._maps is None else np.concatenate([self._maps, maps], axis=2)
        self._maps = joined[:, :, -self._n_outputs :]
        (output,) = self._head.run({"maps": self._maps})
        self._previous = log_mel
        return checked_embedding(output, self._head.path)

    def _follows(self, log_mel: LogMel) -> bool:
        hop, previous = self._hop_frames, self._previous
        return hop is not None and previous is not None and np.array_equal(previous[hop:], log_mel[:-hop])
