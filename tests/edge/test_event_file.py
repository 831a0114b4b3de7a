from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from event_records import event_record, health_record

from edge.errors import SinkError
from edge.output_settings import EventFileSettings
from edge.sinks.event_file import EventFileSink

SMALLEST_MB = 0.01
LINE_BYTES = len(json.dumps(event_record().as_json_object())) + 1


def sink_at(path: Path, *, max_mb: float = 10.0, keep: int = 4) -> EventFileSink:
    return EventFileSink(EventFileSettings(path, max_mb=max_mb, keep=keep))


def records_in(path: Path) -> list[dict[str, object]]:
    content = path.read_bytes()
    assert content == b"" or content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


def numbers_in(directory: Path) -> list[int]:
    """Of all events in a file and the full ones beside it, from the oldest on."""
    oldest_first = sorted(directory.iterdir(), key=lambda path: -int(path.suffix[1:].replace("jsonl", "0")))
    ids = [str(each["event_id"]) for path in oldest_first for each in records_in(path)]
    return [int(each.rpartition("-")[2]) for each in ids]


def test_each_record_of_either_type_is_a_line_as_soon_as_it_is_emitted(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "events.jsonl")
    records = [event_record(label="Türklingel"), health_record(), event_record(duration_s=3.24)]
    for n, record in enumerate(records, start=1):
        sink.emit(record)
        assert records_in(tmp_path / "events.jsonl") == [each.as_json_object() for each in records[:n]]
    assert (tmp_path / "events.jsonl").read_bytes().isascii()


def test_a_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    sink = sink_at(tmp_path / "events.jsonl")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: written.append(data) or write(fd, data))
    sink.emit(event_record())
    monkeypatch.undo()
    assert written == [(tmp_path / "events.jsonl").read_bytes()]


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        sink = sink_at(tmp_path / "events.jsonl")
        sink.emit(event_record())
        sink.close()
    assert len(records_in(tmp_path / "events.jsonl")) == 2


def test_a_new_file_is_closed_to_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        sink_at(tmp_path / "events.jsonl")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "events.jsonl").stat().st_mode) == 0o640


@pytest.mark.parametrize("left", [b'{"schema_ver', b"\0" * 5000, b'{"sch\0\0\0', b"{"])
def test_a_line_left_unfinished_is_cut_off_and_those_before_stay(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "events.jsonl"
    sink_at(path).emit(event_record(number=1))
    with path.open("ab") as stream:
        stream.write(left)
    sink_at(path).emit(event_record(number=2))
    assert numbers_in(tmp_path) == [1, 2]


@pytest.mark.parametrize("content", [b"not of events", b"a line\nnot of events", b"{" + b"x" * 1_500_000])
def test_a_file_that_is_none_of_events_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "events.jsonl").write_bytes(content)
    with pytest.raises(SinkError, match="does not end with an event"):
        sink_at(tmp_path / "events.jsonl")
    assert (tmp_path / "events.jsonl").read_bytes() == content


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_no_file_outgrows_its_size_nor_the_files_their_number_and_the_newest_are_all_there(
    tmp_path: Path, keep: int
) -> None:
    sink = sink_at(tmp_path / "events.jsonl", max_mb=SMALLEST_MB, keep=keep)
    for number in range(200):
        sink.emit(event_record(number=number))
        files = list(tmp_path.iterdir())
        assert len(files) <= keep + 1
        assert max(path.stat().st_size for path in files) <= SMALLEST_MB * 1e6
    numbers = numbers_in(tmp_path)
    assert numbers == list(range(numbers[0], 200))
    assert len(numbers) > keep * (SMALLEST_MB * 1e6 / LINE_BYTES - 1)
    names = {"events.jsonl", *(f"events.jsonl.{n}" for n in range(1, keep + 1))}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_gap_that_a_broken_off_rotation_left_is_filled_before_the_oldest_goes(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "events.jsonl", max_mb=SMALLEST_MB, keep=3)
    number = 0
    while not (tmp_path / "events.jsonl.3").exists():
        sink.emit(event_record(number=number))
        number += 1
    (tmp_path / "events.jsonl.3").replace(tmp_path / "oldest")
    (tmp_path / "events.jsonl.2").replace(tmp_path / "events.jsonl.3")
    (tmp_path / "oldest").unlink()
    kept = (tmp_path / "events.jsonl.3").read_bytes()
    while not (tmp_path / "events.jsonl.2").exists():
        sink.emit(event_record(number=number))
        number += 1
    assert (tmp_path / "events.jsonl.3").read_bytes() == kept


def test_files_of_a_time_when_more_were_kept_go_with_the_next_rotation(tmp_path: Path) -> None:
    for name in ("events.jsonl.1", "events.jsonl.2", "events.jsonl.3", "events.jsonl.2024", "other"):
        (tmp_path / name).write_text("{}\n", encoding="utf-8")
    sink = sink_at(tmp_path / "events.jsonl", max_mb=SMALLEST_MB, keep=1)
    for number in range(int(SMALLEST_MB * 1e6 / LINE_BYTES) + 1):
        sink.emit(event_record(number=number))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"events.jsonl", "events.jsonl.1", "events.jsonl.2024", "other"}


