"""A microphone's stream → takes of a sound that a person makes several times."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

import numpy as np

from edge.enrolment.trim import SILENCE_DBFS
from edge.types import Samples

_FRAME_S = 0.01
_AROUND_S = 0.3
"""What a take holds before and after its sound, at most."""
_ABOVE_AMBIENT_DB = 10.0
_LEARN_S = 1.0
"""How long the ambient level is measured before a sound can begin."""
_AMBIENT_S = 3.0
"""The ambient level is the median of the last frames of this stretch that were not part of a sound."""
_QUIET_S = 1.0
"""A sound is over when it has been quiet for so long."""
_SHORTEST_S = 0.05
"""From the first loud frame to the last; less is a click."""
LONGEST_TAKE_S = 10.0


class TakeRecorder:
    """Cuts the sounds out of a stream that stand out from the ambient level by 10 dB.

    Takes are the same however the stream is cut into blocks. One that is ended by its length may be a noise
    that has come to stay, so the ambient level is measured anew after it.

    Args:
        sample_rate_hz: of the stream; 100 at least.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._frame_length = round(_FRAME_S * sample_rate_hz)
        self._pending = np.empty(0, np.float32)
        self._ambient: deque[float] = deque(maxlen=_n_frames(_AMBIENT_S))
        self._before: deque[Samples] = deque(maxlen=_n_frames(_AROUND_S))
        self._take: list[Samples] = []
        self._first_loud = self._last_loud = 0
        self._least_dbfs = math.inf

    @property
    def state(self) -> Literal["waiting", "recording"]:
        """Whether a sound is going on."""
        return "recording" if self._take else "waiting"

    def push(self, samples: Samples) -> Samples | None:
        """Take a block in.

        samples: (n_samples,) float32, the next of the stream.
        Returns: (n,) float32, the take that has ended, if one has. What a long block holds after it is looked
            at with the next push, which may be of no samples.
        """
        self._pending = np.concatenate([self._pending, samples])
        n_frames = len(self._pending) // self._frame_length
        frames = self._pending[: n_frames * self._frame_length].reshape(n_frames, self._frame_length)
        for number, frame in enumerate(frames):
            take = self._hear(frame)
            if take is not None:
                self._pending = self._pending[(number + 1) * self._frame_length :]
                return take
        self._pending = self._pending[n_frames * self._frame_length :].copy()
        return None

    def _hear(self, frame: Samples) -> Samples | None:
        level = _level_dbfs(frame)
        if self._take:
            return self._go_on(frame, level)
        if len(self._ambient) >= _n_frames(_LEARN_S):
            least = max(SILENCE_DBFS, float(np.median(self._ambient)) + _ABOVE_AMBIENT_DB)
            if level >= least:
                self._least_dbfs = least
                self._take = [*self._before, frame]
                self._first_loud = self._last_loud = len(self._before)
                self._before.clear()
                return None
        self._ambient.append(level)
        self._before.append(frame)
        return None

    def _go_on(self, frame: Samples, level: float) -> Samples | None:
        self._take.append(frame)
        newest = len(self._take) - 1
        if level >= self._least_dbfs:
            self._last_loud = newest
        if len(self._take) >= _n_frames(LONGEST_TAKE_S):
            self._ambient.clear()
            return self._end()
        return self._end() if newest - self._last_loud >= _n_frames(_QUIET_S) else None

    def _end(self) -> Samples | None:
        heard, self._take = self._take, []
        # What was quiet at its end is what lies before the next.
        self._before.extend(heard[self._last_loud + 1 :])
        if self._last_loud + 1 - self._first_loud < _n_frames(_SHORTEST_S):
            return None
        return np.concatenate(heard[: self._last_loud + 1 + _n_frames(_AROUND_S)])


def _n_frames(seconds: float) -> int:
    return round(seconds / _FRAME_S)


def _level_dbfs(frame: Samples) -> float:
    power = float(np.var(frame, dtype=np.float64))
    return 10.0 * math.log10(power) if power > 0.0 else -math.inf
