from __future__ import annotations

import errno
import logging
import os
import random
import resource
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.embedding_log import log as embedding_log
from edge.embedding_log.file import (
    LogFileError,
    LogHeader,
    LogPart,
    file_name,
    log_paths,
    open_log_file,
    read_rows,
    row_type,
)
from edge.embedding_log.log import EmbeddingLog, log_directory
from edge.embedding_log.store import EmbeddingLogStore, LogRow
from edge.embedding_log.writer import EmbeddingLogWriter
from edge.errors import ConfigError
from edge.output_settings import EmbeddingLogSettings
from edge.recognizer import WindowReport

DIM = 512
RATE = 16000
HOP_S = 0.48
START = 1_795_662_900.0
"""2026-11-26T03:15:00Z."""
ENCODER = "1a2b3c4d" + "0" * 56
HEADER = LogHeader(ENCODER, DIM, HOP_S, 2.505, "USB Audio", "2026-11-26T03:15:00.000Z")
ROW_BYTES = 12 + 2 * DIM
SMALL = EmbeddingLogSettings(max_mb=0.5, file_mb=0.1)


def unit(seed: int) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def report(number: int, *, scored: bool = True) -> WindowReport:
    middle = round(number * HOP_S * RATE)
    state = "scored" if scored else "quiet"
    embedding = unit(number) if scored else None
    return WindowReport(middle - 20000, middle + 20000, -30.5, state, None, (), embedding)


def log_at(
    directory: Path,
    settings: EmbeddingLogSettings = EmbeddingLogSettings(),  # noqa: B008 - frozen
    time_of: Callable[[int], float | None] = lambda sample: START + sample / RATE,
) -> EmbeddingLog:
    return EmbeddingLog(settings, directory, ENCODER, DIM, HOP_S, 2.505, lambda: "USB Audio", time_of)


def store_at(directory: Path, settings: EmbeddingLogSettings = SMALL) -> EmbeddingLogStore:
    return EmbeddingLogStore(settings, directory, lambda: HEADER)


def row(number: int, start: float = START) -> LogRow:
    content = np.zeros(1, row_type(DIM))
    unix_s = start + number * HOP_S
    content["unix_s"], content["level_dbfs"], content["embedding"] = unix_s, -30.5, unit(number)
    return LogRow(unix_s, content.tobytes())


def rows(first: int, count: int, start: float = START) -> list[LogRow]:
    return [row(number, start) for number in range(first, first + count)]


def parts_of(directory: Path, since: float = -np.inf, until: float = np.inf) -> list[LogPart]:
    return [part for path in log_paths(directory) for part in read_rows(open_log_file(path), since, until)]


def times_in(directory: Path) -> list[float]:
    return [unix_s for part in parts_of(directory) for unix_s in part.unix_s.tolist()]


def numbers_in(directory: Path, start: float = START) -> list[int]:
    return [round((unix_s - start) / HOP_S) for unix_s in times_in(directory)]


