"""A program run for what it writes to its standard output."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import IO

from edge.errors import AudioSourceError

END_GRACE_S = 5.0
_TAIL_BYTES = 4096

_log = logging.getLogger(__name__)


class Command:
    """A running program. What it says on its standard error is kept for the message if it fails.

    It is run in a session of its own, so that Ctrl-C reaches this program alone, which then ends the other.

    Args:
        line: a command line, split as a shell would but run without one.

    Raises:
        AudioSourceError: it cannot be split or started.
    """

    def __init__(self, line: str) -> None:
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise AudioSourceError(f"input command {line!r} cannot be split into words: {error}") from error
        if not self._words:
            raise AudioSourceError("the input command is empty: name a program that writes PCM to its output")
        try:
            self._process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise AudioSourceError(
                f"input command {self._words[0]!r} was not found: install it, or give its whole path"
            ) from None
        except (OSError, ValueError) as error:
            raise AudioSourceError(f"input command {self._words[0]!r} cannot be run: {error}") from error
        self._tail = b""
        self._listener = threading.Thread(target=self._keep_tail, args=(self._process.stderr,), daemon=True)
        self._listener.start()

    @property
    def output(self) -> IO[bytes] | None:
        """Its standard output, unbuffered."""
        return self._process.stdout

    def check_exit(self, is_stopped: Callable[[], bool]) -> None:
        """Wait for its end, after its output has ended.

        Raises: AudioSourceError if it failed, or still runs after `END_GRACE_S`.
        """
        deadline_s = time.monotonic() + END_GRACE_S
        while (status := self._process.poll()) is None:
            if is_stopped():
                return
            if time.monotonic() > deadline_s:
                raise AudioSourceError(
                    f"input command {self._words[0]!r} closed its output without ending: check its options"
                )
            time.sleep(0.01)
        if status == 0:
            return
        self._listener.join(timeout=1.0)
        how = f"exit status {status}" if status > 0 else f"signal {-status} ({signal.strsignal(-status)})"
        raise AudioSourceError(f"input command {self._words[0]!r} died with {how}: {self._last_words()}")

    def close(self) -> None:
        """End it and what it started; safe to call twice."""
        if self._process.stdout is not None:
            self._process.stdout.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=2.0)
        self._listener.join(timeout=1.0)

    def _keep_tail(self, stream: IO[bytes]) -> None:
        # In a thread, because a program whose standard error nobody reads stops when that pipe is full.
        with stream:
            while said := stream.read(_TAIL_BYTES):
                self._tail = (self._tail + said)[-_TAIL_BYTES:]
                _log.debug("%s: %s", self._words[0], said.decode(errors="replace").rstrip())

    def _last_words(self) -> str:
        lines = self._tail.decode(errors="replace").replace("\r", "\n").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return said[-1] if said else "it said nothing on its standard error"
