from __future__ import annotations

import errno
import json
import logging
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import clip_store, clip_writer
from edge.audio_ring import to_pcm16
from edge.clip_speech import is_speech, speech_places
from edge.clip_store import file_name
from edge.clips import ClipRecorder
from edge.errors import ConfigError, SinkError
from edge.events import EventRecord, HealthRecord
from edge.output_settings import ClipsSettings
from edge.recognizer import WindowReport
from edge.types import AudioBlock

RATE = 1000
WHEN = datetime(2026, 11, 26, 3, 4, 5, 600000, tzinfo=timezone.utc)
SOUND = (0.5 * np.random.default_rng(7).uniform(-1, 1, 100 * RATE)).astype(np.float32)
PCM = to_pcm16(SOUND)


def record(
    event: str, stream_s: float, number: int = 1, label: str = "dog bark", when: datetime | None = None
) -> EventRecord:
    return EventRecord(
        event=event,  # type: ignore[arg-type]
        event_id=f"64db6170-{number}",
        label=label,
        score=0.8,
        threshold=0.6,
        source="test",
        bundle="ab" * 32,
        stream_s=stream_s,
        time=when,
        clock_synchronised=None,
        duration_s=None if event == "onset" else 1.0,
    )


def window(start_s: float, *scores: float) -> WindowReport:
    start = round(start_s * RATE)
    found = np.array(scores, np.float32) if scores else None
    return WindowReport(start, start + 2 * RATE, -20.0, "scored" if scores else "quiet", found, ())


class Recording:
    """A recorder and the directory it writes to."""

    def __init__(self, directory: Path, places: Sequence[int] = (), **of_clips: Any) -> None:
        self.directory = directory / "clips"
        self.recorder = ClipRecorder(ClipsSettings(**of_clips), RATE, places, directory)

    def push(self, start_s: float, end_s: float, block_length: int = 100) -> None:
        start, end = round(start_s * RATE), round(end_s * RATE)
        for first in range(start, end, block_length):
            samples = SOUND[first : min(first + block_length, end)]
            self.recorder.push(AudioBlock(samples, first))

    def files(self) -> list[Path]:
        self.recorder.close()
        return sorted(self.directory.iterdir())

    def spans(self) -> list[tuple[float, float]]:
        """Where in SOUND each file's samples lie, in seconds, in the order of the files' names."""
        return [span(path) for path in self.files()]


def read(path: Path) -> tuple[np.ndarray[Any, np.dtype[np.int16]], dict[str, str]]:
    with soundfile.SoundFile(path) as file:
        assert (file.format, file.subtype, file.samplerate, file.channels) == ("FLAC", "PCM_16", RATE, 1)
        return file.read(dtype="int16"), file.copy_metadata()


def span(path: Path) -> tuple[float, float]:
    pcm, metadata = read(path)
    start = round(json.loads(metadata["comment"])["clip_start_s"] * RATE)
    assert np.array_equal(pcm, PCM[start : start + len(pcm)])
    return start / RATE, (start + len(pcm)) / RATE


@pytest.fixture
def recorders() -> Iterator[list[ClipRecorder]]:
    made: list[ClipRecorder] = []
    yield made
    for each in made:
        each.close()


def test_a_clip_reaches_from_before_the_onset_to_after_the_offset(tmp_path: Path) -> None:
    recording = Recording(tmp_path, before_s=3, after_s=2)
    recording.push(0, 12.5)
    recording.recorder.emit(record("onset", 10.123))
    recording.push(12.5, 16)
    recording.recorder.emit(record("offset", 14.2))
    recording.push(16, 20)
    assert recording.spans() == [(7.123, 16.2)]


def test_it_is_written_as_soon_as_it_is_complete(tmp_path: Path) -> None:
    recording = Recording(tmp_path, before_s=1, after_s=2)
    recording.push(0, 5)
    recording.recorder.emit(record("onset", 3))
    recording.recorder.emit(record("offset", 4))
    recording.push(5, 5.99)
    recording.push(5.99, 6)
    assert recording.recorder.status.n_waiting + recording.recorder.status.n_delivered == 0
    recording.push(6, 6.1)
    wait_for(lambda: recording.recorder.status.n_delivered == 1)
    assert [span(path) for path in recording.directory.iterdir()] == [(2, 6)]
    recording.recorder.close()


