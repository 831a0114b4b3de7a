"""`edge-export`: make a bundle on a workstation."""

from __future__ import annotations

import os

# Set before numpy is imported: workers side by side must not each start a thread for every core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import importlib
import sys
from collections.abc import Sequence

from edge.errors import SoundError
from export.commands import background, clap, starter
from export.program import add_debug, begin, finish

_COMMANDS = {"background": background, "clap": clap, "starter": starter}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line as a namespace; exits 2 with a message where it is wrong."""
    parser = argparse.ArgumentParser("edge-export", description="Make a bundle on a workstation.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in _COMMANDS.values():
        command.add_parser(commands)
    add_debug(parser, commands.choices)
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks. Raises: SoundError, with a message for a person."""
    command = _COMMANDS[options.command]
    try:
        importlib.import_module(command.BUILDER)
    except ModuleNotFoundError as error:
        raise SoundError(f"{error.name} is not installed: {command.INSTALL}") from None
    except ImportError as error:
        raise SoundError(f"what this needs cannot be imported ({error}): {command.INSTALL}") from error
    bundle = command.run(options)
    size_mb = sum(entry.size_bytes for entry in bundle.manifest.files.values()) / 1e6
    print(f"wrote {bundle.directory}: {size_mb:.1f} MB, sha256 {bundle.sha256[:12]}")
    for name, figure in bundle.manifest.accuracy.items():
        print(f"  {name}: {figure}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns: the exit code."""
    options = parse_args(arguments)
    begin()
    return finish("edge-export", lambda: run(options), debug=options.debug)


if __name__ == "__main__":
    sys.exit(main())
