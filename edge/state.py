"""Where the program keeps what it made for itself, which may be lost at any time."""

from __future__ import annotations

import os
from pathlib import Path


def state_directory() -> Path:
    """The folder that systemd gives a service, else the user's own by XDG's convention; it need not exist."""
    # Several are divided by colons; the first is ours.
    of_service = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if of_service:
        return Path(of_service)
    of_user = Path(os.environ.get("XDG_STATE_HOME", ""))
    if of_user.is_absolute():  # the convention says to ignore one that isn't
        return of_user / "edge-listen"
    try:
        home = Path.home()
    except RuntimeError:
        home = Path("/")  # what systemd takes too for a user without one
    return home / ".local" / "state" / "edge-listen"
