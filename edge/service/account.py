"""The user that the service runs as."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from edge.errors import SoundError
from edge.service.call import call
from edge.service.layout import SERVICE, Layout

_SYSUSERS = f"""\
# Placed by `edge-listen install-service`: the user that the service runs as.
u {SERVICE} - "Listens for sounds" /var/lib/{SERVICE}
"""


def make_account(layout: Layout) -> None:
    """Make user and group, unless they are there. Raises: SoundError, OSError."""
    layout.sysusers.parent.mkdir(parents=True, exist_ok=True)
    layout.sysusers.write_text(_SYSUSERS, encoding="utf-8")
    if _id(layout.inside("etc/passwd")) is not None:
        return
    if shutil.which("systemd-sysusers"):
        call("systemd-sysusers", f"--root={layout.root}", layout.sysusers.name)
    else:
        call(
            "useradd", *_prefix(layout), "--system", "--user-group", "--no-create-home",
            "--home-dir", f"/var/lib/{SERVICE}", "--shell", "/usr/sbin/nologin", SERVICE,
        )  # fmt: skip


def remove_account(layout: Layout) -> None:
    """Remove group and user. Raises: SoundError, OSError."""
    if _id(layout.inside("etc/passwd")) is not None:
        call("userdel", *_prefix(layout), SERVICE)
    # Whether userdel takes the group along is the system's setting.
    if _id(layout.inside("etc/group")) is not None:
        call("groupdel", *_prefix(layout), SERVICE)
    layout.sysusers.unlink(missing_ok=True)
    with suppress(OSError):  # it holds more, and was there before
        layout.sysusers.parent.rmdir()


def group_id(layout: Layout) -> int:
    """The group's number in that system. Raises: SoundError if there is no such group."""
    number = _id(layout.inside("etc/group"))
    if number is None:
        raise SoundError(f"there is no group {SERVICE}")
    return number


def _id(table: Path) -> int | None:
    """The service's number in passwd or group: the third field in both."""
    lines = table.read_text(encoding="utf-8", errors="replace").splitlines() if table.exists() else []
    for fields in (line.split(":") for line in lines):
        if fields[0] == SERVICE and len(fields) > 2:
            return int(fields[2])
    return None


def _prefix(layout: Layout) -> list[str]:
    return [] if layout.is_this_system else ["--prefix", str(layout.root)]
