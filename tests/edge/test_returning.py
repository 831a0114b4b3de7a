from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_sounddevice import NATIVE_HZ, FakeSoundDevice, device

from edge.errors import AudioSourceError, ConfigError
from edge.sources import microphone, returning
from edge.sources.returning import LONGEST_WAIT_S, TICK_S, ReturningMicrophone
from edge.types import AudioBlock

BLOCK = 2400
SOUND = np.full(BLOCK, 0.25, np.float32)
MIC = device("USB Audio")


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    """A machine with one microphone."""
    fake = FakeSoundDevice([MIC])
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(microphone, "read_sound_cards", dict)
    monkeypatch.setattr(microphone, "STOP_CHECK_S", 0.02)
    monkeypatch.setattr(returning, "present_cards", object)  # different at each look
    return fake


def source_of(device: str | None = None) -> ReturningMicrophone:
    return ReturningMicrophone(device, NATIVE_HZ)


def pull_out(portaudio: FakeSoundDevice) -> None:
    portaudio.devices = []
    portaudio.streams[-1].active = False


def next_block(blocks: Iterator[AudioBlock | None]) -> AudioBlock:
    """The next one with sound in it; fails if none comes soon."""
    until_s = time.monotonic() + 10.0
    while time.monotonic() < until_s:
        block = next(blocks)
        if block is not None:
            return block
    pytest.fail("no sound came")


def read_until(blocks: Iterator[AudioBlock | None], is_so: Callable[[], bool]) -> None:
    """Read on where no sound comes; fails if it isn't so soon."""
    until_s = time.monotonic() + 10.0
    while not is_so():
        assert time.monotonic() < until_s
        assert next(blocks) is None


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == level]


def test_one_that_is_there_is_heard_from_sample_0(portaudio: FakeSoundDevice) -> None:
    source = source_of()
    assert source.name == "default microphone"
    with source:
        assert (source.name, source.waiting_for) == ("USB Audio", None)
        portaudio.streams[0].hear(SOUND)
        portaudio.streams[0].hear(SOUND)
        assert source.backlog_s == pytest.approx(0.1)
        blocks = source.blocks()
        assert [next_block(blocks).start_sample for _ in range(2)] == [0, BLOCK]
    assert portaudio.streams[0].closed


