"""What a person must be told about the sound that comes in: samples lost, a signal that holds no sound."""

from __future__ import annotations

import logging

from edge.recognizer import WindowReport
from edge.times import stream_clock

logger = logging.getLogger(__name__)

_REPEAT_S = 10.0
_FAULTS = {
    "silent": (
        "digital silence",
        "is the microphone muted or the wrong one? `edge-listen devices` lists those there are",
    ),
    "dc": ("a constant level instead of sound", "is anything connected to this input?"),
    "clipped": ("clipped sound, cut off at full scale", "turn down the gain of the input"),
    "nonfinite": ("samples that are not numbers", "does --pcm name the format that is really sent?"),
}


class DropMonitor:
    """Warns of lost samples, at most once in 10 s of the stream.

    Args:
        sample_rate_hz: of the positions and counts that it is given.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._reported = 0
        self._quiet_until = 0

    def check(self, dropped_samples: int, position: int) -> None:
        """Take the count so far, and where the stream is (in samples)."""
        if position >= self._quiet_until and dropped_samples > self._reported:
            self._warn(dropped_samples)
            self._quiet_until = position + round(_REPEAT_S * self._sample_rate_hz)

    def finish(self, dropped_samples: int) -> None:
        """Report what the limit held back."""
        if dropped_samples > self._reported:
            self._warn(dropped_samples)

    def _warn(self, dropped_samples: int) -> None:
        lost_s = (dropped_samples - self._reported) / self._sample_rate_hz
        total_s = dropped_samples / self._sample_rate_hz
        logger.warning(
            "%.2f s of sound lost (%.2f s in all): this machine is too busy; a longer --hop-s costs less",
            lost_s,
            total_s,
        )
        self._reported = dropped_samples


class FaultMonitor:
    """Says once when windows begin to hold no usable sound, and once when that is over.

    It is over after 10 s of the stream without it, so that one which comes and goes is one message.

    Args:
        sample_rate_hz: of the reports' positions.
        of_file: whether the sound is a recording, in which digital silence is nothing unusual.
    """

    def __init__(self, sample_rate_hz: int, *, of_file: bool) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._of_file = of_file
        self._last_end: dict[str, int] = {}

    def __call__(self, report: WindowReport) -> None:
        """Take the report of a window."""
        clear_after = round(_REPEAT_S * self._sample_rate_hz)
        for fault, last_end in list(self._last_end.items()):
            if report.end_sample - last_end >= clear_after or report.end_sample < last_end:
                del self._last_end[fault]
                since = self._clock(last_end)
                logger.log(self._level(fault), "no more %s since %s", _FAULTS[fault][0], since)
        if report.state not in _FAULTS:
            return
        if report.state not in self._last_end:
            what, hint = _FAULTS[report.state]
            start = self._clock(report.start_sample)
            logger.log(self._level(report.state), "the input gives %s, from %s on: %s", what, start, hint)
        self._last_end[report.state] = report.end_sample

    def _level(self, fault: str) -> int:
        return logging.DEBUG if fault == "silent" and self._of_file else logging.WARNING

    def _clock(self, position: int) -> str:
        return stream_clock(position / self._sample_rate_hz)
