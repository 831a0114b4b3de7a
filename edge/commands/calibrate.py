"""`edge-listen calibrate`: thresholds by how many false alarms may come."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edge.labels import parse_label_list
from edge.options import asked_rates, flags_given, listen_config
from edge.own_state.commands import ask_or_do
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Print what to expect of each label, and keep it; returns the exit code. Raises: SoundError."""
    config = listen_config(args, without=("false_alarms",))
    common, single = asked_rates(args)
    arguments: dict[str, object] = {
        "labels": parse_label_list(config.labels) if config.comma_lists else list(config.labels),
        "per_h": common,
        "rates": single,
        "reset": args.reset,
    }
    command = "expect" if args.dry_run else "calibrate"
    flags = flags_given(args, "bundle", "config")
    answer: dict[str, Any] = dict(ask_or_do(command, arguments, config, flags))
    stdout = standard_output()
    if args.json:
        write_line(stdout, json.dumps(answer))
        return 0
    if args.reset:
        write_line(
            stdout,
            f"the thresholds that they had before hold again for {', '.join(answer['reset']) or 'nothing'}",
        )
        return 0
    for line in answer["lines"]:
        write_line(stdout, line)
    for label in answer["fixed"]:
        write_line(stdout, f"{label}: the configuration sets its threshold or rate, which wins over this")
    write_line(
        stdout,
        "nothing was kept (--dry-run)"
        if args.dry_run
        else "kept: these rates, and thresholds computed from them at each start (--reset undoes it)",
    )
    return 0
