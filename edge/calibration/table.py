"""What to expect of calibrated labels, for a person and for a program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap

from edge.background import Background
from edge.calibration.expectation import Expectation, pooled_recall, short
from edge.calibration.false_alarms import Rate

_WIDTH = 100
_HEAD = ("label", "threshold", "false alarms an hour", "finds", "before", "an hour", "finds")
_TO_THE_RIGHT = (False, True, False, True, True, True, True)
_GAP = "  "


def calibration_lines(expectations: Sequence[Expectation], background: Background) -> list[str]:
    """A table of 100 columns at most: a row a label, at its right what held before; notes below."""
    if not expectations:
        return []
    rows = [_HEAD, *(_row(e) for e in expectations)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    widths[0] = min(widths[0], _WIDTH - sum(widths[1:]) - len(_GAP) * (len(widths) - 1))
    below = [
        *(f"{e.label}: {note}" for e in expectations for note in _notes(e)),
        *_all_together(expectations),
        _counted_in(background),
    ]
    return [
        *(_line(row, widths) for row in rows),
        *(line for text in below for line in wrap(text, _WIDTH, subsequent_indent="  ")),
    ]


def expectation_json(e: Expectation) -> dict[str, object]:
    """Plain values, named as the attributes of `edge.calibration.expectation.Expectation`."""
    return asdict(e)


def _row(e: Expectation) -> tuple[str, ...]:
    rate = f"{_per_h(e.false_alarms.per_h)} {_interval(e.false_alarms)}"
    now = (e.label, short(e.threshold), rate, _found(e.n_found, e.n_members))
    if e.threshold == e.before_threshold:
        return (*now, "same", "", "")
    before = (_per_h(e.false_alarms_before.per_h), _found(e.n_found_before, e.n_members))
    return (*now, short(e.before_threshold), *before)


def _per_h(rate: float) -> str:
    if rate < 0.05:
        return "under 0.1"
    return f"{rate:.1f}" if rate < 9.95 else f"{rate:.0f}"


def _interval(rate: Rate) -> str:
    """Rounded outwards, so that it says no more than is known."""
    n_decimals = 1 if rate.high < 10.0 else 0
    low, high = (round(limit * 10**n_decimals, 6) for limit in (rate.low, rate.high))
    return f"({math.floor(low) / 10**n_decimals:g} to {math.ceil(high) / 10**n_decimals:g})"


def _found(n_found: int | None, n_members: int) -> str:
    return "-" if n_found is None else f"{n_found} of {n_members}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    label = row[0] if len(row[0]) <= widths[0] else row[0][: widths[0] - 1] + "…"
    cells = zip((label, *row[1:]), widths, _TO_THE_RIGHT, strict=True)
    return _GAP.join(c.rjust(width) if right else c.ljust(width) for c, width, right in cells).rstrip()


def _notes(e: Expectation) -> list[str]:
    notes = [] if e.note is None else [e.note]
    if e.is_upper_bound:
        notes.append("at most so many, finds likewise: its rule asks for more than could be counted")
    if e.n_found is None:
        notes.append("what it finds isn't known: no recordings of it, or none as long as its rule needs")
    return notes


def _all_together(expectations: Sequence[Expectation]) -> list[str]:
    pooled = pooled_recall(expectations)
    if len(expectations) == 1 or not pooled.n_members:
        return []
    now, before = (_found(n, pooled.n_members) for n in (pooled.n_found, pooled.n_found_before))
    return [f"all labels together: finds {now} (before: {before})"]


def _counted_in(background: Background) -> str:
    judged = f", found among {background.members.are}" if len(background.members.label) else ""
    hours = background.duration_s / 3600.0
    return f"counted in {hours:.3g} h of background (90 % interval){judged}; a home may sound different"
