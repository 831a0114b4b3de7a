from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from event_records import health_record

from edge.errors import SinkError
from edge.events import EventRecord, EventStamper, Record
from edge.sinks.console import ConsoleSink
from edge.sinks.json_lines import JsonLinesSink
from edge.times import local_clock, stream_clock
from edge.types import AudioBlock, SoundEvent

RATE = 16000


def record(*, duration_s: float | None = None, when: datetime | None = None) -> EventRecord:
    return EventRecord(
        event="onset" if duration_s is None else "offset",
        event_id="12ab34cd-1",
        label="dog bark",
        score=0.78125,
        threshold=0.6,
        source="street.wav",
        bundle="ab" * 32,
        stream_s=72.44,
        time=when,
        clock_synchronised=None if when is None else True,
        duration_s=duration_s,
    )


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def written(sink_type: type[ConsoleSink | JsonLinesSink], *records: Record) -> str:
    stream = io.StringIO()
    sink = sink_type(stream)
    for each in records:
        sink.emit(each)
    return stream.getvalue()


def test_a_json_line_holds_the_whole_record() -> None:
    when = datetime(2024, 5, 1, 12, 2, 31, 250999, tzinfo=timezone.utc)
    (line,) = written(JsonLinesSink, record(duration_s=3.24, when=when)).splitlines()
    assert json.loads(line) == {
        "schema_version": 1,
        "event": "offset",
        "event_id": "12ab34cd-1",
        "label": "dog bark",
        "score": 0.7812,
        "threshold": 0.6,
        "source": "street.wav",
        "bundle": "ab" * 32,
        "stream_s": 72.44,
        "time": "2024-05-01T12:02:31.250Z",
        "clock_synchronised": True,
        "duration_s": 3.24,
    }


def test_a_json_line_of_health_says_which_condition_began_or_ended_and_when() -> None:
    (line,) = written(JsonLinesSink, health_record(stream_s=10.0004)).splitlines()
    assert json.loads(line) == {
        "schema_version": 1,
        "event": "health",
        "condition": "silent",
        "state": "begun",
        "message": "the microphone gives digital silence: is it muted?",
        "source": "microphone",
        "stream_s": 10.0,
        "time": "2024-05-01T12:02:31.250Z",
        "clock_synchronised": True,
    }


def test_a_person_reads_of_health_in_the_log_alone() -> None:
    def clear() -> None:
        pytest.fail("cleared for a line that isn't written")

    stream = io.StringIO()
    ConsoleSink(stream, before_line=clear).emit(health_record())
    assert stream.getvalue() == ""


def test_json_of_a_file_has_no_time_and_of_an_onset_no_duration() -> None:
    plain = json.loads(written(JsonLinesSink, record()))
    assert plain["time"] is None
    assert plain["clock_synchronised"] is None
    assert plain["duration_s"] is None


def test_json_time_is_utc_wherever_the_moment_was_written_down() -> None:
    when = datetime(2024, 5, 1, 21, 2, 31, tzinfo=timezone(timedelta(hours=9)))
    assert json.loads(written(JsonLinesSink, record(when=when)))["time"] == "2024-05-01T12:02:31.000Z"


def test_a_person_reads_stream_time_for_a_file() -> None:
    lines = written(ConsoleSink, record(), record(duration_s=3.24)).splitlines()
    assert lines == ["0:01:12.4  dog bark  0.78", "0:01:12.4  dog bark  ended after 3.2 s"]


@pytest.mark.usefixtures("tokyo")
def test_a_person_reads_the_local_time_for_live_sound() -> None:
    when = datetime(2024, 5, 1, 5, 2, 31, tzinfo=timezone.utc)
    assert written(ConsoleSink, record(when=when)) == "14:02:31  dog bark  0.78\n"
    assert local_clock(when) == "14:02:31"


def test_columns_line_up_for_the_longest_label() -> None:
    stream = io.StringIO()
    ConsoleSink(stream, label_width=len("glass breaking")).emit(record())
    assert stream.getvalue() == "0:01:12.4  dog bark        0.78\n"


def test_what_stands_on_the_terminal_is_cleared_before_a_line() -> None:
    stream = io.StringIO()
    ConsoleSink(stream, before_line=lambda: print("(cleared)", file=stream)).emit(record())
    assert stream.getvalue().startswith("(cleared)\n0:01:12.4")


@pytest.mark.parametrize(
    ("stream_s", "text"),
    [(0.0, "0:00:00.0"), (59.96, "0:01:00.0"), (3599.94, "0:59:59.9"), (360000.0, "100:00:00.0")],
)
def test_stream_time_carries_over_to_minutes_and_hours(stream_s: float, text: str) -> None:
    assert stream_clock(stream_s) == text


