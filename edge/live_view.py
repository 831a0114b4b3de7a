"""What is heard at this moment: the best labels of each window against their thresholds."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import TextIO

from edge.recognizer import WindowReport
from edge.sinks.text import write_line, write_text
from edge.times import stream_clock
from edge.types import Scores

_BAR_WIDTH = 24
_PASSED_OVER = {
    "quiet": "below the gate: not scored",
    "silent": "digital silence: not scored",
    "dc": "a constant level: not scored",
    "clipped": "clipped: not scored",
    "nonfinite": "not numbers: not scored",
}


class LiveView:
    """Shows each window's level and its N best labels: redrawn in place on a terminal, else a line a window.

    Args:
        stream: where to, such as `sys.stdout`; left open.
        names: what the scores are of, labels and backgrounds.
        thresholds: on-threshold by name; a background has none.
        top: how many labels to show.
        sample_rate_hz: of the reports' positions.
    """

    def __init__(
        self,
        stream: TextIO,
        names: tuple[str, ...],
        thresholds: Mapping[str, float],
        top: int,
        sample_rate_hz: int,
    ) -> None:
        self._stream = stream
        self._names = names
        self._thresholds = thresholds
        self._top = top
        self._sample_rate_hz = sample_rate_hz
        self._in_place = stream.isatty()
        self._n_drawn = 0
        self._full, self._empty = _bar_characters(stream)

    def __call__(self, report: WindowReport) -> None:
        """Show a window. Raises: SinkError if the stream is closed."""
        head = f"{stream_clock(report.end_sample / self._sample_rate_hz)}  {report.level_dbfs:6.1f} dBFS"
        if not self._in_place:
            write_line(self._stream, f"{head}  {self._in_one_line(report)}")
            return
        lines = [f"{head}  {_PASSED_OVER.get(report.state, '')}", *self._bars(report)]
        terminal = shutil.get_terminal_size()
        columns, lines = terminal.columns - 1, lines[: max(1, terminal.lines - 1)]
        self.clear()
        write_text(self._stream, "".join(line[:columns] + "\n" for line in lines))
        self._n_drawn = len(lines)

    def listen_for(self, names: tuple[str, ...], thresholds: Mapping[str, float]) -> None:
        """Take what the scores are of from now on."""
        self._names, self._thresholds = names, thresholds

    def clear(self) -> None:
        """Take the view off the terminal, before something else is written there."""
        if self._n_drawn:
            write_text(self._stream, f"\x1b[{self._n_drawn}A\x1b[J")
            self._n_drawn = 0

    def _best(self, scores: Scores) -> list[tuple[str, float]]:
        order = sorted(range(len(self._names)), key=lambda index: -scores[index])
        return [(self._names[index], float(scores[index])) for index in order[: self._top]]

    def _in_one_line(self, report: WindowReport) -> str:
        if report.scores is None:
            return _PASSED_OVER.get(report.state, report.state)
        return "  ".join(
            f"{name} {self._figures(name, score)}{self._mark(report, name)}"
            for name, score in self._best(report.scores)
        )

    def _bars(self, report: WindowReport) -> list[str]:
        best = [] if report.scores is None else self._best(report.scores)
        width = max(map(len, self._names))
        lines = []
        for name, score in best:
            filled = round(min(1.0, max(0.0, score)) * _BAR_WIDTH)
            bar = self._full * filled + self._empty * (_BAR_WIDTH - filled)
            lines.append(f"{name:<{width}}  {bar} {self._figures(name, score)}{self._mark(report, name)}")
        # Always as tall, so that what stands below doesn't jump.
        return lines + [""] * (min(self._top, len(self._names)) - len(lines))

    def _figures(self, name: str, score: float) -> str:
        threshold = self._thresholds.get(name)
        return f"{score:.2f} background" if threshold is None else f"{score:.2f}/{threshold:.2f}"

    def _mark(self, report: WindowReport, name: str) -> str:
        return " *" if name in report.supporting else ""


def _bar_characters(stream: TextIO) -> tuple[str, str]:
    try:
        "█░".encode(stream.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return "#", "."
    return "█", "░"
