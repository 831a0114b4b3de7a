"""Where `edge-export` keeps what it could make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(kind: str) -> Path:
    """Where this program keeps what it could make or fetch again: `$XDG_CACHE_HOME` or ~/.cache."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "edge-listen" / kind