def test_an_offset_told_late_still_ends_the_clip_where_the_sound_ended(tmp_path: Path) -> None:
    recording = Recording(tmp_path, before_s=1, after_s=1)
    recording.push(0, 20)
    recording.recorder.emit(record("onset", 5))
    recording.recorder.emit(record("offset", 6))
    assert recording.spans() == [(4, 7)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    block_length=st.integers(60, 9000), onset=st.integers(0, 20_000), length=st.integers(0, 15_000),
    lag=st.integers(0, 5_000), before_s=st.floats(0, 5, allow_subnormal=False),
    after_s=st.floats(0, 5, allow_subnormal=False),
)  # fmt: skip
def test_it_holds_what_was_pushed_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, block_length: int, onset: int, length: int, lag: int,
    before_s: float, after_s: float,
) -> None:  # fmt: skip
    longest_s = 10.0
    recording = Recording(
        tmp_path_factory.mktemp("clips"), before_s=before_s, after_s=after_s, longest_s=longest_s
    )
    told = [
        (onset + lag, record("onset", onset / RATE)),
        (onset + length + lag, record("offset", (onset + length) / RATE)),
    ]
    for first in range(0, 50 * RATE, block_length):
        block = AudioBlock(SOUND[first : first + block_length], first)
        recording.recorder.push(block)
        while told and told[0][0] <= first + len(block.samples):
            recording.recorder.emit(told.pop(0)[1])
    start = max(0, onset - round(before_s * RATE))
    end = min(onset + length + round(after_s * RATE), start + round(longest_s * RATE))
    ends = {end}
    if onset + length + lag > start + longest_s * RATE - block_length:
        ends.add(start + round(longest_s * RATE))  # it was that long before its offset was told
    assert recording.spans() in [[(start / RATE, each / RATE)] if each > start else [] for each in ends]


