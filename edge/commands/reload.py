"""`edge-listen reload`: has the one that is running read its configuration again."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edge.control_client import ask
from edge.control_server import ANSWER_TIMEOUT_S
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Print what it listens for now; returns the exit code. Raises: SoundError if nothing has changed."""
    answer: dict[str, Any] = ask("reload", timeout_s=ANSWER_TIMEOUT_S)
    stdout = standard_output()
    if args.json:
        write_line(stdout, json.dumps(answer))
        return 0
    write_line(stdout, f"listening for {', '.join(answer['labels'])} from now on")
    if answer["at_restart"]:
        write_line(stdout, f"used from the next start on: {', '.join(answer['at_restart'])}")
    return 0