@pytest.mark.parametrize("sink_type", [ConsoleSink, JsonLinesSink])
def test_a_reader_that_went_away_is_a_sink_error(sink_type: type[ConsoleSink | JsonLinesSink]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w")
    with pytest.raises(SinkError, match="closed by its reader"):
        sink_type(stream).emit(record())
    with pytest.raises(BrokenPipeError):
        stream.close()


@pytest.mark.parametrize("sink_type", [ConsoleSink, JsonLinesSink])
def test_each_line_is_at_the_reader_at_once(sink_type: type[ConsoleSink | JsonLinesSink]) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        sink_type(stream).emit(record())
        os.set_blocking(reading, False)
        assert os.read(reading, 10000).endswith(b"\n")
    os.close(reading)


def block(start_sample: int, captured_unix_s: float | None) -> AudioBlock:
    return AudioBlock(np.zeros(1600, np.float32), start_sample, captured_unix_s)


def test_an_onset_is_stamped_with_the_utc_of_its_own_sample() -> None:
    stamper = EventStamper(lambda: "microphone", RATE, "ab" * 32)
    stamper.saw(block(10 * RATE, 1714564951.5))
    stamped = stamper.stamp(SoundEvent("onset", 1, "siren", 0.8, 0.6, onset_sample=8 * RATE))
    assert stamped.time == datetime(2024, 5, 1, 12, 2, 29, 500000, tzinfo=timezone.utc)
    assert (stamped.stream_s, stamped.duration_s) == (8.0, None)


def test_an_offset_is_stamped_with_its_end_and_duration() -> None:
    stamper = EventStamper(lambda: "microphone", RATE, "ab" * 32)
    stamper.saw(block(0, 1714564951.0))
    stamped = stamper.stamp(SoundEvent("offset", 1, "siren", 0.8, 0.6, 8 * RATE, 11 * RATE))
    assert stamped.time == datetime(2024, 5, 1, 12, 2, 42, tzinfo=timezone.utc)
    assert (stamped.stream_s, stamped.duration_s) == (11.0, 3.0)


def test_the_latest_block_sets_the_clock() -> None:
    stamper = EventStamper(lambda: "microphone", RATE, "ab" * 32)
    stamper.saw(block(0, 1000.0))
    stamper.saw(block(100 * RATE, 1100.25))  # the sound card is a quarter of a second slow by now
    stamped = stamper.stamp(SoundEvent("onset", 1, "siren", 0.8, 0.6, 100 * RATE))
    assert stamped.time == datetime.fromtimestamp(1100.25, timezone.utc)


def test_without_capture_times_there_is_no_utc() -> None:
    stamper = EventStamper(lambda: "street.wav", RATE, "ab" * 32)
    stamper.saw(block(0, None))
    stamped = stamper.stamp(SoundEvent("onset", 1, "siren", 0.8, 0.6, 0))
    assert (stamped.time, stamped.clock_synchronised) == (None, None)


def test_the_source_is_asked_for_its_name_each_time() -> None:
    names = iter(["default microphone", "USB Audio"])
    stamper = EventStamper(lambda: next(names), RATE, "ab" * 32)
    event = SoundEvent("onset", 1, "siren", 0.8, 0.6, 0)
    assert [stamper.stamp(event).source for _ in range(2)] == ["default microphone", "USB Audio"]


@pytest.mark.parametrize("is_right", [True, False, None])
def test_a_time_says_whether_the_clock_was_right(is_right: bool | None) -> None:  # noqa: FBT001
    stamper = EventStamper(lambda: "microphone", RATE, "ab" * 32, lambda: is_right)
    event = SoundEvent("onset", 1, "siren", 0.8, 0.6, 0)
    assert stamper.stamp(event).clock_synchronised is None, "there is no time yet"
    stamper.saw(block(0, 1000.0))
    assert stamper.stamp(event).clock_synchronised is is_right
    assert stamper.stamp_health("silent", "begun", "", 1000.0).clock_synchronised is is_right


def test_health_is_stamped_with_the_time_of_day_and_how_far_the_stream_has_come() -> None:
    stamper = EventStamper(lambda: "microphone", RATE, "ab" * 32)
    stamper.saw(block(2 * RATE, 1714564951.0))
    stamped = stamper.stamp_health("no_sound", "ended", "sound again", 1714564999.5)
    assert stamped.time == datetime(2024, 5, 1, 12, 3, 19, 500000, tzinfo=timezone.utc)
    assert (stamped.event, stamped.condition, stamped.state) == ("health", "no_sound", "ended")
    assert (stamped.message, stamped.source) == ("sound again", "microphone")
    assert stamped.stream_s == stamper.stream_s == 2.1


def test_an_onset_and_its_offset_share_an_id_that_no_other_event_has() -> None:
    first_run, second_run = (EventStamper(lambda: "street.wav", RATE, "ab" * 32) for _ in range(2))
    onset = SoundEvent("onset", 1, "siren", 0.8, 0.6, 0)
    offset = SoundEvent("offset", 1, "siren", 0.8, 0.6, 0, RATE)
    another = SoundEvent("onset", 2, "siren", 0.8, 0.6, 0)
    assert first_run.stamp(onset).event_id == first_run.stamp(offset).event_id
    assert (
        len(
            {
                first_run.stamp(onset).event_id,
                first_run.stamp(another).event_id,
                second_run.stamp(onset).event_id,
            }
        )
        == 3
    )