def test_one_that_is_absent_at_the_start_is_waited_for_and_heard_when_it_comes(
    portaudio: FakeSoundDevice, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    portaudio.devices = []
    with source_of("usb audio") as source:
        assert isinstance(source, ReturningMicrophone)
        assert source.waiting_for is not None
        assert "no microphone" in source.waiting_for
        assert (source.name, source.backlog_s, source.dropped_samples) == ("usb audio", 0.0, 0)
        blocks = source.blocks()
        assert [next(blocks) for _ in range(3)] == [None] * 3
        (warning,) = messages(caplog, logging.WARNING)
        assert warning == f"waiting for the microphone: {source.waiting_for}"
        portaudio.devices = [MIC]
        read_until(blocks, lambda: bool(portaudio.streams))
        portaudio.streams[0].hear(SOUND)
        assert next_block(blocks).start_sample == 0
        assert (source.name, source.waiting_for) == ("USB Audio", None)
    assert messages(caplog, logging.WARNING) == [warning]
    assert messages(caplog, logging.INFO) == ["microphone 'USB Audio' is there"]


def test_one_that_is_pulled_out_is_heard_again_behind_a_gap_of_the_time_it_was_away(
    portaudio: FakeSoundDevice, caplog: pytest.LogCaptureFixture
) -> None:
    with source_of() as source:
        assert isinstance(source, ReturningMicrophone)
        blocks = source.blocks()
        portaudio.streams[0].hear(SOUND)
        assert next_block(blocks).start_sample == 0
        left_s = time.monotonic()
        portaudio.streams[0].hear(SOUND)
        pull_out(portaudio)
        last = next_block(blocks)
        assert last.start_sample == BLOCK, "all that was recorded is heard first"
        read_until(blocks, lambda: source.waiting_for is not None)
        assert source.name == "USB Audio"
        portaudio.devices = [MIC]
        read_until(blocks, lambda: len(portaudio.streams) == 2)
        portaudio.streams[1].hear(SOUND)
        behind = next_block(blocks)
        away = (time.monotonic() - left_s) * NATIVE_HZ
        portaudio.streams[1].hear(SOUND)
        assert next_block(blocks).start_sample == behind.start_sample + BLOCK
    missed = behind.start_sample - (last.start_sample + BLOCK)
    assert 0.2 * NATIVE_HZ < missed <= away
    assert len(messages(caplog, logging.WARNING)) == 1


def test_a_gap_shows_however_short_it_was(
    portaudio: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "time", SimpleNamespace(monotonic=lambda: 50.0))
    with source_of() as source:
        blocks = source.blocks()
        portaudio.streams[0].hear(SOUND)
        assert next_block(blocks).start_sample == 0
        source.reopen()
        read_until(blocks, lambda: len(portaudio.streams) == 2)
        portaudio.streams[1].hear(SOUND)
        assert next_block(blocks).start_sample == BLOCK + 1


def test_one_that_gives_nothing_usable_is_opened_anew_with_a_gap_and_without_a_warning(
    portaudio: FakeSoundDevice, caplog: pytest.LogCaptureFixture
) -> None:
    with source_of() as source:
        assert isinstance(source, ReturningMicrophone)
        blocks = source.blocks()
        portaudio.streams[0].hear(SOUND)
        next_block(blocks)
        source.reopen()
        read_until(blocks, lambda: len(portaudio.streams) == 2)
        assert portaudio.streams[0].closed
        portaudio.streams[1].hear(SOUND)
        assert next_block(blocks).start_sample > BLOCK
        assert [next(blocks) for _ in range(3)] == [None] * 3, "once is enough"
        assert len(portaudio.streams) == 2
    assert messages(caplog, logging.WARNING) == []


def test_sound_lost_before_it_went_away_still_counts(portaudio: FakeSoundDevice) -> None:
    with source_of() as source:
        for _ in range(203):
            portaudio.streams[0].hear(SOUND)
        assert source.dropped_samples == 3 * BLOCK
        blocks = source.blocks()
        pull_out(portaudio)
        for _ in range(200):
            next_block(blocks)
        portaudio.devices = [MIC]
        read_until(blocks, lambda: len(portaudio.streams) == 2)
        assert source.dropped_samples == 3 * BLOCK
        for _ in range(201):
            portaudio.streams[1].hear(SOUND)
        assert source.dropped_samples == 4 * BLOCK


@pytest.mark.parametrize(
    "refusal",
    [
        "refuses_to_open",
        "refuses_to_start",
        "refuses_to_initialize",
    ],
)
def test_one_that_cannot_be_opened_just_now_is_tried_again(portaudio: FakeSoundDevice, refusal: str) -> None:
    setattr(portaudio, refusal, True)
    with source_of() as source:
        assert isinstance(source, ReturningMicrophone)
        blocks = source.blocks()
        assert [next(blocks) for _ in range(2)] == [None] * 2
        assert source.waiting_for is not None
        setattr(portaudio, refusal, False)
        n_opened = len(portaudio.streams)
        read_until(blocks, lambda: len(portaudio.streams) > n_opened)
        portaudio.streams[-1].hear(SOUND)
        assert next_block(blocks).start_sample == 0
        assert source.waiting_for is None


def test_one_that_can_be_opened_but_stays_mute_is_told_once(
    portaudio: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(microphone, "NO_SOUND_S", 0.05)
    with source_of() as source:
        blocks = source.blocks()
        read_until(blocks, lambda: len(portaudio.streams) == 5)
    assert len(messages(caplog, logging.WARNING)) == 1


class Clock:
    """A clock that waiting moves on at once."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, timeout_s: float) -> None:
        assert 0 < timeout_s <= TICK_S
        self.now_s += timeout_s


@pytest.mark.parametrize("away_s", [0.1, 3.0, 60.0, 40_000.0])
def test_it_is_found_within_five_seconds_however_long_it_was_away_and_looked_for_ever_more_seldom(
    portaudio: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch, away_s: float
) -> None:
    clock = Clock()
    monkeypatch.setattr(returning, "time", clock)
    portaudio.devices = []
    source = source_of()
    with source:
        blocks = source.blocks()
        while clock.now_s < 1000.0 + away_s:
            assert next(blocks) is None
        n_tries = portaudio.n_initialized
        portaudio.devices = [MIC]
        came_s = clock.now_s
        while not portaudio.streams:
            assert next(blocks) is None
        assert clock.now_s - came_s <= LONGEST_WAIT_S <= 5.0
        assert clock.now_s - came_s <= max(0.5, 0.1 * away_s), "after a moment it is back in a moment"
    # One try each 0.25 s would be 160 000 in the longest.
    assert n_tries <= 5 + away_s / 0.25
    assert n_tries <= 150 + away_s / LONGEST_WAIT_S


@pytest.mark.parametrize("is_there", [True, False])
def test_stop_ends_it_soon_whether_it_is_there_or_waited_for(
    portaudio: FakeSoundDevice,
    is_there: bool,  # noqa: FBT001
) -> None:
    portaudio.devices = [MIC] if is_there else []
    with source_of() as source:
        threading.Timer(0.1, source.stop).start()
        began_s, cpu_s = time.monotonic(), time.process_time()
        assert set(source.blocks()) == {None}
        assert time.monotonic() - began_s < 1.0
        assert time.process_time() - cpu_s < 0.1
        assert list(source.blocks()) == []


@pytest.mark.parametrize("plugged_in", [[MIC], []])
def test_a_name_that_can_never_be_one_is_refused_at_once(
    portaudio: FakeSoundDevice, plugged_in: list[dict[str, object]]
) -> None:
    portaudio.devices = plugged_in
    with pytest.raises(ConfigError, match="hw:1"), source_of("hw:1"):
        pass


def test_without_portaudio_there_is_nothing_to_wait_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    with pytest.raises(AudioSourceError, match="sudo apt install libportaudio2"), source_of():
        pass


def test_another_microphone_is_not_taken_for_the_one_asked_for(portaudio: FakeSoundDevice) -> None:
    with source_of("usb audio") as source:
        assert isinstance(source, ReturningMicrophone)
        blocks = source.blocks()
        portaudio.devices = [device("HDMI")]
        portaudio.streams[0].active = False
        read_until(blocks, lambda: source.waiting_for is not None and "HDMI" in source.waiting_for)
        assert len(portaudio.streams) == 1


def test_devices_are_looked_for_when_cards_come_or_go_and_else_ever_less_often(
    portaudio: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, cards = Clock(), ["none"]
    monkeypatch.setattr(returning, "time", clock)
    monkeypatch.setattr(returning, "present_cards", lambda: cards[0])
    portaudio.devices = []
    with source_of() as source:
        blocks = source.blocks()
        while clock.now_s < 1000.0 + 40_000.0:
            assert next(blocks) is None
        # Each costs a few kilobytes for good: one each 5 s would be 8,000 in this time.
        n_looks = portaudio.n_initialized
        assert n_looks < 300
        portaudio.devices, cards[0] = [MIC], "one"
        came_s = clock.now_s
        while not portaudio.streams:
            assert next(blocks) is None
        assert clock.now_s - came_s <= LONGEST_WAIT_S
        assert portaudio.n_initialized == n_looks + 1


def test_one_with_a_loose_contact_is_told_once_and_tried_ever_less_often(
    portaudio: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    monkeypatch.setattr(returning, "time", clock)
    with source_of() as source:
        blocks = source.blocks()
        for n_opened in range(1, 60):
            portaudio.streams[-1].hear(SOUND)
            next_block(blocks)
            portaudio.streams[-1].active = False
            read_until(blocks, lambda n=n_opened: len(portaudio.streams) > n)
    assert len(messages(caplog, logging.WARNING)) == 1
    assert len(messages(caplog, logging.INFO)) == 1
    assert clock.now_s - 1000.0 > 25.0, "at a quarter of a second each it would be 15 s"
