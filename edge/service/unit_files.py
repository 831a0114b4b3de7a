"""The unit and its drop-ins: from a release to where systemd reads them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from edge.errors import SoundError
from edge.service.layout import UNIT, Layout

NETWORK, GPU, RESTART = "network.conf", "gpu.conf", "restart.conf"
"""The drop-ins."""
_RISING_DELAY_SINCE = 254  # RestartSteps= and RestartMaxDelaySec=; older ones complain of both


def wanted_drop_ins(layout: Layout, *, network: bool, gpu: bool) -> list[str]:
    """The drop-ins asked for, those asked for earlier, and those that fit the system's systemd."""
    version = systemd_version(layout)
    wanted = {
        NETWORK: network,
        GPU: gpu,
        RESTART: version is not None and version >= _RISING_DELAY_SINCE,
    }
    return [name for name, asked in wanted.items() if asked or (layout.drop_ins / name).exists()]


def place_units(layout: Layout, release: Path, drop_ins: Collection[str]) -> None:
    """Write the release's unit and drop-ins, over any that are there.

    Raises: SoundError if the release has no unit; OSError.
    """
    found = sorted(release.glob(f"lib/python3*/site-packages/edge/installed/systemd/{UNIT}"))
    if not found:
        raise SoundError(f"{release.name} has no {UNIT}")
    templates = found[0].parent
    _write(templates / UNIT, layout.unit)
    for name in drop_ins:
        template = templates / f"{UNIT}.d" / name
        if template.exists():  # an earlier version may not have it
            _write(template, layout.drop_ins / name)


def enable(layout: Layout) -> None:
    """Have it start with the machine, as `systemctl enable` does; works on an image too."""
    layout.start_link.parent.mkdir(parents=True, exist_ok=True)
    layout.start_link.unlink(missing_ok=True)
    layout.start_link.symlink_to(layout.shown(layout.unit))


def systemd_version(layout: Layout) -> int | None:
    """The system's version of systemd, by the name of its library, since an image's can't be run; or None."""
    for directory in ("usr/lib", "usr/lib64"):
        for pattern in ("systemd", "*/systemd"):
            for path in layout.inside(directory).glob(f"{pattern}/libsystemd-shared-*.so"):
                version = re.match(r"libsystemd-shared-(\d+)", path.name)
                if version:
                    return int(version[1])
    return None


def _write(template: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, target)
    target.chmod(0o644)
