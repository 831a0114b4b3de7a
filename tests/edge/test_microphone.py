from __future__ import annotations

import json
import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from daemon.pulseaudio import null_sink
from fake_sounddevice import NATIVE_HZ, FakeSoundDevice, device
from source_reading import sounding

from edge.errors import AudioSourceError, ConfigError, SoundError
from edge.sources import microphone, recording
from edge.sources.microphone import MicrophoneSource, list_microphones
from edge.sources.sound_cards import read_sound_cards
from edge.types import AudioBlock, AudioSource, Samples

CARDS = """ 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
 1 [Device         ]: USB-Audio - USB PnP Sound Device
                      C-Media USB PnP Sound Device at usb-0000:01:00.0-1.3, full speed
 2 [Device_1       ]: USB-Audio - USB PnP Sound Device
                      C-Media USB PnP Sound Device at usb-0000:01:00.0-1.4, full speed
 3 [seeed4micvoicec]: seeed-4mic-voic - seeed-4mic-voicecard
"""
RATE_HZ = 16000
BLOCK = 2400


Install = Callable[..., FakeSoundDevice]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Install:
    """Puts a fake sounddevice with the devices given in the place of the real one."""

    def put(devices: Sequence[dict[str, Any]], **settings: Any) -> FakeSoundDevice:
        fake = FakeSoundDevice(list(devices), **settings)
        monkeypatch.setitem(sys.modules, "sounddevice", fake)
        return fake

    (tmp_path / "cards").write_text(CARDS)
    monkeypatch.setattr(microphone, "read_sound_cards", lambda: read_sound_cards(tmp_path, tmp_path / "sys"))
    return put


PI = [
    device("bcm2835 Headphones: - (hw:0,0)", n_channels=0),
    device("USB PnP Sound Device: Audio (hw:1,0)", rate_hz=44100.0),
    device("seeed-4mic-voicecard: bcm2835-i2s-ac10x (hw:3,0)", n_channels=4),
    device("pulse", n_channels=32),
    device("default", n_channels=32),
]


def opened(fake: FakeSoundDevice, wanted: str | None) -> dict[str, Any]:
    with MicrophoneSource(wanted, RATE_HZ):
        pass
    return fake.streams[-1].settings


def message(wanted: str | None, kind: type[SoundError] = AudioSourceError) -> str:
    with pytest.raises(kind) as caught, MicrophoneSource(wanted, RATE_HZ):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tone(n_samples: int, rate_hz: int = NATIVE_HZ) -> Samples:
    return (0.5 * np.sin(2 * np.pi * 1000 * np.arange(n_samples) / rate_hz)).astype(np.float32)


def take(source: AudioSource) -> list[AudioBlock]:
    """All that waits in the queue, then stop."""
    blocks: list[AudioBlock] = []
    for block in source.blocks():
        if block is None:
            source.stop()
        else:
            blocks.append(block)
    return blocks


def test_microphones_are_listed_by_names_and_ids_that_no_boot_changes(install: Install) -> None:
    install(PI, default_input=4)
    listed = {m.name: m for m in list_microphones()}
    assert list(listed) == [
        "USB PnP Sound Device: Audio",
        "seeed-4mic-voicecard: bcm2835-i2s-ac10x",
        "pulse",
        "default",
    ]
    usb = listed["USB PnP Sound Device: Audio"]
    assert (usb.card_id, usb.host_api) == ("hw:CARD=Device,DEV=0", "ALSA")
    assert (usb.n_channels, usb.sample_rate_hz) == (1, 44100)
    assert listed["pulse"].card_id is None
    assert [m.name for m in listed.values() if m.is_default] == ["default"]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (None, 4),
        ("USB PnP Sound Device: Audio", 1),
        ("usb pnp", 1),
        ("Device", 1),
        ("hw:CARD=Device", 1),
        ("hw:CARD=Device,DEV=0", 1),
        ("plughw:Device,0", 1),
        ("seeed", 2),
        ("hw:CARD=seeed4micvoicec", 2),
        ("pulse", 3),
        ("Default", 4),
    ],
)
def test_a_microphone_is_found_by_name_part_of_it_or_card(
    install: Install, wanted: str | None, index: int
) -> None:
    assert opened(install(PI, default_input=4), wanted)["device"] == index


