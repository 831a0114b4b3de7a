from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from event_records import event_record, health_record

from edge import outbox as outbox_module
from edge.errors import RefusedError, SinkError
from edge.events import EventRecord, Record
from edge.outbox import Outbox
from edge.output_settings import RECORD_KINDS

AT_ONCE_S = 0.05
PATIENCE_S = 10.0


class ListSink:
    """Takes all, and lets a test await each."""

    def __init__(self) -> None:
        self.taken: list[Record] = []
        self.next_taken: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self.n_closed = 0

    def emit(self, record: Record) -> None:
        self.taken.append(record)
        self.next_taken.put(record)

    def close(self) -> None:
        self.n_closed += 1


class TroubledSink(ListSink):
    """Raises the errors it was given, one a try, before it takes a record; None stands for none."""

    def __init__(self, *troubles: Exception | None) -> None:
        super().__init__()
        self._troubles = list(troubles)
        self.tries: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self.tried_s: list[float] = []

    def emit(self, record: Record) -> None:
        self.tried_s.append(time.monotonic())
        self.tries.put(record)
        trouble = self._troubles.pop(0) if self._troubles else None
        if trouble is not None:
            raise trouble
        super().emit(record)


class GatedSink(ListSink):
    """Blocks in each emit until its gate is open; a close makes it give up."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.gate = threading.Event()
        self._is_closed = False

    def emit(self, record: Record) -> None:
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        if self._is_closed:
            raise SinkError("stopped")
        super().emit(record)

    def close(self) -> None:
        super().close()
        self._is_closed = True
        self.gate.set()


def records(n: int) -> list[Record]:
    return [event_record(number=number) for number in range(n)]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "FIRST_RETRY_S", 0.002)
    monkeypatch.setattr(outbox_module, "LONGEST_RETRY_S", 0.004)


@pytest.fixture
def gated() -> Iterator[GatedSink]:
    sink = GatedSink()
    yield sink
    sink.close()


def test_records_are_delivered_in_order_and_each_once() -> None:
    sink, sent = ListSink(), records(200)
    box = Outbox("a", sink, 1000, RECORD_KINDS)
    for record in sent:
        box.emit(record)
    box.finish(PATIENCE_S)
    assert sink.taken == sent
    assert (box.status.n_delivered, box.status.n_waiting, box.status.n_lost) == (200, 0, 0)


@pytest.mark.usefixtures("_hasty")
def test_failures_neither_change_the_order_nor_deliver_twice() -> None:
    random = Random(5)
    sink = TroubledSink(*(random.choice([None, SinkError("away")]) for _ in range(100)))
    sent = records(50)
    box = Outbox("a", sink, 1000, RECORD_KINDS)
    for record in sent:
        box.emit(record)
    box.finish(PATIENCE_S)
    assert sink.taken == sent
    assert box.status.n_delivered == 50


@pytest.mark.usefixtures("_hasty")
def test_every_record_is_counted_once_whatever_becomes_of_it() -> None:
    random = Random(6)
    kinds = [None, SinkError("away"), RefusedError("no"), ValueError("odd")]
    for capacity in (1, 2, 5, 100):
        sink = TroubledSink(*random.choices(kinds, k=60))
        box = Outbox("a", sink, capacity, RECORD_KINDS)
        for record in records(60):
            box.emit(record)
        box.finish(PATIENCE_S)
        status = box.status
        assert status.n_delivered == len(sink.taken)
        assert status.n_delivered + status.n_lost == 60


@pytest.mark.parametrize("kind", RECORD_KINDS)
def test_only_kinds_that_are_wanted_are_delivered(kind: str) -> None:
    sink = ListSink()
    box = Outbox("a", sink, 10, (kind,))
    for record in (event_record(), event_record(duration_s=1.0), health_record()):
        box.emit(record)
    box.finish(PATIENCE_S)
    assert [record.event for record in sink.taken] == [kind]


def test_a_full_queue_gives_up_the_oldest_that_wait_and_counts_them(
    gated: GatedSink, caplog: pytest.LogCaptureFixture
) -> None:
    sent = records(8)
    box = Outbox("a", gated, 3, RECORD_KINDS)
    box.emit(sent[0])
    assert gated.entered.wait(PATIENCE_S)  # this one is on its way
    for record in sent[1:]:
        box.emit(record)
    assert box.status.n_lost == 4
    gated.gate.set()
    box.finish(PATIENCE_S)
    assert gated.taken == [sent[0], *sent[-3:]]
    assert (box.status.n_delivered, box.status.n_lost) == (4, 4)
    assert "a: 1 event(s) lost so far: its queue is full; the oldest event was given up" in messages(caplog)


def test_a_record_that_could_not_be_delivered_is_the_oldest_to_be_given_up() -> None:
    sink, sent = TroubledSink(SinkError("away")), records(4)
    box = Outbox("a", sink, 2, RECORD_KINDS)
    box.emit(sent[0])
    sink.tries.get(timeout=PATIENCE_S)
    for record in sent[1:]:
        box.emit(record)
    box.finish(PATIENCE_S)
    assert sink.taken == sent[-2:]
    assert box.status.n_lost == 2


def test_emit_returns_at_once_while_the_sink_is_blocked(gated: GatedSink) -> None:
    box = Outbox("a", gated, 10, RECORD_KINDS)
    took_s = []
    for record in records(100):
        began_s = time.perf_counter()
        box.emit(record)
        took_s.append(time.perf_counter() - began_s)
    assert max(took_s) < AT_ONCE_S
    box.finish(0.0)


def test_a_blocked_output_delays_no_other(gated: GatedSink) -> None:
    sink = ListSink()
    blocked, free = Outbox("blocked", gated, 10, RECORD_KINDS), Outbox("free", sink, 10, RECORD_KINDS)
    for record in records(5):
        began_s = time.perf_counter()
        blocked.emit(record)
        free.emit(record)
        assert time.perf_counter() - began_s < AT_ONCE_S
        assert sink.next_taken.get(timeout=PATIENCE_S) == record
    assert gated.taken == []
    free.finish(PATIENCE_S)
    blocked.finish(0.0)


def test_for_a_source_that_can_wait_a_full_queue_loses_nothing(gated: GatedSink) -> None:
    sent = records(50)
    box = Outbox("a", gated, 2, RECORD_KINDS, waits=True)
    emitting = threading.Thread(target=lambda: [box.emit(record) for record in sent], daemon=True)
    emitting.start()
    assert gated.entered.wait(PATIENCE_S)
    emitting.join(0.1)
    assert emitting.is_alive()
    assert box.status.n_waiting <= 3
    gated.gate.set()
    emitting.join(PATIENCE_S)
    assert not emitting.is_alive()
    box.finish(PATIENCE_S)
    assert gated.taken == sent
    assert box.status.n_lost == 0


@pytest.mark.usefixtures("_hasty")
def test_waiting_loses_nothing_over_failures_either() -> None:
    random, sent = Random(7), records(60)
    sink = TroubledSink(*(random.choice([None, SinkError("away")]) for _ in range(90)))
    box = Outbox("a", sink, 1, RECORD_KINDS, waits=True)
    for record in sent:
        box.emit(record)
    box.finish(PATIENCE_S)
    assert sink.taken == sent


def test_an_outbox_that_waits_holds_nobody_up_once_it_is_finished() -> None:
    box = Outbox("a", ListSink(), 1, RECORD_KINDS, waits=True)
    box.finish(PATIENCE_S)
    began_s = time.perf_counter()
    for record in records(5):
        box.emit(record)
    assert time.perf_counter() - began_s < AT_ONCE_S


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (RefusedError("400 Bad Request"), "400 Bad Request"),
        (ZeroDivisionError("by nought"), "a fault in edge-listen, ZeroDivisionError: by nought"),
    ],
)
def test_a_record_that_is_refused_or_brings_out_a_fault_is_dropped_and_the_next_delivered(
    trouble: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    sink, sent = TroubledSink(None, trouble), records(3)
    box = Outbox("a", sink, 10, RECORD_KINDS)
    for record in sent:
        box.emit(record)
    box.finish(PATIENCE_S)
    assert sink.taken == [sent[0], sent[2]]
    assert box.status.n_lost == 1
    assert messages(caplog) == [f"a: 1 event(s) lost so far: {reason}"]


@pytest.mark.usefixtures("_hasty")
def test_failing_and_delivering_again_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    away = SinkError("nobody answers\nat all")
    sink = TroubledSink(*[away] * 5, None, *[away] * 5, None)
    box = Outbox("a", sink, 10, RECORD_KINDS)
    for record in records(2):
        box.emit(record)
        sink.next_taken.get(timeout=PATIENCE_S)
    box.finish(PATIENCE_S)
    assert messages(caplog) == ["a: cannot deliver, will try again: nobody answers", "a: delivers again"] * 2


def test_losses_are_logged_ever_more_seldom(caplog: pytest.LogCaptureFixture) -> None:
    box = Outbox("a", TroubledSink(*[RefusedError("no")] * 20), 100, RECORD_KINDS)
    for record in records(20):
        box.emit(record)
    box.finish(PATIENCE_S)
    assert [message.split()[1] for message in messages(caplog)] == ["1", "2", "4", "8", "16"]


@pytest.mark.usefixtures("_hasty")
def test_the_status_tells_what_waits_and_why() -> None:
    sink = TroubledSink(*[SinkError("no route to host")] * 1000)
    box = Outbox("a", sink, 10, RECORD_KINDS)
    for record in records(3):
        box.emit(record)
    for _ in range(2):  # at the second try, the failure of the first is known
        sink.tries.get(timeout=PATIENCE_S)
    status = box.status
    assert (status.name, status.n_waiting, status.failure) == ("a", 3, "no route to host")
    box.finish(0.0)


def test_it_waits_longer_from_try_to_try_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(outbox_module, "LONGEST_RETRY_S", 0.08)
    sink = TroubledSink(*[SinkError("away")] * 6)
    box = Outbox("a", sink, 10, RECORD_KINDS)
    box.emit(event_record())
    sink.next_taken.get(timeout=PATIENCE_S)
    pauses_s = [after - before for before, after in itertools.pairwise(sink.tried_s)]
    for pause_s, least_s in zip(pauses_s, [0.02, 0.04, 0.08, 0.08, 0.08, 0.08], strict=True):
        assert 0.95 * least_s < pause_s < least_s + 1.0
    box.finish(0.0)


def test_finish_delivers_what_waits(gated: GatedSink) -> None:
    sent = records(50)
    box = Outbox("a", gated, 100, RECORD_KINDS)
    for record in sent:
        box.emit(record)
    finishing = threading.Thread(target=box.finish, args=(PATIENCE_S,), daemon=True)
    finishing.start()
    gated.gate.set()
    finishing.join(PATIENCE_S)
    assert gated.taken == sent
    assert gated.n_closed == 1


def test_finish_tries_at_once_what_was_to_be_tried_much_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "FIRST_RETRY_S", 3600.0)
    monkeypatch.setattr(outbox_module, "LONGEST_RETRY_S", 3600.0)
    sink, sent = TroubledSink(SinkError("away")), records(3)
    box = Outbox("a", sink, 10, RECORD_KINDS)
    for record in sent:
        box.emit(record)
    sink.tries.get(timeout=PATIENCE_S)
    began_s = time.monotonic()
    box.finish(PATIENCE_S)
    assert sink.taken == sent
    assert time.monotonic() - began_s < 2.0


def test_finish_ends_in_time_though_the_sink_blocks_until_it_is_closed(
    gated: GatedSink, caplog: pytest.LogCaptureFixture
) -> None:
    box = Outbox("a", gated, 10, RECORD_KINDS)
    for record in records(3):
        box.emit(record)
    assert gated.entered.wait(PATIENCE_S)
    began_s = time.monotonic()
    box.finish(0.2)
    assert 0.15 < time.monotonic() - began_s < 1.0
    assert gated.taken == []
    assert messages(caplog)[-1].startswith("a: 3 event(s) were not delivered before the end")


def test_finish_ends_in_time_though_every_try_fails(caplog: pytest.LogCaptureFixture) -> None:
    sink = TroubledSink(*[SinkError("no route to host")] * 1000)
    box = Outbox("a", sink, 10, RECORD_KINDS)
    box.emit(event_record())
    sink.tries.get(timeout=PATIENCE_S)
    began_s = time.monotonic()
    box.finish(0.2)
    assert time.monotonic() - began_s < 1.0
    assert messages(caplog)[-1] == "a: 1 event(s) were not delivered before the end: no route to host"
    assert sink.n_closed == 1


def test_its_thread_ends_with_it_and_it_may_be_closed_twice() -> None:
    sink = ListSink()
    box = Outbox("ends", sink, 10, RECORD_KINDS)
    box.emit(event_record())
    box.close()
    box.close()
    assert len(sink.taken) == 1
    assert "output ends" not in {thread.name for thread in threading.enumerate()}


def test_several_threads_may_emit_and_nothing_is_lost_or_doubled() -> None:
    sink = ListSink()
    box = Outbox("a", sink, 10_000, RECORD_KINDS)

    def emit(first: int) -> None:
        for number in range(first, first + 100):
            box.emit(event_record(number=number))

    threads = [threading.Thread(target=emit, args=(100 * i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    box.finish(PATIENCE_S)
    ids = Counter(record.event_id for record in sink.taken if isinstance(record, EventRecord))
    assert len(ids) == 400
    assert set(ids.values()) == {1}
