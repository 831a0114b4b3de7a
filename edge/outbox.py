"""An output of its own thread: a queue with an end, tries again in order, and never in anybody's way."""

from __future__ import annotations

import logging
import threading
from collections import deque

from edge.errors import RefusedError, SinkError, first_line
from edge.events import Record, Sink
from edge.status import OutputStatus

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AT_END_S = 0.5

logger = logging.getLogger(__name__)


class Outbox:
    """Takes records at once and delivers them to a sink from a thread of its own, each until it is accepted.

    Order is kept: while a record can't be delivered, those behind it wait. When too many wait, the oldest is
    given up, or, for a source that can wait, the one who emits does.

    Args:
        name: of the output, such as "mqtt".
        sink: where to.
        capacity: how many records may wait.
        kinds: which records are wanted: "onset", "offset", "health".
        waits: whether a full queue makes `emit` wait, for a minute at most, instead of giving a record up.
    """

    def __init__(
        self, name: str, sink: Sink, capacity: int, kinds: tuple[str, ...], *, waits: bool = False
    ) -> None:
        self.name = name
        self._sink = sink
        self._capacity = capacity
        self._kinds = kinds
        self._waits = waits
        self._waiting: deque[Record] = deque()
        self._on_its_way: Record | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._is_over = False
        self._abandoned = threading.Event()
        self._n_delivered = 0
        self._n_lost = 0
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"output {name}", daemon=True)
        self._thread.start()

    def emit(self, record: Record) -> None:
        """Put a record in the queue, if it is of a kind that is wanted. Raises nothing."""
        if record.event not in self._kinds:
            return
        with self._changed:
            if self._waits:
                self._changed.wait_for(self._has_room, LONGEST_WAIT_S)
            if self._is_over:
                self._lose("it is closed")
                return
            self._waiting.append(record)
            self._make_room()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._waiting) < self._capacity or self._closing

    @property
    def status(self) -> OutputStatus:
        """How it does."""
        with self._changed:
            return OutputStatus(self.name, self._n_delivered, self._n_left(), self._n_lost, self._failure)

    def finish(self, timeout_s: float) -> None:
        """Deliver what waits as far as that works within a time, then close the sink; safe to call twice."""
        n_left = len(self.hand_over(timeout_s))
        if n_left:
            reason = f": {self._failure}" if self._failure else ""
            logger.warning("%s: %d event(s) were not delivered before the end%s", self.name, n_left, reason)

    def hand_over(self, timeout_s: float) -> list[Record]:
        """As `finish`, but returns what was not delivered, for another to deliver it."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        self._abandoned.set()
        self._sink.close()
        self._thread.join(1.0)
        with self._changed:
            rest = [*([self._on_its_way] if self._on_its_way else []), *self._waiting]
            self._waiting.clear()
            self._on_its_way = None
            self._is_over = True
        return rest

    def close(self) -> None:
        """`finish` with 5 s."""
        self.finish(5.0)

    def _run(self) -> None:
        retry_s = FIRST_RETRY_S
        while (record := self._next()) is not None:
            try:
                self._sink.emit(record)
            except RefusedError as error:
                self._drop(first_line(error))
            except SinkError as error:
                self._put_back(record, first_line(error))
                self._pause(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)
                continue
            except Exception as error:  # noqa: BLE001 - a fault in one output must not silence it for good
                self._drop(f"a fault in edge-listen, {type(error).__name__}: {first_line(error)}")
            else:
                self._succeed()
            retry_s = FIRST_RETRY_S

    def _next(self) -> Record | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting or self._abandoned.is_set():
                return None
            # Out of the queue, so that a full one doesn't count it as given up while it is delivered.
            self._on_its_way = self._waiting.popleft()
            self._changed.notify_all()
            return self._on_its_way

    def _n_left(self) -> int:
        return len(self._waiting) + (self._on_its_way is not None)

    def _make_room(self) -> None:
        if len(self._waiting) > self._capacity:
            self._waiting.popleft()
            self._lose("its queue is full; the oldest event was given up")

    def _put_back(self, record: Record, reason: str) -> None:
        with self._changed:
            self._on_its_way = None
            self._waiting.appendleft(record)
            if not self._waits:
                self._make_room()
            is_news = self._failure is None
            self._failure = reason
        if is_news:
            logger.warning("%s: cannot deliver, will try again: %s", self.name, reason)

    def _pause(self, pause_s: float) -> None:
        with self._changed:
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, pause_s)
                return
        self._abandoned.wait(min(pause_s, LONGEST_RETRY_AT_END_S))

    def _drop(self, reason: str) -> None:
        with self._changed:
            self._on_its_way = None
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        self._n_lost += 1
        # The 1st, 2nd, 4th, 8th ...: a service that runs for months must not fill its log with one fault.
        if self._n_lost & (self._n_lost - 1) == 0:
            logger.warning("%s: %d event(s) lost so far: %s", self.name, self._n_lost, reason)

    def _succeed(self) -> None:
        with self._changed:
            self._on_its_way = None
            self._n_delivered += 1
            was_failing, self._failure = self._failure is not None, None
        if was_failing:
            logger.warning("%s: delivers again", self.name)