def test_a_card_is_found_under_its_new_number_after_a_boot(install: Install, tmp_path: Path) -> None:
    moved = [device("Webcam: USB Audio (hw:1,0)"), device("USB PnP Sound Device: Audio (hw:5,0)")]
    fake = install(moved)
    (tmp_path / "cards").write_text(CARDS.replace(" 1 [Device  ", " 5 [Device  "))
    assert opened(fake, "hw:CARD=Device")["device"] == 1


@pytest.mark.parametrize("plugged_in", [PI, []])
@pytest.mark.parametrize("wanted", ["1", " 12 ", "hw:1", "hw:1,0", "plughw:1,0", "hw:CARD=1", ""])
def test_an_index_is_a_wrong_setting_whatever_is_plugged_in(
    install: Install, wanted: str, plugged_in: Sequence[dict[str, Any]]
) -> None:
    install(plugged_in)
    assert "numbers change" in message(wanted, ConfigError)


def test_a_name_that_fits_two_is_refused_with_both(install: Install) -> None:
    install(
        [device("USB Audio: one (hw:1,0)"), device("USB Audio: two (hw:2,0)"), device("other")],
    )
    text = message("usb audio")
    assert "'USB Audio: one' (hw:CARD=Device,DEV=0), 'USB Audio: two' (hw:CARD=Device_1,DEV=0)" in text
    assert "other" not in text


def test_twin_microphones_are_told_apart_by_card(install: Install) -> None:
    fake = install([device("USB Audio: - (hw:1,0)"), device("USB Audio: - (hw:2,0)")])
    assert "more than one" in message("USB Audio")
    assert opened(fake, "hw:CARD=Device_1")["device"] == 1


def test_a_name_that_fits_none_is_refused_with_those_there_are(install: Install) -> None:
    install(PI)
    text = message("kitchen")
    assert "'kitchen'" in text
    assert "'pulse'" in text


def test_without_any_microphone_the_demo_is_named(install: Install) -> None:
    install(PI[:1], default_input=-1)
    text = message(None)
    assert "edge-listen devices" in text
    assert "edge-listen demo" in text


def test_without_a_default_those_there_are_are_named(install: Install) -> None:
    install(PI, default_input=-1)
    assert "'pulse'" in message(None)


def test_without_portaudio_the_package_and_the_demo_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    for text in (message(None), _caught(list_microphones)):
        assert "PortAudio is not installed" in text
        assert "sudo apt install libportaudio2" in text
        assert "edge-listen demo" in text


def _caught(call: Callable[[], object]) -> str:
    with pytest.raises(AudioSourceError) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("refusal", ["refuses_to_open", "refuses_to_start"])
def test_portaudios_refusals_become_one_line_and_leave_nothing_open(install: Install, refusal: str) -> None:
    fake = install(PI, default_input=1, **{refusal: True})
    text = message(None)
    assert "'USB PnP Sound Device: Audio' cannot be opened (Error" in text
    assert all(stream.closed for stream in fake.streams)


@pytest.mark.parametrize(("claimed", "taken"), [(1, 1), (2, 2), (6, 6), (8, 8), (32, 2), (10000, 2)])
def test_it_opens_at_the_native_rate_with_all_channels_of_a_real_card(
    install: Install, claimed: int, taken: int
) -> None:
    settings = opened(install([device("mic", claimed, 44100.0)]), None)
    assert (settings["samplerate"], settings["channels"], settings["dtype"]) == (44100, taken, "float32")


@pytest.mark.parametrize("n_channels", [1, 2, 4])
def test_what_the_callback_brings_comes_out_mono_at_the_encoders_rate(
    install: Install, n_channels: int
) -> None:
    fake = install([device("mic", n_channels)])
    with MicrophoneSource(None, RATE_HZ) as source:
        sound = tone(20 * BLOCK)
        for start in range(0, len(sound), BLOCK):
            fake.streams[0].hear(sound[start : start + BLOCK])
        blocks = take(source)
        assert (source.name, source.dropped_samples) == ("mic", 0)
    position = 0
    for block in blocks:
        assert block.start_sample == position
        position += len(block.samples)
    heard = np.concatenate([block.samples for block in blocks])
    assert len(heard) > 15500
    np.testing.assert_allclose(heard[500:15000], tone(16000, RATE_HZ)[500:15000], atol=1e-3)


