"""`edge-listen`: reads the command line, runs the command, turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from edge.errors import SinkError, SoundError
from edge.options import parse_args

# Before numpy is imported: its BLAS would start a thread for every core, and one is what this takes.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

_INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended


def run(args: argparse.Namespace) -> int:
    """Run the command that `args` name and return its exit code. Raises: SoundError."""
    # By name, so that only the command that runs is imported: `--version` needs neither numpy nor PortAudio.
    command = importlib.import_module(f"edge.commands.{args.command.replace('-', '_')}")
    return int(command.run(args))


def main(argv: Sequence[str] | None = None) -> int:
    """The program: returns the exit code; errors are one line on stderr."""
    args = parse_args(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with _logs_on_stderr(verbose=getattr(args, "verbose", False)):
        return _run_and_report(args)


def _run_and_report(args: argparse.Namespace) -> int:
    try:
        code = run(args)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return _fail(SinkError("standard output was closed by its reader; stopped"), args)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - a person gets one line, whatever went wrong
        return _fail(error, args)
    return code


def _fail(error: Exception, args: argparse.Namespace) -> int:
    debug = getattr(args, "debug", False)
    if debug:
        traceback.print_exception(error)
    code, message = 1, f"{type(error).__name__}: {error}"
    if isinstance(error, SoundError):
        code, message = error.exit_code, str(error)
    elif not debug:
        message += " (a fault in edge-listen: run it again with --debug for the traceback)"
    # Where stderr is closed there is nobody to tell; print() would turn to stdout.
    if sys.stderr is not None:
        with suppress(OSError):
            mark = "<3>" if _stderr_is_journal() else ""
            print(f"{mark}edge-listen: error: {' '.join(message.split())}", file=sys.stderr, flush=True)
    if isinstance(error, SinkError):
        _abandon_stdout()
    return code


def _abandon_stdout() -> None:
    """Send what is left in stdout's buffer nowhere; else Python complains of the closed pipe at exit."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError):  # there is none, or a test's stand-in
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


class _Formatter(logging.Formatter):
    """Lines for a person; in systemd's journal each with its priority in front, as sd-daemon(3) has it."""

    def __init__(self, *, for_journal: bool) -> None:
        super().__init__()
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
        return f"{self._priority(record.levelno)}edge-listen: {level}{super().format(record)}"

    def _priority(self, level: int) -> str:
        if not self._for_journal:
            return ""
        return next(mark for least, mark in _PRIORITIES if level >= least)


_PRIORITIES = ((logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"), (0, "<7>"))


def _stderr_is_journal() -> bool:
    """Whether standard error is the stream that systemd says leads to its journal ($JOURNAL_STREAM)."""
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (AttributeError, OSError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stat.st_dev}:{stat.st_ino}"


@contextmanager
def _logs_on_stderr(*, verbose: bool) -> Iterator[None]:
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(for_journal=_stderr_is_journal()))
    logger = logging.getLogger("edge")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    # What a command says of itself, such as what it listens to or which labels it made, is for every run.
    for name in (
        "edge.commands", "edge.custom_labels", "edge.caretaker", "edge.observers", "edge.sources.returning",
    ):  # fmt: skip
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


if __name__ == "__main__":
    sys.exit(main())
