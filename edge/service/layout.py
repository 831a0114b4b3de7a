"""Where an installed service has its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SERVICE = "edge-listen"
"""Name of the service, of its user, and of its directories."""
UNIT = f"{SERVICE}.service"


@dataclass(frozen=True)
class Layout:
    """The service's paths in a system.

    Attributes:
        root: the system's root directory, absolute: "/", or where an image is mounted.
    """

    root: Path

    def inside(self, path: str) -> Path:
        """A path of that system as this one sees it."""
        return self.root / path.lstrip("/")

    def shown(self, path: Path) -> str:
        """A path as that system sees it."""
        return f"/{path.relative_to(self.root)}"

    @property
    def is_this_system(self) -> bool:
        """Whether it is the system that runs here, not an image."""
        return self.root == Path("/")

    @property
    def program(self) -> Path:
        """Everything of the program."""
        return self.inside(f"opt/{SERVICE}")

    @property
    def releases(self) -> Path:
        """A directory for each version installed."""
        return self.program / "releases"

    @property
    def current(self) -> Path:
        """The link to the release that runs."""
        return self.program / "current"

    @property
    def unit(self) -> Path:
        """The unit file."""
        return self.inside(f"etc/systemd/system/{UNIT}")

    @property
    def drop_ins(self) -> Path:
        """The directory of files that change the unit."""
        return self.inside(f"etc/systemd/system/{UNIT}.d")

    @property
    def start_link(self) -> Path:
        """The link by which systemd starts it with the machine, as `systemctl enable` makes it."""
        return self.inside(f"etc/systemd/system/multi-user.target.wants/{UNIT}")

    @property
    def sysusers(self) -> Path:
        """The file that tells systemd of the service's user."""
        return self.inside(f"etc/sysusers.d/{SERVICE}.conf")

    @property
    def configuration_directory(self) -> Path:
        """Where its configuration lies."""
        return self.inside(f"etc/{SERVICE}")

    @property
    def configuration(self) -> Path:
        """The configuration file."""
        return self.configuration_directory / "config.toml"

    @property
    def state(self) -> Path:
        """What the program writes: labels made on the device, clips, events."""
        return self.inside(f"var/lib/{SERVICE}")
