"""The program that runs at present, as files: what of them a service needs, and whether it could run them."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import edge
from edge.errors import ConfigError

_DISTRIBUTION = "edge-listen"
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - to refuse them
_OPERATORS_FILES = ("systemd", "configs")  # what pyproject.toml puts into a wheel as edge/installed


@dataclass(frozen=True)
class Program:
    """An installed edge-listen.

    Attributes:
        version: its version.
        prefix: the virtual environment it is installed in.
        interpreter: the Python that the environment rests on.
        site_packages: the environment's directories of packages.
        system_site_packages: whether the environment takes packages of the system too.
        repository: of a development install, the directory that has its packages; else None.
        left_out: files of `site_packages` that only a development install needs.
    """

    version: str
    prefix: Path
    interpreter: Path
    site_packages: tuple[Path, ...]
    system_site_packages: bool = False
    repository: Path | None = None
    left_out: frozenset[Path] = frozenset()

    def files(self) -> Iterator[tuple[Path, Path]]:
        """Each file that a copy needs, and its path from the copy's prefix."""
        for directory in self.site_packages:
            for path in _files_under(directory):
                if path not in self.left_out:
                    yield path, path.relative_to(self.prefix)
        if self.repository is None:
            return
        packages = self.site_packages[0].relative_to(self.prefix)
        for name in ("edge", "export"):
            for path in _files_under(self.repository / name):
                yield path, packages / path.relative_to(self.repository)
        for name in _OPERATORS_FILES:
            for path in _files_under(self.repository / name):
                yield path, packages / "edge" / "installed" / path.relative_to(self.repository)


def running_program() -> Program:
    """What runs this. Raises: ConfigError if it isn't an installed program that a service could run."""
    if sys.prefix == sys.base_prefix:
        raise ConfigError(
            "this runs in the system's own Python: make an environment for it, as the README's first "
            "command does, and run install-service from there"
        )
    try:
        installed = distribution(_DISTRIBUTION)
    except PackageNotFoundError:
        raise ConfigError(
            "this runs from its source: install it into its environment (pip install .)"
        ) from None
    prefix = Path(sys.prefix)
    libraries = dict.fromkeys(Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib"))
    packages = Path(edge.__file__).resolve().parent.parent
    is_development = packages not in libraries
    program = Program(
        version=installed.version,
        prefix=prefix.resolve(),
        interpreter=_interpreter(),
        site_packages=tuple(libraries),
        system_site_packages=_takes_system_packages(prefix / "pyvenv.cfg"),
        repository=packages if is_development else None,
        left_out=_development_files(installed) if is_development else frozenset(),
    )
    check_reach(program)
    return program


def check_reach(program: Program) -> None:
    """Raises: ConfigError if a service's user could not get at the program's Python or its packages."""
    for path in (program.interpreter, Path(sys.base_prefix).resolve()):
        if is_hidden(path) or not _may_be_entered(path.parents):
            raise ConfigError(
                f"this environment rests on {path}, where a service's user can't get: make one on the "
                "system's python3 (/usr/bin/python3 -m venv), and run install-service from there"
            )
    for directory in program.site_packages:
        for path in sorted(set(directory.glob("*.pth")) - program.left_out):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("/") and is_hidden(Path(line)):
                    raise ConfigError(
                        f"{path.name} takes packages from {line}, where a service can't get: install them "
                        "into the environment"
                    )


def is_hidden(path: Path) -> bool:
    """Whether a path lies where the unit lets the service see nothing."""
    return any(path.is_relative_to(hidden) for hidden in _HIDDEN)


def _may_be_entered(directories: Iterable[Path]) -> bool:
    return all(directory.stat().st_mode & 0o001 for directory in directories)


def _interpreter() -> Path:
    here = Path(sys.executable).resolve()
    if here.is_relative_to(Path(sys.prefix).resolve()):  # an environment made with --copies
        return Path(sys.base_prefix).resolve() / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    return here


def _takes_system_packages(settings: Path) -> bool:
    lines = settings.read_text(encoding="utf-8").splitlines()
    entries = dict(line.split(" = ", 1) for line in lines if " = " in line)
    return entries.get("include-system-site-packages", "").strip().lower() == "true"


def _development_files(installed: Distribution) -> frozenset[Path]:
    """All that its installation put there but its metadata: links to the repository, old copies of files."""
    paths = [path for path in installed.files or () if not path.parts[0].endswith(".dist-info")]
    return frozenset(Path(str(installed.locate_file(path))).resolve() for path in paths)


def _files_under(directory: Path) -> Iterator[Path]:
    if not directory.is_dir():
        return
    for path in sorted(directory.iterdir()):
        if path.is_dir():
            if path.name != "__pycache__":
                yield from _files_under(path)
        elif path.is_file():
            yield path
