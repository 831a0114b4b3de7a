"""An audio file → windows of sound, one after the other, and whether each is worth embedding."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from edge.frontend import LogMelSpec, Padding, fit_window
from edge.recognizer import LEVEL_STRETCH_S
from edge.signal_check import check
from edge.sources.audio_file import AudioFileSource
from edge.stream_time import whole_samples
from edge.types import Samples

LEAST_REST_S = 1.0
"""Of sound beyond the last whole window that deserves a window of its own."""
_LONGEST_S = 1e6


@dataclass(frozen=True)
class WindowSettings:
    """How a recording is cut, and what an encoder is given of it.

    Attributes:
        log_mel: the encoder's front end.
        window_s: length of a window, and from one to the next.
        clip_s: length that the encoder takes; a shorter window is padded to it.
        padding: how.
        gate_dbfs: a window whose loudest stretch is below this level is not embedded.
    """

    log_mel: LogMelSpec
    window_s: float = 5.0
    clip_s: float = 10.0
    padding: Padding = "repeat"
    gate_dbfs: float = -60.0

    @property
    def window_length(self) -> int:
        """Samples of a window. Raises: ConfigError if window_s is not a whole number of samples."""
        return whole_samples(self.window_s, self.log_mel.sample_rate_hz, "window_s")

    @property
    def clip_length(self) -> int:
        """Samples that the encoder takes. Raises: ConfigError if clip_s is not a whole number of samples."""
        return whole_samples(self.clip_s, self.log_mel.sample_rate_hz, "clip_s")

    def clip(self, window: Samples) -> Samples:
        """What the encoder is given of a window, (clip_length,) float32."""
        return fit_window(window, self.window_length, self.clip_length, self.padding)

    @property
    def key(self) -> str:
        """A text that differs where embeddings would."""
        return json.dumps(asdict(self), sort_keys=True)


def read_windows(path: Path, settings: WindowSettings) -> Iterator[Samples]:
    """Decode a file and cut it, holding no more than two windows at a time.

    Yields: (window_length,) float32 mono at the front end's rate, one behind the other; if at least a second
        is left over, a last one that ends with the recording. A shorter recording is one shorter window.
    Raises: AudioSourceError if the file cannot be read or decoded to its end.
    """
    rate_hz = settings.log_mel.sample_rate_hz
    with AudioFileSource(path, rate_hz) as source:
        blocks = (block.samples for block in source.blocks())
        yield from _cut(blocks, settings.window_length, round(LEAST_REST_S * rate_hz))


def _cut(blocks: Iterable[Samples], length: int, least_rest: int) -> Iterator[Samples]:
    previous: Samples | None = None
    window, n_filled = np.empty(length, np.float32), 0
    for block in blocks:
        rest = block
        while len(rest):
            part = rest[: length - n_filled]
            window[n_filled : n_filled + len(part)] = part
            n_filled += len(part)
            rest = rest[len(part) :]
            if n_filled == length:
                yield window
                previous, window, n_filled = window, np.empty(length, np.float32), 0
    if previous is None:
        if n_filled:
            yield window[:n_filled]
    elif n_filled >= least_rest:
        yield np.concatenate([previous[n_filled:], window[:n_filled]])


def is_worth_embedding(window: Samples, settings: WindowSettings) -> bool:
    """Whether a window is sound: finite, no constant, and not too quiet. A clipped one is sound."""
    stretch_length = round(LEVEL_STRETCH_S * settings.log_mel.sample_rate_hz)
    signal = check(window, stretch_length)
    return signal.fault in (None, "clipped") and signal.level_dbfs >= settings.gate_dbfs


def expected_windows(path: Path, settings: WindowSettings) -> int:
    """How many windows a file's header promises: for an estimate of the time, not to rely on."""
    try:
        duration_s = float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, OSError, TypeError, ZeroDivisionError):
        return 0
    if not duration_s < _LONGEST_S:
        return 1  # A stream that does not know its length promises 2^63 samples.
    n_whole, rest_s = divmod(duration_s, settings.window_s)
    return max(1, int(n_whole) + (rest_s >= LEAST_REST_S))