def test_a_clip_begins_with_the_stream_if_the_onset_is_that_early(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.push(0, 4)
    recording.recorder.emit(record("onset", 1))
    recording.recorder.emit(record("offset", 1.5))
    assert recording.spans() == [(0, 3.5)]


def test_a_clip_is_cut_at_its_longest_and_the_offset_changes_nothing(tmp_path: Path) -> None:
    recording = Recording(tmp_path, before_s=1, after_s=1, longest_s=8)
    recording.push(0, 12)
    recording.recorder.emit(record("onset", 10))
    recording.push(12, 60)
    recording.recorder.emit(record("offset", 58))
    recording.push(60, 70)
    assert recording.spans() == [(9, 17)]


def test_events_at_the_same_time_have_a_clip_each(tmp_path: Path) -> None:
    recording = Recording(tmp_path, before_s=1, after_s=1)
    recording.push(0, 12)
    recording.recorder.emit(record("onset", 10, 1, "dog bark"))
    recording.push(12, 14)
    recording.recorder.emit(record("onset", 11.5, 2, "siren"))
    recording.push(14, 18)
    recording.recorder.emit(record("offset", 16, 1, "dog bark"))
    recording.recorder.emit(record("offset", 13, 2, "siren"))
    names = [path.name for path in recording.files()]
    assert names == ["000010.000s_dog-bark_64db6170-1.flac", "000011.500s_siren_64db6170-2.flac"]
    assert recording.spans() == [(9, 17), (10.5, 14)]


@pytest.mark.parametrize("goes_on_s", [20.5, 3.0])
def test_a_gap_forwards_or_back_ends_the_clip_there(tmp_path: Path, goes_on_s: float) -> None:
    recording = Recording(tmp_path, before_s=1, after_s=5)
    recording.push(0, 12)
    recording.recorder.emit(record("onset", 10))
    recording.push(goes_on_s, goes_on_s + 5)
    recording.recorder.emit(record("offset", 12))
    recording.push(goes_on_s + 5, goes_on_s + 10)
    assert recording.spans() == [(9, 12)]


@pytest.mark.parametrize("goes_on_s", [20.5, 3.0])
def test_a_clip_after_a_gap_holds_nothing_of_before(tmp_path: Path, goes_on_s: float) -> None:
    recording = Recording(tmp_path, before_s=3, after_s=1)
    recording.push(0, 12)
    recording.push(goes_on_s, goes_on_s + 4)
    recording.recorder.emit(record("onset", goes_on_s + 1))
    recording.recorder.emit(record("offset", goes_on_s + 2))
    assert recording.spans() == [(goes_on_s, goes_on_s + 3)]


def test_what_is_in_progress_at_the_end_is_written_as_far_as_it_came(tmp_path: Path) -> None:
    recording = Recording(tmp_path, before_s=1)
    recording.push(0, 12)
    recording.recorder.emit(record("onset", 10))
    assert recording.spans() == [(9, 12)]
    recording.recorder.close()
    assert recording.spans() == [(9, 12)]


def test_an_offset_of_no_known_onset_and_health_make_no_clip(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.push(0, 12)
    recording.recorder.emit(record("offset", 10))
    recording.recorder.emit(HealthRecord("health", "silent", "begun", "muted?", "test", 10.0, None, None))
    assert recording.files() == []


def test_the_name_and_the_tags_tell_the_event(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.push(0, 12)
    onset = record("onset", 10, when=WHEN)
    recording.recorder.emit(onset)
    (path,) = recording.files()
    assert path.name == "20261126T030405Z_dog-bark_64db6170-1.flac"
    metadata = read(path)[1]
    assert metadata["title"] == "dog bark"
    assert metadata["date"] == "2026-11-26T03:04:05.600Z"
    assert json.loads(metadata["comment"]) == onset.as_json_object() | {"clip_start_s": 7.0}


@pytest.mark.parametrize(
    ("label", "slug"),
    [("Türklingel, laut!", "türklingel-laut"), ("../../etc/passwd", "etc-passwd"), ("***", "sound"),
     ("a_b", "a-b"), ("x" * 300, "x" * 40)],
)  # fmt: skip
def test_any_label_makes_a_name_that_is_one_of_ours(label: str, slug: str) -> None:
    name = file_name(record("onset", 1234567.5, label=label))
    assert name == f"1234567.500s_{slug}_64db6170-1.flac"
    assert clip_store._OURS.fullmatch(name)


def test_only_the_owner_can_read_them(tmp_path: Path) -> None:
    recording = Recording(tmp_path)
    recording.push(0, 12)
    recording.recorder.emit(record("onset", 10))
    (path,) = recording.files()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def ours(directory: Path, number: int, size: int, age_s: float) -> Path:
    path = directory / f"20260101T000000Z_dog-bark_00000000-{number}.flac"
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def test_the_oldest_make_room_and_foreign_files_are_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "clips"
    directory.mkdir()
    foreign = [directory / name for name in ("holiday.flac", "20260101T000000Z_dog-bark_00000000-1.wav")]
    for path in foreign:
        path.write_bytes(bytes(90_000))
        os.utime(path, (0, 0))
    kept = {number: ours(directory, number, 30_000, 1000 - number) for number in (3, 1, 2)}
    recording = Recording(tmp_path, max_mb=0.1)
    assert all(path.exists() for path in kept.values())
    recording.push(0, 12)
    recording.recorder.emit(record("onset", 10))
    files = recording.files()
    assert set(foreign) <= set(files)
    assert [number for number, path in kept.items() if path in files] == [3, 2]
    clips = set(files) - set(foreign)
    assert len(clips) == 3
    assert sum(path.stat().st_size for path in clips) <= 100_000


def test_too_many_and_too_old_clips_are_deleted_at_the_start(tmp_path: Path) -> None:
    directory = tmp_path / "clips"
    directory.mkdir()
    old = ours(directory, 1, 10, 2.1 * 86400)
    large = [ours(directory, 2, 60_000, 100), ours(directory, 3, 60_000, 50)]
    Recording(tmp_path, max_mb=0.1, max_days=2).recorder.close()
    assert not old.exists()
    assert [path.exists() for path in large] == [False, True]


def test_clips_grow_old_while_none_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_writer, "_TIDY_EVERY_S", 0.05)
    recording = Recording(tmp_path, max_days=2)
    old = ours(recording.directory, 1, 10, 3 * 86400)
    wait_for(lambda: not old.exists())
    recording.recorder.close()


def test_a_clip_larger_than_all_may_be_is_not_written_and_no_other_is_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = Recording(tmp_path, max_mb=0.02, longest_s=60)
    other = ours(recording.directory, 1, 10_000, 10)
    recording.push(0, 12)
    recording.recorder.emit(record("onset", 10))
    recording.push(12, 50)
    assert recording.files() == [other]
    assert "max_mb" in caplog.text
    assert recording.recorder.status.n_lost == 1


def full(*_: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_once_and_clips_go_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    recording = Recording(tmp_path, before_s=1, after_s=1)
    recording.push(0, 30)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for number in (1, 2, 3):
            recording.recorder.emit(record("onset", 10 + number, number))
            recording.recorder.emit(record("offset", 11 + number, number))
        recording.push(30, 31)
        wait_for(lambda: recording.recorder.status.n_lost == 3)
        failed = recording.recorder.status
        assert (failed.n_delivered, failed.n_waiting) == (0, 0)
        assert failed.failure is not None
        assert "No space left" in failed.failure
    assert len(caplog.records) == 1
    recording.recorder.emit(record("onset", 20, 4))
    recording.recorder.emit(record("offset", 21, 4))
    assert recording.spans() == [(19, 22)]
    assert recording.recorder.status.failure is None


def wait_for(condition: Any) -> None:
    until_s = time.monotonic() + 10
    while not condition() and time.monotonic() < until_s:
        threading.Event().wait(0.005)
    assert condition()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_that_hangs_holds_up_neither_the_listening_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hang = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: hang.wait(30))
    monkeypatch.setattr(clip_writer, "CLOSE_S", 0.2)
    recording = Recording(tmp_path, before_s=1, after_s=1, longest_s=10)
    recording.push(0, 30)
    began_s = time.monotonic()
    for number in range(100):
        recording.recorder.emit(record("onset", 10, number))
        recording.recorder.emit(record("offset", 11, number))
    recording.push(30, 31)
    status = recording.recorder.status
    recording.recorder.close()
    assert time.monotonic() - began_s < 5
    # Of 3 s each, no more wait than four of the longest clips last.
    assert (status.n_waiting, status.n_lost) == (13, 87)
    assert recording.recorder.status.n_lost == 100
    assert [each.message for each in caplog.records if "faster" in each.message]
    hang.set()
    recording.recorder._writer._thread.join(10)
    assert recording.recorder.status.n_delivered == 0


@pytest.mark.parametrize("kind", ["a file is in the way", "it cannot be made"])
def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    directory = tmp_path / "file" if kind == "a file is in the way" else tmp_path / "file" / "clips"
    with pytest.raises(SinkError, match=rf"{re.escape(str(directory))} .*\[clips\]") as error:
        ClipRecorder(ClipsSettings(directory=directory), RATE, (), tmp_path)
    assert "\n" not in str(error.value)


def test_a_clip_that_could_not_reach_its_event_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="longest_s"):
        Recording(tmp_path, before_s=10, longest_s=10)


# Clips without speech. Three names: dog bark, siren, background speech.


def speech_recording(tmp_path: Path) -> Recording:
    """With a clip from 9 s to 13 s, complete."""
    recording = Recording(tmp_path, places=(2,), no_speech=True, before_s=1, after_s=1)
    recording.push(0, 20)
    return recording


def tell_event(recording: Recording) -> None:
    recording.recorder.emit(record("onset", 10))
    recording.recorder.emit(record("offset", 12))


@pytest.mark.parametrize("start_s", [7.01, 8.0, 10.0, 12.99])
def test_speech_in_any_window_that_overlaps_drops_the_clip(tmp_path: Path, start_s: float) -> None:
    recording = speech_recording(tmp_path)
    earlier = [each for each in (0.0, 7.0, 9.0, 11.0, 12.5) if each < start_s]
    for each in earlier:
        recording.recorder.saw(window(each, 0.9, 0.1, 0.2))
    tell_event(recording)
    recording.recorder.saw(window(start_s, 0.9, 0.1, 0.85))
    recording.recorder.saw(window(13, 0.9, 0.1, 0.2))
    assert recording.files() == []
    assert recording.recorder.status.n_lost == 0


@pytest.mark.parametrize("start_s", [7.0, 13.0])
def test_speech_beside_it_does_not(tmp_path: Path, start_s: float) -> None:
    recording = speech_recording(tmp_path)
    tell_event(recording)
    for each in (0.0, 7.0, 9.0, 11.0, 13.0):
        recording.recorder.saw(window(each, 0.2, 0.1, 0.9 if each == start_s else 0.0))
    assert recording.spans() == [(9, 13)]


def test_a_clip_waits_for_the_windows_that_overlap_its_end(tmp_path: Path) -> None:
    recording = speech_recording(tmp_path)
    tell_event(recording)
    recording.recorder.saw(window(12.9, 0.9, 0.1, 0.2))
    assert recording.recorder.status.n_waiting + recording.recorder.status.n_delivered == 0
    recording.push(20, 20.1)
    assert recording.recorder.status.n_waiting + recording.recorder.status.n_delivered == 0
    recording.recorder.saw(window(13, 0.9, 0.1, 0.2))
    recording.push(20.1, 20.2)
    wait_for(lambda: recording.recorder.status.n_delivered == 1)
    recording.recorder.close()


def test_at_the_end_or_a_gap_it_is_told_by_the_windows_there_were(tmp_path: Path) -> None:
    for name, speech in (("with", 0.85), ("without", 0.2)):
        recording = speech_recording(tmp_path / name)
        recording.recorder.saw(window(11, 0.9, 0.1, speech))
        tell_event(recording)
        recording.push(50, 51)
        assert len(recording.files()) == (name == "without")


def test_windows_without_scores_count_as_without_speech(tmp_path: Path) -> None:
    recording = speech_recording(tmp_path)
    tell_event(recording)
    recording.recorder.saw(window(10))
    recording.recorder.saw(window(13))
    assert recording.spans() == [(9, 13)]


def test_speech_before_a_jump_back_is_not_taken_for_speech_after(tmp_path: Path) -> None:
    recording = speech_recording(tmp_path)
    recording.recorder.saw(window(10, 0.2, 0.1, 0.9))
    recording.push(5, 20)
    tell_event(recording)
    recording.recorder.saw(window(10, 0.9, 0.1, 0.2))
    recording.recorder.saw(window(13, 0.9, 0.1, 0.2))
    assert recording.spans() == [(9, 13)]


def test_without_no_speech_clips_with_speech_are_kept(tmp_path: Path) -> None:
    recording = Recording(tmp_path, places=(2,), before_s=1, after_s=1)
    recording.push(0, 20)
    recording.recorder.saw(window(10, 0.2, 0.1, 0.9))
    tell_event(recording)
    assert recording.spans() == [(9, 13)]


def test_a_bundle_that_cannot_tell_speech_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no speech prototype"):
        Recording(tmp_path, no_speech=True)


@pytest.mark.parametrize(("speech", "heard"), [(0.7, True), (0.61, True), (0.59, False), (0.1, False)])
def test_speech_is_heard_if_it_comes_close_to_the_best(speech: float, *, heard: bool) -> None:
    scores = np.array([0.3, speech, 0.7, -1.0], np.float32)
    assert is_speech(scores, (1, 3), margin=0.1) == heard


def test_speech_is_known_by_its_words() -> None:
    names = (
        "dog bark", "background speech", "background music", "people talking", "talking parrot", "Voice",
        "background voice-over talk", "invoice printer", "child_speech", "conversation",
    )  # fmt: skip
    background = [name.startswith("background") for name in names]
    found = [names[place] for place in speech_places(names, background)]
    assert found == [
        "background speech", "people talking", "Voice", "background voice-over talk", "child_speech",
        "conversation",
    ]  # fmt: skip
    assert speech_places(("rain",), (False,)) == ()


def test_what_was_left_unfinished_is_removed_but_not_what_another_is_writing(tmp_path: Path) -> None:
    directory = tmp_path / "clips"
    directory.mkdir()
    left, being_written = directory / ".new-clip-left", directory / ".new-clip-now"
    for path in (left, being_written):
        path.write_bytes(b"fLaC")
    os.utime(left, (time.time() - 61, time.time() - 61))
    assert Recording(tmp_path).files() == [being_written]


_WRITES_FOR_EVER = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
import numpy as np
from edge.clips import ClipRecorder
from edge.output_settings import ClipsSettings
from edge.types import AudioBlock
from test_clips import RATE, SOUND, record
recorder = ClipRecorder(ClipsSettings(before_s=1, after_s=1), RATE, (), Path(sys.argv[1]))
recorder.push(AudioBlock(SOUND[:20 * RATE], 0))
number, told = 0, False
while True:
    status = recorder.status
    if status.n_waiting < 2:
        number += 1
        recorder.emit(record("onset", 10, number))
        recorder.emit(record("offset", 17, number))
        recorder.push(AudioBlock(SOUND[:0], 20 * RATE))
    if status.n_delivered and not told:
        print(flush=True)
        told = True
"""


def test_kill_9_leaves_whole_files_only(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    here = Path(__file__)
    script = _WRITES_FOR_EVER.format(paths=[str(here.parent), str(here.parents[2])])
    directory = tmp_path / "clips"
    n_kills = n_unfinished = 0
    while n_kills < 20 or (n_unfinished == 0 and n_kills < 200):
        n_kills += 1
        child = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
        threading.Event().wait(float(rng.uniform(0, 0.03)))
        give_up_at = time.monotonic() + 1
        # Every other kill is aimed: on a quick disk a file is being written for too short a time for chance.
        while n_kills % 2 and time.monotonic() < give_up_at and not any(directory.glob(".new-*")):
            pass
        child.send_signal(signal.SIGKILL)
        child.communicate()
        n_unfinished += len(list(directory.glob(".new-*")))
        finished = list(directory.glob("*.flac"))
        assert finished
        assert {span(path) for path in finished} == {(9, 18)}
        for path in finished:
            path.unlink()
    assert n_unfinished, "no kill came while a file was written: this proves nothing"
