"""The values that flow through the pipeline, and the Protocols of its exchangeable parts.

Time inside the core is an integer count of samples since the start of the stream, at the encoder's sample
rate. Seconds appear in settings and in what people read; UTC only in `events.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32]
"""(n_samples,) float32 mono in [-1, 1]."""
LogMel: TypeAlias = NDArray[np.float32]
"""(n_frames, n_mels) float32, in the unit that the `LogMelSpec` names."""
Embedding: TypeAlias = NDArray[np.float32]
"""(embedding_dim,) float32, unit L2 norm."""
Scores: TypeAlias = NDArray[np.float32]
"""(n_labels,) float32 cosine in [-1, 1]."""


@dataclass(frozen=True, eq=False)
class AudioBlock:
    """Consecutive samples of a stream, at the encoder's sample rate.

    Attributes:
        samples: (n_samples,) float32 mono in [-1, 1]; any length.
        start_sample: position of the first sample in the stream. A jump against the end of the block before
            means that audio was lost.
        captured_unix_s: when the first sample was captured, in seconds of Unix time; None for a file.
    """

    samples: Samples
    start_sample: int
    captured_unix_s: float | None = None


@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of the stream, of the encoder's window length, or the whole of a shorter stream.

    Attributes:
        samples: (n_samples,) float32 mono in [-1, 1].
        start_sample: position of its first sample in the stream.
    """

    samples: Samples
    start_sample: int

    @property
    def end_sample(self) -> int:
        """Position just behind its last sample."""
        return self.start_sample + len(self.samples)


@dataclass(frozen=True)
class SoundEvent:
    """A label's sound began or ended. Emitted by the core, so in samples and without UTC.

    Attributes:
        kind: "onset" when the event is confirmed, "offset" when it is over.
        number: counts events of this stream from 1; an offset carries the number of its onset.
        label: the label's name in the bundle.
        score: cosine in [-1, 1]: at onset the best score so far, at offset the best of the whole event.
        threshold: the label's on-threshold.
        onset_sample: a hop before the middle of the earliest supporting window.
        offset_sample: None at onset; at offset, the middle of the last window that held, or the end of the
            stream if its last window still did.
    """

    kind: Literal["onset", "offset"]
    number: int
    label: str
    score: float
    threshold: float
    onset_sample: int
    offset_sample: int | None = None


class LabelState(NamedTuple):
    """Where a label stands after a window.

    Attributes:
        label: its name.
        score: its cosine for the window; None if the window wasn't embedded.
        threshold: that it must reach for support.
        margin: by how much it must beat `best_rival`.
        best_rival: name of the rival with the highest score; None if it has no rival, or wasn't scored.
        rival_score: that rival's cosine; -inf if there is none.
        supports: whether this window supports it.
        supported_s: seconds of support that count just now.
        confirm_s: seconds of support that it takes.
        phase: "idle"; "confirming", supported but not enough yet; "on"; "spent", ended by its rule while the
            sound may go on; "cooling down".
        off_threshold: that it must reach for an event to go on.
    """

    label: str
    score: float | None
    threshold: float
    margin: float
    best_rival: str | None
    rival_score: float
    supports: bool
    supported_s: float
    confirm_s: float
    phase: Literal["idle", "confirming", "on", "spent", "cooling down"]
    off_threshold: float = -1.0


class Encoder(Protocol):
    """Turns a window's log-mel into its embedding."""

    def encode(self, log_mel: LogMel) -> Embedding:
        """Embed one window.

        log_mel: (n_frames, n_mels) float32.
        Returns: (embedding_dim,) float32, unit L2 norm.
        Raises: EncoderError if the graph yields a non-finite value.
        """
        ...


class AudioSource(Protocol):
    """Yields blocks until the sound ends, or for ever. Used as a context manager: opened on entry."""

    @property
    def name(self) -> str:
        """What a person calls it: a file's name, a microphone's name."""
        ...

    @property
    def dropped_samples(self) -> int:
        """Samples lost so far, at the encoder's rate: 0 for a finite source, which waits to be read."""
        ...

    def __enter__(self) -> AudioSource:  # noqa: PYI034 - wrapping sources may return what they wrap
        """Open it. Raises: AudioSourceError."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close it; safe to call twice."""
        ...

    def blocks(self) -> Iterator[AudioBlock | None]:
        """Blocks in order of time; None when none has come for a while, to give the caller a turn.

        Raises: AudioSourceError when the source fails.
        """
        ...

    def stop(self) -> None:
        """Make `blocks()` end soon. Callable from a signal handler or another thread."""
        ...
