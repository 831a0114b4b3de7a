"""Running a program of the system to its end."""

from __future__ import annotations

import subprocess

from edge.errors import SoundError, one_line

_TIMEOUT_S = 120.0


def call(*command: str, timeout_s: float = _TIMEOUT_S) -> str:
    """Run a command and return what it wrote to standard output.

    Raises: SoundError if it isn't there, fails, or takes longer than `timeout_s` seconds.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False
        )
    except FileNotFoundError as error:
        raise SoundError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise SoundError(f"{command[0]} did not end within {timeout_s:.0f} s") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it says nothing").splitlines()[-1]
        raise SoundError(f"`{' '.join(command)}` failed: {one_line(last)}")
    return done.stdout
