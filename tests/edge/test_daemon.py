from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from types import TracebackType

import numpy as np
import pytest

from edge.daemon import listen, stopped_by_signals
from edge.errors import AudioSourceError, SinkError
from edge.events import EventRecord, EventStamper, Record
from edge.types import AudioBlock, AudioSource, SoundEvent

RATE = 1000
ONSET = SoundEvent("onset", 1, "siren", 0.8, 0.6, onset_sample=200)
OFFSET = SoundEvent("offset", 1, "siren", 0.9, 0.6, onset_sample=200, offset_sample=700)
DROPPED = SoundEvent("offset", 2, "dog bark", 0.7, 0.6, onset_sample=100, offset_sample=400)


class ListSource:
    """Yields `n_blocks` blocks of 100 samples, then ends or fails; a stop ends it.

    silent_turns: how many times it gives its reader a turn before each block.
    """

    name = "a list"
    dropped_samples = 0

    def __init__(
        self, n_blocks: int, failure: AudioSourceError | None = None, *, silent_turns: int = 0
    ) -> None:
        self._n_blocks = n_blocks
        self._failure = failure
        self._silent_turns = silent_turns
        self._stopped = False
        self.n_given = 0

    def __enter__(self) -> AudioSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        pass

    def blocks(self) -> Iterator[AudioBlock | None]:
        while self.n_given < self._n_blocks and not self._stopped:
            yield from [None] * self._silent_turns
            self.n_given += 1
            start = (self.n_given - 1) * 100
            yield AudioBlock(np.zeros(100, np.float32), start, 1000.0 + start / RATE)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        self._stopped = True


class ScriptedRecognizer:
    """Begins an event with the third block and ends it at the flush."""

    def __init__(self) -> None:
        self._n_blocks = 0

    def push(self, _block: AudioBlock) -> list[SoundEvent]:
        self._n_blocks += 1
        return [ONSET] if self._n_blocks == 3 else []

    def flush(self) -> list[SoundEvent]:
        return [OFFSET] if self._n_blocks >= 3 else []


class ScriptedCaretaker:
    """Notes what it is given, and does what it was told in its turns."""

    def __init__(self, act: Callable[[int], list[SoundEvent]] = lambda _turn: []) -> None:
        self._act = act
        self.said: list[str] = []
        self.n_turns = 0

    def took(self, block: AudioBlock) -> None:
        self.said.append(f"took {block.start_sample}")

    def tend(self) -> list[SoundEvent]:
        self.n_turns += 1
        self.said.append("tend")
        return self._act(self.n_turns)


def stamper_of(source: ListSource) -> EventStamper:
    return EventStamper(lambda: source.name, RATE, "ab" * 32)


def run(source: ListSource, send: Callable[[Record], None], care: ScriptedCaretaker | None = None) -> None:
    with source:
        listen(source, ScriptedRecognizer(), send, stamper_of(source), care)


def kinds(records: list[Record]) -> list[tuple[str, str]]:
    return [(record.event, record.label) for record in records if isinstance(record, EventRecord)]


def test_every_event_is_sent_in_order() -> None:
    records: list[Record] = []
    run(ListSource(9), records.append)
    assert kinds(records) == [("onset", "siren"), ("offset", "siren")]


def test_records_carry_source_bundle_and_utc() -> None:
    records: list[Record] = []
    run(ListSource(9), records.append)
    onset, offset = records
    assert isinstance(onset, EventRecord)
    assert (onset.source, onset.bundle) == ("a list", "ab" * 32)
    assert onset.time is not None
    assert offset.time is not None
    assert (onset.time.timestamp(), offset.time.timestamp()) == (1000.2, 1000.7)


def test_a_source_that_fails_midway_has_its_open_events_closed_before_the_error() -> None:
    records: list[Record] = []
    with pytest.raises(AudioSourceError, match="unplugged"):
        run(ListSource(5, AudioSourceError("the microphone was unplugged")), records.append)
    assert kinds(records) == [("onset", "siren"), ("offset", "siren")]


def test_an_event_that_cannot_be_delivered_ends_the_run() -> None:
    source = ListSource(9)
    records: list[Record] = []

    def refuse(record: Record) -> None:
        records.append(record)
        raise SinkError("standard output was closed by its reader; stopped")

    with pytest.raises(SinkError):
        run(source, refuse)
    assert source.n_given == 3
    assert len(records) == 1


def test_without_sound_nothing_is_recognised_and_nothing_changes() -> None:
    records: list[Record] = []
    with_turns: list[Record] = []
    run(ListSource(9), records.append)
    run(ListSource(9, silent_turns=2), with_turns.append)
    assert kinds(with_turns) == kinds(records)
    assert [record.time for record in with_turns] == [record.time for record in records]


def test_the_caretaker_gets_each_block_before_it_is_heard_and_a_turn_whether_sound_comes_or_not() -> None:
    care = ScriptedCaretaker()
    run(ListSource(3, silent_turns=1), lambda _record: care.said.append("event"), care)
    assert care.said == [
        "tend", "took 0", "tend",
        "tend", "took 100", "tend",
        "tend", "took 200", "event", "tend",
        "event",
    ]  # fmt: skip


def test_events_that_a_change_of_labels_ended_are_sent_at_once() -> None:
    records: list[Record] = []
    care = ScriptedCaretaker(lambda turn: [DROPPED] if turn == 4 else [])
    run(ListSource(9), records.append, care)
    assert kinds(records) == [("onset", "siren"), ("offset", "dog bark"), ("offset", "siren")]


def test_a_caretaker_that_gives_up_has_open_events_closed_before_the_error() -> None:
    source = ListSource(10**9)

    def give_up(turn: int) -> list[SoundEvent]:
        if turn == 5:
            raise AudioSourceError("nothing usable was heard for long")
        return []

    records: list[Record] = []
    with pytest.raises(AudioSourceError, match="nothing usable"):
        run(source, records.append, ScriptedCaretaker(give_up))
    assert kinds(records) == [("onset", "siren"), ("offset", "siren")]
    assert source.n_given == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_source_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    source = ListSource(10**9)
    records: list[Record] = []

    def interrupt(turn: int) -> list[SoundEvent]:
        if turn == 5:
            os.kill(os.getpid(), number)
        return []

    with stopped_by_signals(source):
        run(source, records.append, ScriptedCaretaker(interrupt))
    assert kinds(records) == [("onset", "siren"), ("offset", "siren")]
    assert source.n_given < 20
    assert signal.getsignal(number) == before
