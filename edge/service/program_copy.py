"""A program's files → a release: an environment of its own that any user may read."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge.errors import SoundError, one_line
from edge.service.program import Program
from edge.service.releases import LAUNCHER

# Finds its Python by where it lies itself, so that it runs in a mounted image too. -I keeps out whatever the
# caller's environment says to Python.
_LAUNCHER_TEXT = """\
#!/bin/sh
here=$(readlink -f -- "$0") && exec "${here%/*}/python" -I -m edge "$@"
"""
_NOBODY = 65534
_TRY_TIMEOUT_S = 300.0  # a slow card, nothing in its caches


def size_bytes(files: Iterable[tuple[Path, Path]]) -> int:
    """What files take."""
    return sum(source.stat().st_size for source, _ in files)


def copy_program(program: Program, release: Path, needed_bytes: int) -> None:
    """Make the release. Raises: SoundError if it would not fit; OSError."""
    release.parent.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(release.parent).free
    if free_bytes < 1.5 * needed_bytes:  # with compiled code
        raise SoundError(
            f"it takes some {1.5 * needed_bytes / 1e6:.0f} MB and {free_bytes / 1e6:.0f} MB are free"
        )
    release.mkdir()
    venv.EnvBuilder(system_site_packages=program.system_site_packages, symlinks=True).create(release)
    for source, target in program.files():
        _copy_file(source, release / target)
    _compile(program, release)
    launcher = release / LAUNCHER
    launcher.write_text(_LAUNCHER_TEXT, encoding="utf-8")
    launcher.chmod(0o755)


def try_copy(release: Path, *, as_nobody: bool) -> None:
    """Run the copy: its version, its bundle, its encoder on a made-up scene, the libraries that sources need.

    as_nobody: as a user who owns nothing, as which the service will run.
    Raises: SoundError with what the copy complained of.
    """
    program, python = str(release / LAUNCHER), str(release / "bin" / "python")
    _try("`edge-listen --version`", [program, "--version"], as_nobody=as_nobody)
    _try("`edge-listen labels`", [program, "labels"], as_nobody=as_nobody)
    _try("`edge-listen demo --fast`", [program, "demo", "--fast"], as_nobody=as_nobody)
    # Not PortAudio: who listens to no microphone need not have it.
    _try("its soxr and soundfile", [python, "-I", "-c", "import soxr, soundfile"], as_nobody=as_nobody)


def _try(what: str, command: list[str], *, as_nobody: bool) -> None:
    try:
        done = _run(command, as_nobody=as_nobody)
    except subprocess.TimeoutExpired as error:
        raise SoundError(f"{what} did not end within {_TRY_TIMEOUT_S:.0f} s in the copy") from error
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise SoundError(f"{what} fails in the copy: {one_line(last)}")


def _run(command: list[str], *, as_nobody: bool) -> subprocess.CompletedProcess[str]:
    user: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if as_nobody else {}
    return subprocess.run(
        command,
        capture_output=True, text=True, errors="replace", timeout=_TRY_TIMEOUT_S, check=False,
        cwd="/", env={"PATH": os.defpath, "LANG": "C.UTF-8"}, **user,
    )  # fmt: skip


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if source.stat().st_mode & 0o100 else 0o644)


def _compile(program: Program, release: Path) -> None:
    """Compile it all now: the service may write nothing there, and would compile at each start."""
    python = release / "bin" / "python"
    libraries = [str(release / path.relative_to(program.prefix)) for path in program.site_packages]
    # Its exit code tells of any file that this Python can't compile, such as a package's templates.
    subprocess.run(
        [str(python), "-I", "-m", "compileall", "-q", *libraries], capture_output=True, check=False
    )
