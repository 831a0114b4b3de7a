"""What is asked of the running program from elsewhere: queued, answered by the thread that listens."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

Answer = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Request:
    """A thing asked.

    Attributes:
        command: such as "status".
        arguments: what it needs.
        answer: where the answer, or the SoundError, goes.
    """

    command: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    answer: Future[Answer] = field(default_factory=Future)


class RequestQueue:
    """Requests on their way to the thread that listens; any thread and any signal handler may put one in."""

    def __init__(self) -> None:
        # A SimpleQueue's put may interrupt another put, as a signal handler does.
        self._queue: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def put(self, command: str, arguments: Mapping[str, object] | None = None) -> Request:
        """Ask; returns at once."""
        request = Request(command, dict(arguments or {}))
        self._queue.put(request)
        return request

    def take(self) -> list[Request]:
        """What was asked since the call before."""
        requests = []
        while True:
            try:
                requests.append(self._queue.get_nowait())
            except queue.Empty:  # noqa: PERF203 - it is how the queue says so
                return requests
