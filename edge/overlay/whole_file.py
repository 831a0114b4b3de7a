"""A new file that is there whole, and on the disk, or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from edge.bundle_files import sync_folder

UNFINISHED = ".new-"
"""What the name of a file begins with while it is written; after a kill it stays."""


def write_new_file(path: Path, data: bytes) -> None:
    """Write a file that doesn't exist yet. It is made beside it and renamed, so a kill can't leave a part.

    Raises: OSError; then there is no file.
    """
    descriptor, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(path)
        sync_folder(path.parent)
    except BaseException:
        for unwanted in (Path(name), path):
            with suppress(OSError):
                unwanted.unlink(missing_ok=True)
        raise
