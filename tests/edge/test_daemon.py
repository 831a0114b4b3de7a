from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from types import TracebackType

import numpy as np
import pytest

from edge.daemon import listen, stopped_by_signals
from edge.errors import AudioSourceError, SinkError
from edge.events import EventRecord
from edge.types import AudioBlock, AudioSource, SoundEvent

RATE = 1000
ONSET = SoundEvent("onset", 1, "siren", 0.8, 0.6, onset_sample=200)
OFFSET = SoundEvent("offset", 1, "siren", 0.9, 0.6, onset_sample=200, offset_sample=700)


class ListSource:
    """Yields `n_blocks` blocks of 100 samples, then ends or fails; a stop ends it."""

    name = "a list"

    def __init__(
        self, n_blocks: int, failure: AudioSourceError | None = None, dropped_a_block: int = 0
    ) -> None:
        self._n_blocks = n_blocks
        self._failure = failure
        self._dropped_a_block = dropped_a_block
        self._stopped = False
        self.n_given = 0

    @property
    def dropped_samples(self) -> int:
        return self.n_given * self._dropped_a_block

    def __enter__(self) -> AudioSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        pass

    def blocks(self) -> Iterator[AudioBlock]:
        while self.n_given < self._n_blocks and not self._stopped:
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


class ListSink:
    def __init__(self) -> None:
        self.records: list[EventRecord] = []

    def emit(self, record: EventRecord) -> None:
        self.records.append(record)

    def close(self) -> None:
        pass


class BrokenSink(ListSink):
    def emit(self, record: EventRecord) -> None:
        super().emit(record)
        raise SinkError("standard output was closed by its reader; stopped")


def run(source: ListSource, sinks: Sequence[ListSink]) -> None:
    with source:
        listen(source, ScriptedRecognizer(), sinks, sample_rate_hz=RATE, bundle_sha256="ab" * 32)


def test_every_sink_gets_every_event_in_order() -> None:
    sinks = [ListSink(), ListSink()]
    run(ListSource(9), sinks)
    assert [record.event for record in sinks[0].records] == ["onset", "offset"]
    assert sinks[0].records == sinks[1].records


def test_records_carry_source_bundle_and_utc() -> None:
    sink = ListSink()
    run(ListSource(9), [sink])
    onset, offset = sink.records
    assert (onset.source, onset.bundle) == ("a list", "ab" * 32)
    assert onset.time is not None
    assert offset.time is not None
    assert (onset.time.timestamp(), offset.time.timestamp()) == (1000.2, 1000.7)


def test_a_source_that_fails_midway_has_its_open_events_closed_before_the_error() -> None:
    sink = ListSink()
    with pytest.raises(AudioSourceError, match="unplugged"):
        run(ListSource(5, AudioSourceError("the microphone was unplugged")), [sink])
    assert [record.event for record in sink.records] == ["onset", "offset"]


def test_a_sink_that_breaks_ends_the_run() -> None:
    source, sink = ListSource(9), BrokenSink()
    with pytest.raises(SinkError):
        run(source, [sink])
    assert source.n_given == 3
    assert len(sink.records) == 1


def test_lost_samples_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    run(ListSource(9, dropped_a_block=10), [])
    assert "0.09 s in all" in caplog.records[-1].getMessage()
    assert caplog.records[-1].levelno == logging.WARNING


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_source_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    source, sink = ListSource(10**9), ListSink()

    class Interrupting(ScriptedRecognizer):
        def push(self, block: AudioBlock) -> list[SoundEvent]:
            if self._n_blocks == 5:
                os.kill(os.getpid(), number)
            return super().push(block)

    with stopped_by_signals(source), source:
        listen(source, Interrupting(), [sink], sample_rate_hz=RATE, bundle_sha256="ab" * 32)
    assert [record.event for record in sink.records] == ["onset", "offset"]
    assert source.n_given < 20
    assert signal.getsignal(number) == before
