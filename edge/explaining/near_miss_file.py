"""Near misses as JSON lines in a file that is rotated, for tuning."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from edge.errors import SinkError
from edge.explaining.near_misses import NearMiss, NearMissTracker
from edge.recognizer import WindowReport
from edge.rotated_file import BYTES_PER_MB, RotatedFile
from edge.times import rfc3339

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
MAX_MB = 10
KEEP = 2


class NearMissFile:
    """Finds near misses in a stream's reports and appends each as a line, see `edge.rotated_file`.

    Where that fails, it says so once, goes on, and says how many were lost once lines can be written again.

    Args:
        path: of the file; full ones of 10 MB stand beside it, two at most.

    Raises:
        SinkError: the directory is absent or not writable; the file is not a regular one, or of other lines.

    Attributes:
        n_lost: how many could not be written so far.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = RotatedFile(path, MAX_MB * BYTES_PER_MB, KEEP, "a near miss")
        except SinkError as error:
            raise SinkError(f"--near-misses: {error}") from None
        self.n_lost = 0
        self._n_lost_before = 0
        self._is_failing = False

    def write(self, record: dict[str, object]) -> None:
        """Append one; a failure is told, not raised."""
        try:
            self._file.append(json.dumps(record).encode("ascii") + b"\n")
        except SinkError as error:
            self.n_lost += 1
            if not self._is_failing:
                logger.warning("near misses are lost: %s", error)
                self._is_failing = True
            return
        if self._is_failing:
            logger.warning("near misses are written again; %d were lost", self._n_lost_now())
            self._is_failing, self._n_lost_before = False, self.n_lost

    def close(self) -> None:
        """Close the file, and say how many were lost at the end; safe to call twice."""
        self._file.close()
        if self._is_failing:
            logger.warning("%d near misses were lost before the end", self._n_lost_now())
            self._is_failing = False

    def _n_lost_now(self) -> int:
        return self.n_lost - self._n_lost_before


class NearMissLog:
    """What puts a stream's near misses into a file: called with each window's report, closed at the end.

    Args:
        file: where to; closed with this.
        sample_rate_hz: of the reports' positions.
        source_name: tells what a person calls the source.
        time_of: seconds of the stream → when that was; None for a file.
    """

    def __init__(
        self,
        file: NearMissFile,
        sample_rate_hz: int,
        source_name: Callable[[], str],
        time_of: Callable[[float], datetime | None],
    ) -> None:
        self._file = file
        self._sample_rate_hz = sample_rate_hz
        self._source_name = source_name
        self._time_of = time_of
        self._tracker = NearMissTracker(sample_rate_hz)

    def __call__(self, report: WindowReport) -> None:
        """Take a window's report. Raises nothing: a disk that is full must not end the listening."""
        self._write(self._tracker.saw(report))

    def close(self) -> None:
        """Write what is not over yet, and close the file; safe to call twice."""
        self._write(self._tracker.close())
        self._file.close()

    def _write(self, misses: list[NearMiss]) -> None:
        for miss in misses:
            self._file.write(self._record(miss))

    def _record(self, miss: NearMiss) -> dict[str, object]:
        """In JSON's types: scores to 4 decimals, times to the millisecond, as events have them."""
        stream_s = miss.start_sample / self._sample_rate_hz
        time = self._time_of(stream_s)
        return {
            "schema_version": SCHEMA_VERSION,
            "event": "near_miss",
            "label": miss.label,
            "score": round(miss.score, 4),
            "threshold": round(miss.threshold, 4),
            "reason": miss.reason,
            "best_rival": miss.best_rival,
            "rival_score": round(miss.rival_score, 4) if math.isfinite(miss.rival_score) else None,
            "source": self._source_name(),
            "stream_s": round(stream_s, 3),
            "duration_s": round((miss.end_sample - miss.start_sample) / self._sample_rate_hz, 3),
            "time": None if time is None else rfc3339(time),
        }
