"""Where the program keeps what it made for itself, and where it is spoken to while it runs."""

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


SERVICE_RUNTIME_DIRECTORY = Path("/run/edge-listen")
_SOCKET = "control"


def own_control_socket() -> Path | None:
    """Where this process is to be spoken to: in the folder that systemd gives a service, else the user's own.

    None where there is no such folder.
    """
    of_service = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if of_service:
        return Path(of_service) / _SOCKET
    of_user = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    # Of a folder that may not even be looked at, is_dir() raises an error.
    if of_user.is_absolute() and os.path.isdir(of_user):  # noqa: PTH112
        return of_user / "edge-listen" / _SOCKET
    return None


def control_socket_paths() -> list[Path]:
    """Where a running one may be spoken to: this user's own first, then the service."""
    own = own_control_socket()
    of_service = SERVICE_RUNTIME_DIRECTORY / _SOCKET
    return [of_service] if own is None else [own, of_service]
