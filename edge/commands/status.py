"""`edge-listen status`: asks the one that is running how it is."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edge.control_client import ask
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Print the status; returns 0 if all is well, else 1. Raises: SoundError if none runs."""
    status: dict[str, Any] = ask("status")
    stdout = standard_output()
    if args.json:
        write_line(stdout, json.dumps(status))
    else:
        for name, text in _lines(status):
            write_line(stdout, f"{name:<11}{text}")
    return 0 if status["is_well"] else 1


def _lines(status: dict[str, Any]) -> list[tuple[str, str]]:
    level = status["level_dbfs"]
    windows = ", ".join(f"{count} {name}" for name, count in status["windows"].items() if count)
    lines = [
        ("state", "well" if status["is_well"] else "NOT WELL"),
        ("source", status["source"]),
        ("labels", ", ".join(status["labels"])),
        ("level", "unknown" if level is None else f"{level:.1f} dBFS"),
        ("windows", f"{windows or 'none yet'}; one every {status['hop_s']:g} s"),
        ("lost", f"{status['lost_s']:.1f} s of sound"),
        ("running", f"{status['uptime_s'] / 3600:.1f} h"),
    ]
    if status["waiting_for"]:
        lines.insert(1, ("waiting", status["waiting_for"]))
    if status.get("learning"):
        heard_s, wanted_s = status["learning"]["heard_s"], status["learning"]["wanted_s"]
        lines.append(("learning", f"the background: {heard_s / 60:.1f} of {wanted_s / 60:g} minutes"))
    lines += [("condition", condition) for condition in status["conditions"]]
    lines += [("heard", f"{label}: {count}") for label, count in status["events"].items()]
    last = status["last_event"]
    if last:
        lines.append(
            ("last event", f"{last['event']} of {last['label']} at {last['time'] or last['stream_s']}")
        )
    for output in status["outputs"]:
        text = f"{output['name']}: {output['n_delivered']} delivered, {output['n_waiting']} waiting"
        text += f", {output['n_lost']} lost" if output["n_lost"] else ""
        lines.append(("output", text + (f"; failing: {output['failure']}" if output["failure"] else "")))
    return lines
