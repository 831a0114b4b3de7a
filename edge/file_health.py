"""What a person is told about a recording in which there is no usable sound."""

from __future__ import annotations

import logging

from edge.health import HealthMonitor
from edge.recognizer import WindowReport
from edge.times import stream_clock

logger = logging.getLogger(__name__)


class FileHealth:
    """Says once when windows of a file begin to hold no usable sound, and once when that is over.

    Args:
        sample_rate_hz: of the reports' positions.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._health = HealthMonitor(tell_after_s=0.0)

    def saw(self, report: WindowReport) -> None:
        """Take the report of a window."""
        now_s = report.end_sample / self._sample_rate_hz
        self._health.saw(report, now_s)
        for change in self._health.changes(now_s):
            # In a recording, digital silence is nothing unusual.
            level = logging.DEBUG if change.condition == "silent" else logging.WARNING
            at = stream_clock(report.start_sample / self._sample_rate_hz)
            logger.log(level, "at %s: %s", at, change.message)
