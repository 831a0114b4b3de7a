"""`edge-listen forget NAME`: takes a person's own sound away."""

from __future__ import annotations

import argparse

from edge.labels import quoted
from edge.options import flags_given, listen_config
from edge.own_state.commands import ask_or_do
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Forget it; returns the exit code. Raises: SoundError; then nothing has changed."""
    config = listen_config(args)
    answer = ask_or_do("forget", {"name": args.name}, config, flags_given(args, "bundle", "config"))
    write_line(
        standard_output(),
        f"{quoted(str(answer['name']))} is forgotten; to have it back: edge-listen overlay rollback",
    )
    return 0
