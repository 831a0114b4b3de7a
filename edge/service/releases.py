"""The versions installed side by side, and the link to the one that runs."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from edge.errors import ConfigError
from edge.service.layout import Layout

LAUNCHER = Path("bin/edge-listen")
"""The program within a release; written last, so that a release without it is half-made."""


def new_release(layout: Layout, version: str) -> Path:
    """Where a release of this moment goes: named by version and UTC."""
    return layout.releases / f"{version}-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}"


def current_release(layout: Layout) -> Path | None:
    """The release that runs, or None."""
    if not layout.current.is_symlink():
        return None
    return layout.program / layout.current.readlink()


def earlier_release(layout: Layout) -> Path:
    """The release to go back to. Raises: ConfigError if there is none."""
    now = current_release(layout)
    if now is None:
        raise ConfigError(
            "edge-listen is not installed as a service here: leave --rollback out to install it"
        )
    for release in _releases(layout):
        if release != now and (release / LAUNCHER).is_file():
            return release
    raise ConfigError(f"there is no version beside {now.name} to go back to")


def switch_to(layout: Layout, release: Path) -> None:
    """Make a release the one that runs at the next start, at one stroke."""
    link = layout.program / ".current"
    link.unlink(missing_ok=True)
    # Relative, so that it holds too where the system is an image mounted elsewhere.
    link.symlink_to(release.relative_to(layout.program))
    link.replace(layout.current)


def superseded_releases(layout: Layout, kept: Collection[Path | None]) -> list[Path]:
    """All releases but those to be kept."""
    return [release for release in _releases(layout) if release not in kept]


def remove_release(layout: Layout, release: Path) -> bool:
    """Remove a release, unless it is the current one; returns whether it is gone."""
    if release == current_release(layout):
        return False
    if release.exists():
        shutil.rmtree(release)
    with suppress(OSError):  # another release is there
        layout.releases.rmdir()
        layout.program.rmdir()
    return True


def _releases(layout: Layout) -> list[Path]:
    return sorted(layout.releases.iterdir()) if layout.releases.is_dir() else []
