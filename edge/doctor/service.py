"""The service, and the edge-listen that is running."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping

from edge.doctor.check import Check, Subject
from edge.service.layout import UNIT

ANSWER_S = 5.0
_STARTS = ("activating", "reloading", "deactivating")


def service_state() -> str | None:
    """What systemd says of the service; None where it says nothing, or there is no such service."""
    if shutil.which("systemctl") is None:
        return None
    try:
        said = subprocess.run(
            ["systemctl", "show", "--property=LoadState,ActiveState", UNIT],
            capture_output=True, text=True, timeout=ANSWER_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    known = dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)
    return known.get("ActiveState") if known.get("LoadState") == "loaded" else None


def service(subject: Subject) -> Iterator[Check]:
    """What systemd says of it."""
    state = subject.service_state
    if state is None:
        yield Check("service", "ok", "not installed as a service (edge-listen install-service does it)")
    elif state == "active":
        yield Check("service", "ok", "active")
    elif state in _STARTS:
        yield Check("service", "warn", f"{state}, perhaps again and again", f"journalctl -u {UNIT} -e")
    elif state == "failed":
        yield Check("service", "fail", "failed", f"journalctl -u {UNIT} -e")
    else:
        yield Check("service", "warn", state, f"sudo systemctl enable --now {UNIT}")


def running(subject: Subject) -> Iterator[Check]:
    """How the edge-listen is that runs."""
    if subject.running is None:
        yield Check("running", "warn" if subject.service_state == "active" else "ok", subject.no_answer)
    else:
        yield judge_running(subject.running)


def judge_running(status: Mapping[str, object]) -> Check:
    """status: as `Status.as_json_object` has it."""
    troubles = [f"waits for {status['waiting_for']}"] if status.get("waiting_for") else []
    conditions, outputs = status.get("conditions"), status.get("outputs")
    if isinstance(conditions, list):
        troubles += [f"its hearing: {each}" for each in conditions]
    if isinstance(outputs, list):
        troubles += [f"{each['name']}: {each['failure']}" for each in outputs if each.get("failure")]
    text = f"listens to {status.get('source')} for {_uptime(status.get('uptime_s'))}"
    if troubles:
        return Check("running", "warn", f"{text}; {'; '.join(troubles)}", "edge-listen status tells more")
    return Check("running", "ok", f"{text}, all is well")


def _uptime(seconds: object) -> str:
    total_s = float(seconds) if isinstance(seconds, int | float) else 0.0
    for length_s, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if total_s >= length_s:
            return f"{total_s / length_s:.1f} {unit}"
    return f"{total_s:.0f} s"
