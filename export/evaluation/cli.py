"""`edge-eval`: judge a bundle by the encoder and the pipeline that ship."""

from __future__ import annotations

import os

# Set before numpy is imported: clips are embedded side by side, so none may start a thread for every core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Sequence

from edge.errors import SoundError
from export.evaluation.commands import esc50, paper, stream
from export.program import add_debug, begin, finish

_COMMANDS = {"esc50": esc50, "folder": esc50, "paper": paper, "stream": stream}
INSTALL = 'pip install "edge-listen[eval,cpu]"'


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line as a namespace; exits 2 with a message where it is wrong."""
    parser = argparse.ArgumentParser("edge-eval", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (esc50, paper, stream):
        command.add_parser(commands)
    add_debug(parser, commands.choices)
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks. Raises: SoundError, with a message for a person."""
    try:
        _COMMANDS[options.command].run(options)
    except ModuleNotFoundError as error:
        raise SoundError(f"{error.name} is not installed: {INSTALL}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns: the exit code."""
    options = parse_args(arguments)
    begin()
    interrupted = _COMMANDS[options.command].INTERRUPTED
    return finish("edge-eval", lambda: run(options), debug=options.debug, when_interrupted=interrupted)


if __name__ == "__main__":
    sys.exit(main())
