"""`edge-listen doctor`: what is wrong with this machine, the bundle, the microphone or the outputs."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

from edge.config import ListenConfig
from edge.config_file import load_config
from edge.control_client import ask
from edge.doctor.check import SERVICE_CONFIG, Check, Subject
from edge.doctor.examine import examine
from edge.doctor.service import ANSWER_S, service_state
from edge.errors import ConfigError, SoundError
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Print a line a check; returns the exit code: 1 if any failed. Raises: SinkError if nobody reads."""
    if not getattr(args, "verbose", False):
        # What a check finds is in its line; warnings would stand among them.
        logging.getLogger("edge").setLevel(logging.ERROR)
    stdout = standard_output()
    n_failed = n_warned = 0
    for check in _findings(args.config):
        write_line(stdout, check.line)
        n_failed += check.verdict == "fail"
        n_warned += check.verdict == "warn"
    write_line(stdout, f"\n{n_failed} failed, {n_warned} to look at")
    return 1 if n_failed else 0


def _findings(path: Path | None) -> Iterator[Check]:
    config, used, found = configuration(path, SERVICE_CONFIG)
    yield found
    running, no_answer = None, ""
    try:
        running = ask("status", timeout_s=ANSWER_S)
    except SoundError as error:
        no_answer = str(error)
    yield from examine(Subject(config, used, running, no_answer, service_state()))


def configuration(path: Path | None, of_service: Path) -> tuple[ListenConfig, Path | None, Check]:
    """The settings to check, the file that they are from, and the finding on it.

    They are the defaults, from no file, if it can't be read.

    path: the file named, if any; else that of the service is taken, if it is there.
    """
    if path is None and not of_service.exists():
        return (
            ListenConfig(),
            None,
            Check("config", "ok", f"none: checked with the defaults (no {of_service})"),
        )
    path = path or of_service
    try:
        return load_config(path), path, Check("config", "ok", str(path))
    except ConfigError as error:
        return (
            ListenConfig(),
            None,
            Check("config", "fail", f"{error}; the rest is checked with the defaults"),
        )
