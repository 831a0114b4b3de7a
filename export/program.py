"""What the workstation's commands have in common: how they begin, and how they end, in one line."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Mapping

from edge.errors import SoundError

GOES_ON = "interrupted; the same command goes on where it stopped"


def add_debug(parser: argparse.ArgumentParser, commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Have `--debug` before the command and after it."""
    # A default of the latter would overrule the former.
    parser.set_defaults(debug=False)
    for each in (parser, *commands.values()):
        each.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS,
            help="show a traceback when something goes wrong",
        )  # fmt: skip


def begin() -> None:
    """Signals and the log, before anything else."""
    # A hang-up in an hour's work must clear up behind itself as Ctrl-C does.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.default_int_handler)
    # Ours alone: torch, onnx and their like tell much that is of no use here.
    logging.basicConfig(level=logging.ERROR, format="%(message)s", stream=sys.stderr)
    logging.getLogger("export").setLevel(logging.INFO)
    logging.getLogger("edge").setLevel(logging.WARNING)


def finish(program: str, job: Callable[[], None], *, debug: bool, when_interrupted: str = GOES_ON) -> int:
    """Do a command's job.

    debug: let errors through with their traceback.
    when_interrupted: what to say at Ctrl-C.
    Returns: 0, the error's own exit code, 1 if the system refused something or this program has a fault, 130
        at Ctrl-C.
    """
    try:
        job()
    except KeyboardInterrupt:
        print(f"{program}: {when_interrupted}", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        message = str(error)
        if not isinstance(error, (SoundError, OSError)):
            message = f"{type(error).__name__}: {message} (a fault in {program}: --debug shows where)"
        print(f"{program}: error: {' '.join(message.split())}", file=sys.stderr)
        return error.exit_code if isinstance(error, SoundError) else 1
    return 0