def size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in log_paths(directory))


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """The kernel then takes what fits, and no more, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# --- what is logged


def test_each_scored_window_is_a_row_with_the_time_of_its_middle(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    for number in range(5):
        log(report(number))
    log.close()
    (part,) = parts_of(tmp_path / "embeddings")
    assert part.unix_s == pytest.approx([START + number * HOP_S for number in range(5)], abs=1e-6)
    assert part.level_dbfs.tolist() == [-30.5] * 5
    for number, embedding in enumerate(part.embeddings):
        assert embedding.dtype == np.float32
        assert float(embedding @ unit(number)) == pytest.approx(1.0, abs=1e-3)
    assert part.hop_s == HOP_S
    assert (log.n_lost, log.status.n_delivered, log.status.n_waiting) == (0, 5, 0)


def test_quiet_windows_and_those_without_a_time_are_left_out(tmp_path: Path) -> None:
    known = {round(number * HOP_S * RATE): START + number * HOP_S for number in (0, 1, 4)}
    log = log_at(tmp_path, time_of=known.get)
    for number in range(5):
        log(report(number, scored=number != 1))
    log.close()
    assert numbers_in(tmp_path / "embeddings") == [0, 4]


def test_without_a_row_there_is_no_file(tmp_path: Path) -> None:
    log = log_at(tmp_path, time_of=lambda _: None)
    log(report(0))
    log.close()
    assert log_paths(tmp_path / "embeddings") == []


def test_a_file_says_what_made_it_and_is_named_by_its_first_row(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log(report(0))
    log.close()
    (path,) = log_paths(tmp_path / "embeddings")
    assert path.name == "20261126T031500Z-1a2b3c4d.emb"
    file = open_log_file(path)
    assert (file.header.encoder_sha256, file.header.embedding_dim) == (ENCODER, DIM)
    assert (file.header.hop_s, file.header.window_s, file.header.source) == (HOP_S, 2.505, "USB Audio")
    assert (file.first_unix_s, file.last_unix_s) == (START, START)
    assert path.stat().st_size == file.header_bytes + ROW_BYTES


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log(report(0))
    log.close()
    directory = tmp_path / "embeddings"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in log_paths(directory)] == [0o600]


def test_it_lies_where_the_settings_say(tmp_path: Path) -> None:
    settings = EmbeddingLogSettings(directory=tmp_path / "a" / "b")
    log = log_at(tmp_path, settings)
    log(report(0))
    log.close()
    assert log_directory(settings, tmp_path) == tmp_path / "a" / "b"
    assert numbers_in(tmp_path / "a" / "b") == [0]
    assert log_directory(None, tmp_path) == tmp_path / "embeddings"


def test_a_file_larger_than_the_quota_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"file_mb = 16 .* max_mb = 10"):
        log_at(tmp_path, EmbeddingLogSettings(max_mb=10))


def test_rows_are_written_ten_seconds_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1000.0
    handed_over: list[int] = []
    monkeypatch.setattr(embedding_log.time, "monotonic", lambda: now_s)
    monkeypatch.setattr(EmbeddingLogWriter, "put", lambda _, batch: handed_over.append(len(batch)))
    log = log_at(tmp_path)
    for number in range(100):
        now_s += HOP_S
        log(report(number))
    assert handed_over == [21] * 4
    log.close()
    assert handed_over == [21, 21, 21, 21, 16]


def test_held_back_rows_are_written_though_it_has_become_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 1000.0
    handed_over: list[int] = []
    monkeypatch.setattr(embedding_log.time, "monotonic", lambda: now_s)
    monkeypatch.setattr(EmbeddingLogWriter, "put", lambda _, batch: handed_over.append(len(batch)))
    log = log_at(tmp_path)
    log(report(0))
    now_s += 11.0
    log(report(1, scored=False))
    assert handed_over == [1]
    log.close()


def test_a_window_costs_less_than_a_tenth_of_a_millisecond(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    window = report(0)
    costs_s = []
    for _ in range(5):
        began_s = time.thread_time()
        for _ in range(200):
            log(window)
        costs_s.append((time.thread_time() - began_s) / 200)
    log.close()
    assert min(costs_s) < 1e-4


# --- files: rotation, quota, age


def test_a_full_file_is_followed_by_another_and_no_row_is_lost(tmp_path: Path) -> None:
    store = store_at(tmp_path, EmbeddingLogSettings(max_mb=10, file_mb=0.1))
    for first in range(0, 300, 20):
        store.append(rows(first, 20))
    store.close()
    sizes = [path.stat().st_size for path in log_paths(tmp_path)]
    assert len(sizes) == 4
    assert all(100_000 - ROW_BYTES < size <= 100_000 for size in sizes[:-1])
    assert numbers_in(tmp_path) == list(range(300))
    assert store.n_written == 300


def test_all_files_together_never_outgrow_the_quota_and_the_newest_stay(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(b"x" * 1_000_000)
    store = store_at(tmp_path)
    for first in range(0, 2000, 50):
        store.append(rows(first, 50))
        assert size_of(tmp_path) <= 500_000
    store.close()
    numbers = numbers_in(tmp_path)
    assert numbers == list(range(numbers[0], 2000))
    assert len(numbers) > 0.6 * 500_000 / ROW_BYTES
    assert (tmp_path / "mine.txt").exists()


def test_the_file_in_use_is_never_deleted_to_make_room(tmp_path: Path) -> None:
    store = store_at(tmp_path, EmbeddingLogSettings(max_mb=0.1, file_mb=0.1, max_days=0.01))
    store.append(rows(0, 5))
    os.utime(log_paths(tmp_path)[0], (0, 0))
    store.tidy()
    store.append(rows(5, 5))
    store.close()
    assert numbers_in(tmp_path) == list(range(10))


def test_files_that_are_too_old_are_deleted_at_the_start(tmp_path: Path) -> None:
    paths = []
    for number in range(3):
        store = store_at(tmp_path)
        store.append(rows(number * 1000, 1))
        store.close()
        paths.append(log_paths(tmp_path)[-1])
    old_unix_s = time.time() - 30 * 86400
    os.utime(paths[0], (old_unix_s - 100, old_unix_s - 100))
    os.utime(paths[1], (old_unix_s + 100, old_unix_s + 100))
    log = log_at(tmp_path, EmbeddingLogSettings(directory=tmp_path))
    log.close()
    assert log_paths(tmp_path) == paths[1:]


def test_a_file_of_a_clock_that_was_ahead_is_not_kept_until_then(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.append(rows(0, 1))
    store.close()
    (path,) = log_paths(tmp_path)
    os.utime(path, (time.time() + 1e9, time.time() + 1e9))
    store.tidy()
    assert abs(path.stat().st_mtime - time.time()) < 60


def test_a_file_spans_a_day_at_most_so_that_old_rows_do_not_stay_with_new_ones(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.append([row(0), row(0, START + 86000), row(0, START + 86500)])
    store.close()
    first, second = (open_log_file(path) for path in log_paths(tmp_path))
    assert (first.last_unix_s, second.first_unix_s) == (START + 86000, START + 86500)


@pytest.mark.parametrize("back_s", [0.5, 3600.0, START - 1000.0])
def test_a_clock_that_jumps_back_begins_another_file_in_which_times_ascend(
    tmp_path: Path, back_s: float
) -> None:
    store = store_at(tmp_path)
    store.append([*rows(0, 10), *rows(10, 10, START - back_s)])
    store.append(rows(20, 10, START - back_s))
    store.close()
    expected = [each.unix_s for each in [*rows(0, 10), *rows(10, 20, START - back_s)]]
    assert sorted(times_in(tmp_path)) == sorted(expected)
    for path in log_paths(tmp_path):
        (part,) = read_rows(open_log_file(path), -np.inf, np.inf)
        assert (np.diff(part.unix_s) > 0).all()


def test_two_files_of_the_same_second_have_names_of_their_own(tmp_path: Path) -> None:
    for _ in range(3):
        store = store_at(tmp_path)
        store.append(rows(0, 2))
        store.close()
    assert {path.name for path in log_paths(tmp_path)} == {
        file_name(START, ENCODER),
        file_name(START, ENCODER, 2),
        file_name(START, ENCODER, 3),
    }
    assert len(times_in(tmp_path)) == 6


def test_deleted_by_a_person_while_in_use_it_is_begun_anew(tmp_path: Path) -> None:
    directory = tmp_path / "embeddings"
    store = store_at(directory)
    store.append(rows(0, 5))
    log_paths(directory)[0].unlink()
    directory.rmdir()
    store.append(rows(5, 5))
    store.close()
    assert numbers_in(directory) == list(range(5, 10))


# --- what goes wrong


@pytest.mark.parametrize("tail", [1, 11, 12, ROW_BYTES - 1])
def test_a_half_written_row_at_the_end_is_passed_over(tmp_path: Path, tail: int) -> None:
    store = store_at(tmp_path)
    store.append(rows(0, 3))
    store.close()
    (path,) = log_paths(tmp_path)
    with path.open("ab") as file:
        file.write(row(3).content[:tail])
    assert numbers_in(tmp_path) == [0, 1, 2]
    assert open_log_file(path).last_unix_s == row(2).unix_s
    store_again = store_at(tmp_path)
    store_again.append(rows(4, 2))
    store_again.close()
    assert numbers_in(tmp_path) == [0, 1, 2, 4, 5]


def test_zeros_that_a_power_cut_left_are_passed_over(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.append(rows(0, 3))
    store.close()
    (path,) = log_paths(tmp_path)
    with path.open("ab") as file:
        file.write(bytes(2 * ROW_BYTES + 7))
    assert numbers_in(tmp_path) == [0, 1, 2]
    assert open_log_file(path).may_hold(START, START + 1)


def test_rows_that_are_no_embeddings_are_passed_over(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.append(rows(0, 2))
    store.close()
    (path,) = log_paths(tmp_path)
    rng = np.random.default_rng(0)
    with path.open("ab") as file:
        file.write(rng.bytes(20 * ROW_BYTES))
    assert numbers_in(tmp_path) == [0, 1]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\0" * 5000, b"{}\n", b"[1]\n", b'{"format": "edge-listen embedding log", "version": 1}\n',
     HEADER.as_bytes().replace(b"512", b'"512"'), HEADER.as_bytes().replace(b"512", b"-1"),
     HEADER.as_bytes()[:40]],
)  # fmt: skip
def test_a_damaged_first_line_is_refused_by_the_files_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / file_name(START, ENCODER)
    path.write_bytes(content)
    with pytest.raises(LogFileError, match="1a2b3c4d"):
        open_log_file(path)


def test_a_file_of_another_version_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / file_name(START, ENCODER)
    path.write_bytes(HEADER.as_bytes().replace(b'"version": 1', b'"version": 2'))
    with pytest.raises(LogFileError, match="another version"):
        open_log_file(path)


@pytest.mark.parametrize("room", [0, 1, ROW_BYTES, 2 * ROW_BYTES + 5])
def test_on_a_full_disk_rows_are_lost_whole_and_later_ones_are_written(tmp_path: Path, room: int) -> None:
    store = store_at(tmp_path)
    store.append(rows(0, 5))
    with files_of_at_most(size_of(tmp_path) + room):
        for _ in range(2):
            with pytest.raises(OSError, match=r"File too large|No space"):
                store.append(rows(5, 5))
    assert numbers_in(tmp_path) == list(range(5))
    store.append(rows(10, 5))
    store.close()
    assert numbers_in(tmp_path) == [*range(5), *range(10, 15)]
    assert store.n_written == 10


def test_a_file_for_whose_first_line_there_is_no_room_is_taken_back(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with files_of_at_most(10), pytest.raises(OSError, match=r"File too large|No space"):
        store.append(rows(0, 1))
    assert list(tmp_path.iterdir()) == []


class ScriptedStore(EmbeddingLogStore):
    """Fails as it is told, and lets each write be awaited."""

    def __init__(self, failures: Sequence[bool]) -> None:
        super().__init__(SMALL, Path("nowhere"), lambda: HEADER)
        self._failures = list(failures)
        self.done = threading.Semaphore(0)

    def tidy(self) -> None:
        pass

    def append(self, batch: Sequence[LogRow]) -> None:
        try:
            if self._failures.pop(0):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            self.n_written += len(batch)
        finally:
            self.done.release()


def test_it_warns_once_when_rows_are_lost_and_once_when_they_are_written_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = ScriptedStore([False, True, True, True, False, False, True])
    writer = EmbeddingLogWriter(store, 100)
    with caplog.at_level(logging.WARNING, "edge.embedding_log.writer"):
        for number in range(7):
            writer.put(rows(number, 2))
            assert store.done.acquire(timeout=10)
        writer.close()
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "the embedding log is not written until this is mended",
        "the embedding log is written again; 6 rows were lost so far",
        "the embedding log is not written until this is mended",
    ]
    status = writer.status
    assert (status.n_delivered, status.n_waiting, status.n_lost) == (6, 0, 8)
    assert "Read-only file system" in str(status.failure)


def test_a_directory_that_cannot_be_made_is_warned_of_at_the_start_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "embeddings").write_text("in the way", encoding="utf-8")
    with caplog.at_level(logging.WARNING, "edge.embedding_log.writer"):
        log = log_at(tmp_path)
        log.close()
        assert len(caplog.records) == 1
        assert str(tmp_path / "embeddings") in caplog.text
        log = log_at(tmp_path)
        log(report(0))
        log.close()
        assert log.n_lost == 1
    (tmp_path / "embeddings").unlink()
    log = log_at(tmp_path)
    log(report(1))
    log.close()
    assert numbers_in(tmp_path / "embeddings") == [1]


def test_a_disk_that_hangs_does_not_hold_up_the_listening_and_costs_no_memory_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    append = EmbeddingLogStore.append

    def hang(store: EmbeddingLogStore, batch: Sequence[LogRow]) -> None:
        assert goes_on.wait(30)
        append(store, batch)

    monkeypatch.setattr(EmbeddingLogStore, "append", hang)
    log = log_at(tmp_path)
    for number in range(3000):
        log(report(number))
    assert log.status.n_waiting == 2048
    assert log.n_lost == 3000 // 128 * 128 - 2048
    goes_on.set()
    log.close()
    assert numbers_in(tmp_path / "embeddings")[:2048] == list(range(2048))
    assert log.status.n_delivered + log.n_lost == 3000


def test_closed_it_takes_no_more_and_closes_again(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log(report(0))
    log.close()
    log.close()
    log(report(1))
    log.close()
    assert numbers_in(tmp_path / "embeddings") == [0]
    assert log.n_lost == 1


def log_for_ever(directory: Path, first_number: int, has_begun: int) -> None:
    """In a process of its own, which is killed."""
    try:
        store = store_at(directory, EmbeddingLogSettings(max_mb=50, file_mb=0.1))
        number = first_number
        while True:
            store.append(rows(number, 3))
            if number == first_number:
                os.write(has_begun, b"!")
            number += 3
    finally:
        os._exit(1)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_any_moment_it_leaves_a_readable_log_and_loses_nothing_written(tmp_path: Path) -> None:
    moments = random.Random(1)
    n_rows = 0
    for _ in range(20):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            log_for_ever(tmp_path, n_rows, writing)
        os.close(writing)
        assert os.read(reading, 1) == b"!"
        os.close(reading)
        time.sleep(moments.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        numbers = numbers_in(tmp_path)
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= n_rows + 3
        n_rows = len(numbers)


# --- reading


def test_only_the_rows_of_the_time_asked_for_are_read(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.append(rows(0, 200))
    store.close()
    parts = parts_of(tmp_path, row(50).unix_s, row(120).unix_s)
    assert np.concatenate([part.unix_s for part in parts]).tolist() == [
        row(number).unix_s for number in range(50, 121)
    ]
    first, second, *_ = (open_log_file(path) for path in log_paths(tmp_path))
    assert not first.may_hold(second.first_unix_s, np.inf)
    assert not second.may_hold(-np.inf, first.last_unix_s)
    assert first.may_hold(first.last_unix_s, np.inf)


def test_other_files_in_the_directory_are_none_of_the_log(tmp_path: Path) -> None:
    for name in ("notes.emb", "20261126T031500Z-1a2b3c4d.emb.bak", "20261126T031500Z-1A2B3C4D.emb"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    assert log_paths(tmp_path) == []