def test_a_file_moved_away_is_begun_anew(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "events.jsonl")
    sink.emit(event_record(number=1))
    (tmp_path / "events.jsonl").replace(tmp_path / "events.jsonl.1")
    sink.emit(event_record(number=2))
    assert len(records_in(tmp_path / "events.jsonl.1")) == 1
    assert [each["event_id"] for each in records_in(tmp_path / "events.jsonl")] == ["12ab34cd-2"]


def test_a_file_cut_to_nothing_by_another_goes_on_at_its_start(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "events.jsonl")
    sink.emit(event_record(number=1))
    os.truncate(tmp_path / "events.jsonl", 0)
    sink.emit(event_record(number=2))
    assert numbers_in(tmp_path) == [2]


def test_without_its_directory_an_event_fails_until_that_is_back(tmp_path: Path) -> None:
    directory = tmp_path / "usb stick"
    directory.mkdir()
    sink = sink_at(directory / "events.jsonl")
    shutil.rmtree(directory)
    for _ in range(2):
        with pytest.raises(SinkError, match="No such file"):
            sink.emit(event_record())
    directory.write_text("a file in its place", encoding="utf-8")
    with pytest.raises(SinkError, match="Not a directory"):
        sink.emit(event_record())
    directory.unlink()
    directory.mkdir()
    sink.emit(event_record())
    assert len(records_in(directory / "events.jsonl")) == 1


def test_a_fifo_put_in_its_place_is_an_error_and_does_not_block(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "events.jsonl")
    (tmp_path / "events.jsonl").unlink()
    os.mkfifo(tmp_path / "events.jsonl")
    with pytest.raises(SinkError, match="not a regular file"):
        sink.emit(event_record())


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """The kernel then takes of a line what fits, and no more, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 1, LINE_BYTES - 1])
def test_a_line_that_finds_too_little_room_leaves_nothing_behind(tmp_path: Path, room: int) -> None:
    sink = sink_at(tmp_path / "events.jsonl")
    sink.emit(event_record(number=1))
    with files_of_at_most(LINE_BYTES + room):
        for _ in range(2):
            with pytest.raises(SinkError, match=r"File too large|a part of an event"):
                sink.emit(event_record(number=2))
            assert numbers_in(tmp_path) == [1]
    sink.emit(event_record(number=2))
    assert numbers_in(tmp_path) == [1, 2]


def test_a_directory_that_is_absent_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="there is no directory"):
        sink_at(tmp_path / "absent" / "events.jsonl")


def test_what_is_no_regular_file_is_refused_at_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(SinkError, match="not a regular file"):
            sink_at(path)


def test_a_directory_without_the_right_to_write_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("", encoding="utf-8")
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("root may write everywhere")
    with pytest.raises(SinkError, match="not writable"):
        sink_at(tmp_path / "events.jsonl")


def test_full_files_stand_beside_the_file_that_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "here" / "events").symlink_to(tmp_path / "there" / "events.jsonl")
    sink = sink_at(tmp_path / "here" / "events", max_mb=SMALLEST_MB)
    for number in range(int(SMALLEST_MB * 1e6 / LINE_BYTES) + 1):
        sink.emit(event_record(number=number))
    assert {path.name for path in (tmp_path / "there").iterdir()} == {"events.jsonl", "events.jsonl.1"}
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["events"]


def test_closed_it_takes_no_more_and_closes_again(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "events.jsonl")
    sink.close()
    sink.close()
    with pytest.raises(SinkError, match="stopped"):
        sink.emit(event_record())


def test_closing_while_it_writes_leaves_whole_lines(tmp_path: Path) -> None:
    sink = sink_at(tmp_path / "events.jsonl", max_mb=SMALLEST_MB)
    emitted = []

    def emit_until_closed() -> None:
        try:
            for number in range(1_000_000):
                sink.emit(event_record(number=number))
                emitted.append(number)
        except SinkError:
            pass

    thread = threading.Thread(target=emit_until_closed)
    thread.start()
    while len(emitted) < 50:
        time.sleep(0.001)
    sink.close()
    thread.join(5.0)
    assert not thread.is_alive()
    numbers = numbers_in(tmp_path)
    assert numbers == list(range(numbers[0], emitted[-1] + 1))


def emit_for_ever(path: Path, first_number: int, has_begun: int) -> None:
    """In a process of its own, which is killed."""
    try:
        sink = sink_at(path, max_mb=SMALLEST_MB, keep=3)
        number = first_number
        while True:
            sink.emit(event_record(number=number))
            if number == first_number:
                os.write(has_begun, b"!")
            number += 1
    finally:
        os._exit(1)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_any_moment_it_leaves_whole_lines_and_loses_none(tmp_path: Path) -> None:
    moments = random.Random(1)
    n_events = 0
    for _ in range(30):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            emit_for_ever(tmp_path / "events.jsonl", n_events, writing)
        os.close(writing)
        assert os.read(reading, 1) == b"!"
        os.close(reading)
        time.sleep(moments.uniform(0.0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        numbers = numbers_in(tmp_path)
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[-1] >= n_events
        n_events = numbers[-1] + 1
    assert n_events > 30 * 5
    assert len(list(tmp_path.iterdir())) in {3, 4}
