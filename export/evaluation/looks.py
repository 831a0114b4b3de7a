"""The record of looks at a fold that is kept for final figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from edge.errors import ConfigError


class Look:
    """A look that is being taken; what it found is set before it ends."""

    found = ""


@contextmanager
def look(log: Path, what: str, bundle_sha256: str) -> Iterator[Look]:
    """Count a look: date, bundle, what was judged, what it found. It is on record before it is taken.

    what: without commas.
    Raises: ConfigError if the log's folder doesn't exist; OSError if the log cannot be written.
    """
    if not log.absolute().parent.is_dir():
        raise ConfigError(f"{log}: looks can't be counted there, for its folder doesn't exist: make it first")
    is_new = not log.exists() or not log.stat().st_size
    with log.open("a", encoding="utf-8") as file:
        if is_new:
            file.write("date,bundle,what,found\n")
        file.write(f"{datetime.now(timezone.utc):%Y-%m-%d},{bundle_sha256[:12]},{what},")
        file.flush()
        taken = Look()
        try:
            yield taken
        finally:
            file.write(f"{taken.found}\n")
