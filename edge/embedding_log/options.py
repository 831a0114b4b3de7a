"""The options of `edge-listen search`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Add what `edge.commands.search` reads, but for the options that all commands have."""
    parser.add_argument(
        "words",
        nargs="+",
        metavar="WORDS",
        help="the sound to look for: a label, a sound of your own, or any words if the bundle takes them",
    )
    times = '(yesterday, today, 2h, "3 days", 14:00, 2026-11-25, 2026-11-25T14:00)'
    parser.add_argument("--since", metavar="TIME", help=f"not before {times} (default: all that was kept)")
    parser.add_argument("--until", metavar="TIME", help="not after, as --since (default: now)")
    parser.add_argument(
        "--top",
        type=_count,
        dest="n_best",  # `top` is the live view's
        metavar="N",
        help="show only the N best (default: all)",
    )
    parser.add_argument(
        "--threshold",
        type=_score,
        dest="score",  # `threshold` is the rules', which has a value for each label
        metavar="SCORE",
        help="score that counts as heard (default: the label's)",
    )
    parser.add_argument(
        "--bundle",
        type=Path,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="directory of the bundle, if no edge-listen runs (default: the built-in one)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file that says where the log lies and which rules hold, if no edge-listen runs",
    )
    parser.add_argument("--json", action="store_true", help="print the whole answer as JSON")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of hits: give 1 or more")
    return int(text)


def _score(text: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = 2.0
    if not -1.0 <= score <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no score: give a number within -1 and 1")
    return score
