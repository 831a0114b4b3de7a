"""A running program under a person's eyes: its lines as they come, its status, an end in any case."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

from program import edge_listen, start

PATIENCE_S = 30.0


class Running:
    """A process of `edge-listen`, its standard output and error read all the time.

    Attributes:
        process: it.
        errors: its log's lines, so far.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.process: subprocess.Popen[bytes] = start(*arguments, environment=environment)
        self.errors: list[str] = []
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._follow(self.process.stderr, self.errors.append)
        self._follow(self.process.stdout, lambda line: self._events.put(json.loads(line)))

    def _follow(self, stream: IO[bytes] | None, take: Callable[[str], object]) -> None:
        assert stream is not None

        def read() -> None:
            for line in stream:
                take(line.decode().rstrip("\n"))

        threading.Thread(target=read, daemon=True).start()

    def event(self, timeout_s: float = PATIENCE_S, kind: str | None = None) -> dict[str, Any]:
        """The next event of a kind; fails if none comes."""
        until_s = time.monotonic() + timeout_s
        while True:
            try:
                event = self._events.get(timeout=max(0.01, until_s - time.monotonic()))
            except queue.Empty:
                raise AssertionError(
                    f"no {kind or 'event'} within {timeout_s} s; {self.errors[-5:]}"
                ) from None
            if kind in (None, event["event"]):
                return event

    def await_line(self, part: str, timeout_s: float = PATIENCE_S) -> str:
        """The first line of the log that holds some words, once it is there."""
        found: list[str] = []

        def is_there() -> bool:
            found[:] = [line for line in self.errors if part in line]
            return bool(found)

        until(is_there, timeout_s, lambda: f"no line with {part!r}: {self.errors}")
        return found[0]

    def status(self) -> dict[str, Any]:
        """What `edge-listen status --json` prints."""
        done = edge_listen("status", "--json", environment=self.environment)
        until_s = time.monotonic() + PATIENCE_S
        # Its socket comes a moment after its first line.
        while done.returncode == 6 and self.process.poll() is None and time.monotonic() < until_s:
            done = edge_listen("status", "--json", environment=self.environment)
        assert done.returncode in (0, 1), done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def feed(self, sound: bytes) -> None:
        """Write to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(sound)
        self.process.stdin.flush()


@contextlib.contextmanager
def running(*arguments: str, environment: Mapping[str, str]) -> Iterator[Running]:
    """Start it with --json, and end it whatever happens."""
    program = Running("--json", *arguments, environment=environment)
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()


def until(
    holds: Callable[[], bool], timeout_s: float = PATIENCE_S, otherwise: Callable[[], str] = lambda: ""
) -> None:
    """Wait for something to come true; fails if it doesn't."""
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, otherwise()
        time.sleep(0.05)
