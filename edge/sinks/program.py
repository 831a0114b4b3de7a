"""Events by a program that is run for each."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from edge.errors import ConfigError, RefusedError, SinkError, one_line
from edge.events import Record
from edge.output_settings import CommandSettings

END_GRACE_S = 2.0
"""How long a program that is late may take to end after SIGTERM, in seconds."""
_CLOSE_GRACE_S = 0.5
_REAP_S = 1.0
_POLL_S = 0.05
_TAIL_BYTES = 4096
_READ_BYTES = 65536
_IN_ENVIRONMENT = (
    "event", "label", "score", "time", "source", "event_id", "duration_s", "condition", "state", "message"
)  # fmt: skip
_NOT_PASSED_ON = ("NOTIFY_SOCKET", "WATCHDOG_", "CREDENTIALS_DIRECTORY", "EDGE_LISTEN_")

_log = logging.getLogger(__name__)


class ProgramSink:
    """Runs a program for each record, which it finds in the environment, and waits for its end.

    `EDGE_LISTEN_JSON` is the record as JSON; `EDGE_LISTEN_LABEL` and the like are its fields, unset if the
    record has no such field. The program runs in a session of its own, without standard input, and without
    what would let it speak to systemd in this program's name
    (https://www.freedesktop.org/software/systemd/man/sd_notify.html).

    Args:
        settings: the table [command].

    Raises:
        ConfigError: the command line is empty or cannot be split.
        SinkError: its program cannot be found or run.
    """

    def __init__(self, settings: CommandSettings) -> None:
        self._words = _words(settings.run)
        self._timeout_s = settings.timeout_s
        self._is_closed = threading.Event()

    def emit(self, record: Record) -> None:
        """Run it, for at most `timeout_s` and a grace to end in.

        Raises:
            SinkError: it could not be started, or `close` ended it.
            RefusedError: it failed or took too long; running it again could do half of its work twice.
        """
        if self._is_closed.is_set():
            raise SinkError(f"command {self._words[0]!r}: stopped")
        process = self._start(record)
        with contextlib.closing(_Output(process.stdout)) as output:
            status = self._wait(process, output)
            last_line = output.last_line()
        if status is not None:
            self._judge(status, last_line)
        elif self._is_closed.is_set():
            raise SinkError(f"command {self._words[0]!r}: ended because edge-listen stops")
        else:
            raise RefusedError(
                f"command {self._words[0]!r} took more than {self._timeout_s:g} s and was ended: {last_line}"
            )

    def close(self) -> None:
        """End the program that is running; safe to call twice."""
        self._is_closed.set()

    def _start(self, record: Record) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=_environment(record),
                start_new_session=True,
            )
        except OSError as error:  # nothing has been run, so that trying again does no harm
            raise SinkError(f"command {self._words[0]!r} cannot be started: {error.strerror}") from error
        except ValueError as error:  # a NUL in a label
            raise RefusedError(f"command {self._words[0]!r} cannot be given the event: {error}") from error

    def _wait(self, process: subprocess.Popen[bytes], output: _Output) -> int | None:
        """Its exit status; None if it was ended for being late, or by `close`."""
        deadline_s = time.monotonic() + self._timeout_s
        while (status := process.poll()) is None:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0 or self._is_closed.is_set():
                _end_group(process, _CLOSE_GRACE_S if self._is_closed.is_set() else END_GRACE_S)
                break
            output.read_for(min(_POLL_S, remaining_s))
        output.read_for(0)
        return status

    def _judge(self, status: int, last_line: str) -> None:
        if status == 0:
            _log.debug("%s: %s", self._words[0], last_line)
            return
        how = f"exit status {status}" if status > 0 else f"signal {-status} ({signal.strsignal(-status)})"
        raise RefusedError(f"command {self._words[0]!r} failed with {how}: {last_line}")


class _Output:
    """The last bytes of what a program writes, read without waiting for its end.

    What it started in the background may hold its output open for as long as it likes.
    """

    def __init__(self, stream: IO[bytes] | None) -> None:
        if stream is None:
            raise SinkError("a program was started without a pipe for its output")
        self._stream = stream
        self._selector = selectors.DefaultSelector()
        self._selector.register(stream, selectors.EVENT_READ)
        self._tail = b""
        self._has_ended = False

    def read_for(self, seconds: float) -> None:
        """Take what comes first within this time, or wait it out."""
        if self._has_ended:
            time.sleep(seconds)
        elif self._selector.select(seconds):
            said = os.read(self._stream.fileno(), _READ_BYTES)
            self._has_ended = not said
            self._tail = (self._tail + said)[-_TAIL_BYTES:]

    def last_line(self) -> str:
        """What it said last, as a part of a message."""
        said = [line.strip() for line in self._tail.decode(errors="replace").splitlines() if line.strip()]
        return one_line(said[-1]) if said else "it said nothing"

    def close(self) -> None:
        """Let go of the pipe."""
        self._selector.close()
        self._stream.close()


def _end_group(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End a program and what it started."""
    _signal_group(process, signal.SIGTERM)
    deadline_s = time.monotonic() + grace_s
    # Looked at without being reaped: until it is, no other group can get its number.
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while os.waitid(os.P_PID, process.pid, options) is None and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    _signal_group(process, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # one that the kernel holds, or of another user
        process.wait(timeout=_REAP_S)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ConfigError(f"[command] run = {line!r} cannot be split into words: {error}") from None
    if not words:
        raise ConfigError("[command] run is empty: name a program, or leave the table out")
    if shutil.which(words[0]) is None:
        path = Path(words[0])
        if "/" in words[0] and path.is_file():
            raise SinkError(f"[command] {words[0]!r} may not be executed: chmod +x {shlex.quote(words[0])}")
        raise SinkError(f"[command] program {words[0]!r} was not found: install it, or give its whole path")
    return words


def _environment(record: Record) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    fields = record.as_json_object()
    told = {f"EDGE_LISTEN_{name.upper()}": fields.get(name) for name in _IN_ENVIRONMENT}
    given = {name: str(value) for name, value in told.items() if value is not None}
    return {**kept, **given, "EDGE_LISTEN_JSON": json.dumps(fields)}
