"""The systemd that runs: told of new units, told to start and stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from edge.errors import SoundError
from edge.service.call import call
from edge.service.layout import UNIT, Layout

_WAIT_S = 30.0
_POLL_S = 0.5
_N_LOG_LINES = 10


def is_running(layout: Layout) -> bool:
    """Whether that system is this one, and systemd runs it (as sd_booted(3) tells)."""
    return layout.is_this_system and Path("/run/systemd/system").is_dir()


def reload_units() -> None:
    """Have systemd read its unit files. Raises: SoundError."""
    call("systemctl", "daemon-reload")


def restart(tell: Callable[[str], None]) -> None:
    """Start it anew and wait until it listens, half a minute at most; tells its last lines if it doesn't.

    Raises: SoundError if it does not stay up.
    """
    run_before = _state()["InvocationID"]
    call("systemctl", "restart", "--no-block", UNIT)
    deadline_s = time.monotonic() + _WAIT_S
    while True:
        time.sleep(_POLL_S)
        state = _state()
        is_new = state["InvocationID"] != run_before
        if is_new and state["ActiveState"] == "active":
            return
        fails = state["ActiveState"] == "failed" or state["SubState"] == "auto-restart"
        if (is_new and fails) or time.monotonic() > deadline_s:
            break
    for line in _last_log_lines():
        tell(f"    {line}")
    if fails:
        raise SoundError("it does not stay up (its last lines are above); systemd goes on trying")
    tell(f"    it is still {state['ActiveState']} after {_WAIT_S:.0f} s: see systemctl status {UNIT}")


def stop() -> None:
    """Stop it. Raises: SoundError."""
    call("systemctl", "stop", UNIT)


def forget() -> None:
    """Have systemd forget a unit whose files are gone. Raises: SoundError."""
    reload_units()
    if _state()["ActiveState"] == "failed":
        call("systemctl", "reset-failed", UNIT)


def _state() -> dict[str, str]:
    """ActiveState, SubState and InvocationID, as `systemctl show` names them."""
    names = ("ActiveState", "SubState", "InvocationID")
    answer = call("systemctl", "show", f"--property={','.join(names)}", UNIT)
    values = dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)
    return {name: values.get(name, "") for name in names}


def _last_log_lines() -> list[str]:
    options = ("--no-pager", "--output=cat", f"--lines={_N_LOG_LINES}", f"--unit={UNIT}")
    return call("journalctl", *options).splitlines()
