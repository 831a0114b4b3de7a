"""`edge-listen calibrate`: thresholds by how many false alarms may come."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

from edge.labels import parse_label_list
from edge.options import flags_given, listen_config
from edge.own_state.commands import ask_or_do
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Print what to expect of each label, and keep it; returns the exit code. Raises: SoundError."""
    config = listen_config(args)
    arguments: dict[str, object] = {
        "labels": parse_label_list(config.labels) if config.comma_lists else list(config.labels),
        "per_h": config.rules.false_alarms,
        "rates": {
            words: rules.false_alarms
            for words, rules in config.label_rules.items()
            if rules.false_alarms is not None and rules.false_alarms != config.rules.false_alarms
        },
        "reset": args.reset,
    }
    command = "expect" if args.dry_run else "calibrate"
    # The rates are what is asked for here, not what holds before.
    before = replace(
        config,
        rules=replace(config.rules, false_alarms=None),
        label_rules={words: replace(rules, false_alarms=None) for words, rules in config.label_rules.items()},
    )
    answer: dict[str, Any] = dict(
        ask_or_do(command, arguments, before, flags_given(args, "bundle", "config"))
    )
    stdout = standard_output()
    if args.json:
        write_line(stdout, json.dumps(answer))
        return 0
    if args.reset:
        write_line(stdout, f"the bundle's own thresholds hold again for {', '.join(answer['reset'])}")
        return 0
    for line in answer["lines"]:
        write_line(stdout, line)
    for label in answer["fixed"]:
        write_line(stdout, f"{label}: the configuration sets its threshold or rate, which wins over this")
    write_line(
        stdout,
        "nothing was kept (--dry-run)"
        if args.dry_run
        else "kept: these thresholds hold from now on (--reset undoes it)",
    )
    return 0