@pytest.mark.parametrize(("age_s", "expected_age_s"), [(0.3, 0.3), (None, 0.05), (-2.0, 0.05), (1e6, 0.05)])
def test_a_block_carries_the_time_of_its_capture(
    install: Install, age_s: float | None, expected_age_s: float
) -> None:
    fake = install([device("mic")])
    with MicrophoneSource(None, NATIVE_HZ) as source:  # no resampling, so no delay in it
        heard_at_s = time.time()
        fake.streams[0].hear(tone(BLOCK), age_s=age_s)
        (block,) = take(source)
    assert block.captured_unix_s == pytest.approx(heard_at_s - expected_age_s, abs=0.02)


def test_the_resamplers_delay_is_taken_off_the_time_of_capture(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = install([device("mic")])
    heard_at_s = 1.7e9
    monkeypatch.setattr(time, "time", lambda: heard_at_s)
    with MicrophoneSource(None, RATE_HZ) as source:
        for _ in range(10):
            fake.streams[0].hear(tone(BLOCK), age_s=0.05)
            fake.streams[0].clock_s += 0.05
        blocks = take(source)
    # All ten calls came at one moment here, so block n claims 0.05 s of time that it is n calls too late for.
    for n, block in enumerate(blocks[1:], 1):
        assert block.captured_unix_s is not None
        n_in_s = n * BLOCK / NATIVE_HZ
        expected_s = heard_at_s - 0.05 - (n_in_s - block.start_sample / RATE_HZ)
        assert block.captured_unix_s == pytest.approx(expected_s, abs=1e-3)


def test_a_slow_reader_costs_one_gap_of_the_length_that_was_lost(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake = install([device("mic")])
    n_queued, n_lost = 200, 30
    with MicrophoneSource(None, RATE_HZ) as source:
        for _ in range(n_queued + n_lost):
            fake.streams[0].hear(tone(BLOCK))
        blocks = sounding(source)
        heard = [next(blocks) for _ in range(100)]
        fake.streams[0].hear(tone(BLOCK))  # the backlog is not worked off yet: still lost
        lost = (n_lost + 1) * BLOCK * RATE_HZ // NATIVE_HZ
        assert source.dropped_samples == lost
        heard += [next(blocks) for _ in range(100)]
        fake.streams[0].hear(tone(BLOCK))
        heard += [next(blocks), next(blocks)]  # what the resampler still held, and what is behind the gap
    ends = [block.start_sample + len(block.samples) for block in heard]
    jumps = [b.start_sample - end for b, end in zip(heard[1:], ends, strict=False)]
    assert [jump for jump in jumps if jump] == [lost]
    # Nothing from before the gap was held back or smeared over it.
    assert ends[jumps.index(lost)] == n_queued * BLOCK * RATE_HZ // NATIVE_HZ
    assert "1.55 s of sound lost" in caplog.text


@pytest.mark.parametrize(("n_lost_native", "n_lost"), [(9600, 3200), (0, 1)])
def test_sound_that_portaudio_lost_shows_as_a_gap_however_short(
    install: Install, monkeypatch: pytest.MonkeyPatch, n_lost_native: int, n_lost: int
) -> None:
    fake = install([device("mic")])
    clock = iter([50.0, 50.0 + (BLOCK + n_lost_native) / NATIVE_HZ])
    monkeypatch.setattr(recording, "time", SimpleNamespace(monotonic=clock.__next__, time=time.time))
    with MicrophoneSource(None, RATE_HZ) as source:
        fake.streams[0].hear(tone(BLOCK), overflow=True)  # before the first there is nothing to lose
        assert source.dropped_samples == 0
        fake.streams[0].hear(tone(BLOCK), overflow=True)
        blocks = take(source)
        assert source.dropped_samples == n_lost_native * RATE_HZ // NATIVE_HZ
    assert blocks[-1].start_sample == BLOCK * RATE_HZ // NATIVE_HZ + n_lost


def test_a_microphone_that_is_pulled_out_is_an_error_once_all_was_heard(install: Install) -> None:
    fake = install([device("mic")])
    with MicrophoneSource(None, NATIVE_HZ) as source:
        fake.streams[0].hear(tone(BLOCK))
        fake.streams[0].active = False
        blocks = sounding(source)
        assert len(next(blocks).samples) == BLOCK
        with pytest.raises(AudioSourceError, match="'mic' stopped: is it still plugged in"):
            next(blocks)


def test_a_microphone_that_delivers_nothing_is_an_error(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install([device("mic")])
    monkeypatch.setattr(microphone, "NO_SOUND_S", 0.3)
    with (
        MicrophoneSource(None, RATE_HZ) as source,
        pytest.raises(AudioSourceError, match="'mic' has delivered no sound"),
    ):
        next(sounding(source))


def test_its_reader_gets_a_turn_while_nothing_is_recorded(install: Install) -> None:
    fake = install([device("mic")])
    with MicrophoneSource(None, NATIVE_HZ) as source:
        blocks = source.blocks()
        assert [next(blocks), next(blocks)] == [None, None]
        fake.streams[0].hear(tone(BLOCK))
        block = next(blocks)
        assert block is not None
        assert (block.start_sample, len(block.samples)) == (0, BLOCK)


def test_it_tells_how_many_seconds_of_sound_wait(install: Install) -> None:
    fake = install([device("mic")])
    source = MicrophoneSource(None, NATIVE_HZ)
    assert source.backlog_s == 0.0
    with source:
        for _ in range(40):
            fake.streams[0].hear(tone(BLOCK))
        assert source.backlog_s == pytest.approx(2.0)
        next(sounding(source))
        assert source.backlog_s == pytest.approx(1.95)


def test_ctrl_c_ends_the_wait_for_sound(install: Install) -> None:
    install([device("mic")])
    with MicrophoneSource(None, RATE_HZ) as source:
        was = signal.signal(signal.SIGINT, lambda *_: source.stop())
        try:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            began_s = time.monotonic()
            assert list(sounding(source)) == []
            assert time.monotonic() - began_s < 1.0
        finally:
            signal.signal(signal.SIGINT, was)


LISTEN = """
import json, sys, time
import numpy as np
from edge.sources.microphone import MicrophoneSource, list_microphones

blocks, ages_s = [], []
with MicrophoneSource(None, 16000) as source:
    print("ready", flush=True)
    for block in source.blocks():
        if block is None:
            continue
        blocks.append(block)
        ages_s.append(time.time() - block.captured_unix_s)
        if block.start_sample > 4 * 16000:
            source.stop()
samples = np.concatenate([block.samples for block in blocks])
loud = samples[np.abs(samples) > 0.01]
tone = samples[np.flatnonzero(np.abs(samples) > 0.01)[0] :][4000:20000]
print(json.dumps({
    "name": source.name,
    "listed": [m.name for m in list_microphones() if m.is_default],
    "n_samples": len(samples),
    "hz": float(np.argmax(np.abs(np.fft.rfft(tone)))) * 16000 / len(tone),
    "rms": float(np.sqrt(np.mean(tone**2))),
    "dropped": source.dropped_samples,
    "age_s": float(np.median(ages_s)),
}))
"""


@pytest.mark.pulseaudio
def test_a_tone_played_into_a_sound_server_is_heard_from_its_microphone(tmp_path: Path) -> None:
    wav = tmp_path / "tone.wav"
    soundfile.write(wav, 0.5 * np.sin(2 * np.pi * 1000 * np.arange(3 * 44100) / 44100), 44100)
    with null_sink(tmp_path) as sink:
        # PortAudio reads its environment when it is imported: in a process of its own.
        listener = subprocess.Popen(
            [sys.executable, "-c", LISTEN], env=sink.environment, stdout=subprocess.PIPE, text=True
        )
        try:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "ready\n"
            sink.play(wav)
            heard = json.loads(listener.communicate(timeout=30)[0])
        finally:
            listener.kill()
            listener.wait()
    assert (heard["name"], heard["listed"]) == ("default", ["default"])
    assert heard["n_samples"] > 4 * RATE_HZ
    assert heard["hz"] == pytest.approx(1000, abs=2)
    assert heard["rms"] == pytest.approx(0.5 / math.sqrt(2), rel=0.05)
    assert heard["dropped"] == 0
    assert 0 < heard["age_s"] < 2
