from __future__ import annotations

import io
import re

import numpy as np
import pytest

from edge.live_view import LiveView
from edge.recognizer import WindowReport

NAMES = ("dog bark", "siren", "rain")
THRESHOLDS = {"dog bark": 0.62, "siren": 0.5}
RATE = 16000


class Terminal(io.StringIO):
    """A screen of lines that obeys the two control sequences in use: cursor up, clear to the end."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        lines: list[str] = []
        for n_up, cleared, text in re.findall(r"(?:\x1b\[(\d+)A)?(\x1b\[J)?([^\x1b]*)", self.getvalue()):
            if n_up:
                assert cleared
                lines = lines[: len(lines) - int(n_up)]
            lines += text.splitlines()
        return lines


def report(*scores: float, state: str = "scored", supporting: tuple[str, ...] = ()) -> WindowReport:
    return WindowReport(
        start_sample=0,
        end_sample=72 * RATE,
        level_dbfs=-23.44,
        state=state,  # type: ignore[arg-type]
        scores=np.array(scores, np.float32) if scores else None,
        supporting=supporting,
    )


def view(stream: io.StringIO, top: int) -> LiveView:
    return LiveView(stream, NAMES, THRESHOLDS, top, RATE)


def test_a_line_a_window_when_it_is_not_a_terminal() -> None:
    stream = io.StringIO()
    view(stream, 2)(report(0.71, 0.2, 0.3, supporting=("dog bark",)))
    assert stream.getvalue() == "0:01:12.0   -23.4 dBFS  dog bark 0.71/0.62 *  rain 0.30 background\n"


def test_the_best_come_first_and_no_more_than_asked_for() -> None:
    stream = io.StringIO()
    view(stream, 1)(report(0.1, 0.9, 0.3))
    assert stream.getvalue().endswith("dBFS  siren 0.90/0.50\n")


@pytest.mark.parametrize(("state", "text"), [("quiet", "below the gate"), ("clipped", "clipped")])
def test_a_window_that_was_not_scored_says_why(state: str, text: str) -> None:
    stream = io.StringIO()
    view(stream, 2)(report(state=state))
    assert text in stream.getvalue()


def test_a_terminal_shows_bars_and_redraws_them_in_place() -> None:
    terminal = Terminal()
    shown = view(terminal, 2)
    shown(report(0.1, 0.2, 0.3))
    shown(report(0.5, 0.2, -0.3, supporting=("dog bark",)))
    lines = terminal.screen()
    assert [line.split("  ")[0] for line in lines] == ["0:01:12.0", "dog bark", "siren"]
    assert "█" * 12 + "░" * 12 + " 0.50/0.62 *" in lines[1]


def test_a_terminal_keeps_what_was_written_after_the_view_was_cleared() -> None:
    terminal = Terminal()
    shown = view(terminal, 2)
    shown(report(0.1, 0.2, 0.3))
    shown.clear()
    terminal.write("14:02:31  siren  0.90\n")
    shown(report(0.1, 0.2, 0.3))
    shown(report(0.1, 0.2, 0.3))
    lines = terminal.screen()
    assert lines[0] == "14:02:31  siren  0.90"
    assert len(lines) == 4


def test_bars_are_plain_where_the_terminal_cannot_show_blocks() -> None:
    terminal = Terminal()
    terminal.encoding = "ascii"  # type: ignore[misc]
    view(terminal, 1)(report(0.5, 0.2, 0.3))
    assert "#" * 12 + "." * 12 in terminal.screen()[1]


def test_lines_are_cut_to_the_terminals_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal()
    view(terminal, 3)(report(0.1, 0.2, 0.3))
    assert max(map(len, terminal.screen())) < 30
