"""The program as a person starts it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import edge

PROGRAM = (sys.executable, "-m", "edge")
# The very package under test, from whatever directory the process runs in.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(edge.__file__).resolve().parent.parent)}
TIMEOUT_S = 60


def edge_listen(
    *arguments: str, stdin: bytes = b"", environment: Mapping[str, str] = ENVIRONMENT
) -> subprocess.CompletedProcess[bytes]:
    """Run it to its end."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin, capture_output=True, env=dict(environment), timeout=TIMEOUT_S, check=False,
    )  # fmt: skip


def start(*arguments: str, environment: Mapping[str, str] = ENVIRONMENT) -> subprocess.Popen[bytes]:
    """Start it, with pipes at all three streams."""
    return subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(environment),
    )  # fmt: skip


def the_error(stderr: bytes) -> str:
    """The one line that says what went wrong; fails if there is more than one, or a traceback."""
    lines = stderr.decode().splitlines()
    noise = [line for line in lines if not line.startswith("edge-listen: ")]
    assert noise == [], noise
    errors = [line for line in lines if line.startswith("edge-listen: error: ")]
    assert len(errors) == 1, lines
    assert errors == lines[-1:], lines
    return errors[0]
