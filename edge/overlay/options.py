"""The options of `edge-listen overlay`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_overlay_options(parser: argparse.ArgumentParser) -> None:
    """Add what is to be done, with which file, and --json."""
    parser.add_argument(
        "action",
        nargs="?",
        default="show",
        choices=["show", "export", "import", "rollback"],
        help="show what was added; write all of it to a file; replace it by such a file; or undo the last "
        "change (default: show)",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="to export to, or to import")
    parser.add_argument("--json", action="store_true", help="print the whole answer as JSON")
