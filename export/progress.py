"""Progress bars that are readable wherever stderr goes."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

LOG_EVERY_S = 60.0
_LOGGED = "{desc}: {n_fmt} of {total_fmt}{unit}, {elapsed} passed, {remaining} left"


class _Lines:
    """Where a bar is drawn that is no terminal: each state becomes a line."""

    def write(self, text: str) -> None:
        line = text.strip()
        if line:
            print(line, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


def progress(*items: Any, **settings: Any) -> Any:
    """A bar on stderr, as by `tqdm`; a line a minute if stderr is a file or a pipe."""
    if sys.stderr.isatty():
        return tqdm(*items, **settings)
    return tqdm(*items, file=_Lines(), bar_format=_LOGGED, mininterval=LOG_EVERY_S, **settings)
