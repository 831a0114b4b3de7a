"""Showing a plan, asking whether to go on, and going on."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.errors import ConfigError
from edge.service.layout import Layout
from edge.service.plan import Step, carry_out
from edge.sinks.text import standard_output, write_line, write_text


def layout_of(args: argparse.Namespace) -> Layout:
    """The system that `--root` names. Raises: ConfigError if it isn't there or may not be written to."""
    root = Path(args.root).resolve()
    if not root.is_dir():
        raise ConfigError(f"--root {args.root} is not a directory: mount the system's image and name that")
    layout = Layout(root)
    if args.dry_run or os.geteuid() == 0:
        return layout
    if layout.is_this_system:
        raise ConfigError(
            f"only root may do this: sudo {sys.argv[0]} {args.command} (--dry-run shows the plan)"
        )
    if not os.access(root, os.W_OK):
        raise ConfigError(f"--root {args.root} may not be written to by this user: run it as root (sudo)")
    return layout


def go_through(args: argparse.Namespace, steps: Sequence[Step]) -> bool:
    """Show the steps, ask, and carry them out; returns whether they were carried out.

    Raises: ConfigError if there is nobody to ask and `--yes` wasn't given; SoundError if a step fails.
    """
    stdout = standard_output()
    write_line(stdout, "to do:")
    for number, step in enumerate(steps, start=1):
        write_line(stdout, f"{number:3}. {step.what}")
    if args.dry_run:
        return False
    if not args.yes and not _agreed():
        write_line(stdout, "nothing was done")
        return False
    # What root makes with a umask of 077 the service's user couldn't read.
    before = os.umask(0o022)
    try:
        carry_out(steps, lambda what: write_line(stdout, f"- {what}"))
    finally:
        os.umask(before)
    return True


def _agreed() -> bool:
    # Python's type stubs leave out that it is None where the descriptor was closed at the start.
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(
            "there is no terminal to ask at: add --yes to do it, or --dry-run to see the plan only"
        )
    write_text(standard_output(), "go on? [y/N] ")
    return sys.stdin.readline().strip().lower() in ("y", "yes")
