from __future__ import annotations

import ctypes.util
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from daemon.program import ENVIRONMENT, edge_listen
from daemon.pulseaudio import NullSink, null_sink

from edge.cli import main
from edge.device_test import DeviceReport, DeviceTest
from edge.types import AudioBlock, Samples

RATE_HZ = 48000
BLOCK = 2400


def noise(seconds: float, rms: float) -> Samples:
    return (rms * np.random.default_rng(5).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def tone(seconds: float, amplitude: float, rate_hz: int = RATE_HZ) -> Samples:
    return (amplitude * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * rate_hz)) / rate_hz)).astype(
        np.float32
    )


def heard(sound: Samples, *, speed: float = 1.0, lost: int = 0) -> DeviceReport:
    """What a test says of a sound that comes in blocks, `speed` times as fast as it should."""
    test = DeviceTest(RATE_HZ)
    for start in range(0, len(sound), BLOCK):
        test.add(AudioBlock(sound[start : start + BLOCK], start), (start + BLOCK) / RATE_HZ / speed)
    return test.report(lost)


def test_a_tone_is_measured_as_what_it_is() -> None:
    report = heard(tone(3.3, 0.5) + np.float32(0.01))
    assert report.recorded_s == pytest.approx(3.3)
    assert report.level_dbfs == pytest.approx(-9.03, abs=0.02)
    assert report.mean_level_dbfs == pytest.approx(-9.03, abs=0.02)
    assert report.peak == pytest.approx(0.51, abs=1e-3)
    assert report.dc_offset == pytest.approx(0.01, abs=1e-4)
    assert report.rate_hz == pytest.approx(RATE_HZ)
    assert (report.clipped_share, report.lost_s, report.problem, report.remarks) == (0.0, 0.0, None, ())
    assert report.verdict == "usable"


def test_a_tenth_of_a_second_in_silence_is_as_loud_as_it_is() -> None:
    sound = np.zeros(3 * RATE_HZ, np.float32)
    sound[RATE_HZ : RATE_HZ + 4800] = tone(0.1, 0.5)
    report = heard(sound)
    assert report.level_dbfs == pytest.approx(-9.03, abs=0.1)
    assert report.mean_level_dbfs < -20
    assert report.problem is None


@pytest.mark.parametrize(
    ("sound", "problem", "words"),
    [
        (np.zeros(0, np.float32), "no sound", "plug it in anew"),
        (np.zeros(100000, np.float32), "silent", "digital silence: is it muted"),
        (np.full(100000, 0.25, np.float32), "constant", "constant level"),
        (np.append(np.zeros(RATE_HZ), np.full(RATE_HZ, 0.25)).astype(np.float32), "constant", "plugged into"),
        (np.clip(tone(2.0, 8.0), -1, 1), "clipped", "turn down the gain"),
        (np.append(tone(2.0, 0.1), np.float32(np.nan)), "not numbers", "driver"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_remedy(sound: Samples, problem: str, words: str) -> None:
    report = heard(sound)
    assert report.problem == problem
    assert report.verdict.startswith("not usable")
    assert words in report.verdict


def test_samples_that_are_no_numbers_pass_for_no_level() -> None:
    report = heard(np.append(tone(1.5, 0.1), np.full(RATE_HZ, np.inf, np.float32)))
    assert math.isnan(report.level_dbfs)
    assert math.isnan(report.mean_level_dbfs)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (heard(noise(3, 1e-5)), "very quiet"),
        (heard(np.append(tone(3, 0.5), np.ones(4000, np.float32))), "clipped at times"),
        (heard(tone(3, 0.5), lost=4800), "sound was lost"),
        (heard(tone(5, 0.5), speed=0.5), "it delivers 24000 samples a second and says 48000"),
    ],
)
def test_what_is_usable_but_amiss_is_said_so(report: DeviceReport, words: str) -> None:
    assert report.problem is None
    assert report.verdict.startswith("usable; ")
    assert words in report.verdict
    assert len(report.remarks) == 1


def test_a_recording_too_short_tells_no_rate() -> None:
    report = heard(tone(1.9, 0.5), speed=1.5)
    assert report.rate_hz is None
    assert report.remarks == ()


def test_what_came_at_once_before_the_first_block_does_not_make_the_rate_too_high() -> None:
    test = DeviceTest(RATE_HZ)
    test.add(AudioBlock(tone(1.0, 0.5), 0), 0.0)
    for n in range(1, 60):
        test.add(AudioBlock(tone(0.05, 0.5), 0), 0.05 * n)
    assert test.report().rate_hz == pytest.approx(RATE_HZ)


def test_sound_lost_still_counts_for_the_rate() -> None:
    assert heard(tone(4.0, 0.5)[: 3 * RATE_HZ], speed=0.75, lost=RATE_HZ).rate_hz == pytest.approx(
        RATE_HZ, rel=0.02
    )


@pytest.fixture
def speaker(tmp_path: Path) -> Iterator[NullSink]:
    if ctypes.util.find_library("portaudio") is None:
        pytest.skip("PortAudio is not installed (apt install libportaudio2 libasound2-plugins)")
    with null_sink(tmp_path) as sink:
        yield sink


def environment(speaker: NullSink) -> dict[str, str]:
    return {**speaker.environment, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}


def lines(output: bytes) -> dict[str, str]:
    return {line[:12].strip(): line[12:] for line in output.decode().splitlines()}


@pytest.mark.pulseaudio
def test_a_tone_played_is_told_by_its_level(speaker: NullSink, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tone.wav", tone(30, 0.5, 44100), 44100)
    player = speaker.start_playing(tmp_path / "tone.wav")
    try:
        run = edge_listen("devices", "--test", "--seconds", "3", environment=environment(speaker))
    finally:
        player.kill()
        player.wait()
    said = lines(run.stdout)
    assert run.returncode == 0, run.stderr
    assert float(said["level"].split()[0]) == pytest.approx(-9.03, abs=1.0)
    assert said["microphone"] == "default"
    assert said["recorded"].startswith("3.0 s")
    assert said["verdict"].startswith("usable")


@pytest.mark.pulseaudio
def test_when_nothing_is_played_the_microphone_is_deaf(speaker: NullSink) -> None:
    run = edge_listen("devices", "--test", "--seconds", "0.5", environment=environment(speaker))
    assert run.returncode == 5
    assert lines(run.stdout)["verdict"].startswith("not usable, digital silence")


@pytest.mark.pulseaudio
def test_ctrl_c_ends_the_test_with_what_came(speaker: NullSink) -> None:
    # It ends itself as soon as it has heard a block, as a person at the keyboard would.
    program = (
        "import os, signal, sys\n"
        "from edge import device_test\n"
        "add = device_test.DeviceTest.add\n"
        "def interrupted(self, block, arrived_s):\n"
        "    add(self, block, arrived_s)\n"
        "    if self.recorded_s > 0.3: os.kill(os.getpid(), signal.SIGINT)\n"
        "device_test.DeviceTest.add = interrupted\n"
        "from edge.cli import main\n"
        "sys.exit(main(['devices', '--test', '--seconds', '60']))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(speaker),
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 5, run.stderr
    assert lines(run.stdout)["recorded"].startswith("0.")
    assert run.stderr == b""


@pytest.mark.parametrize("seconds", ["0.4", "601", "nan", "-1"])
def test_a_time_out_of_range_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--test", f"--seconds={seconds}"]) == 2
    assert "--seconds must be from 0.5 to 600" in capsys.readouterr().err


def test_a_device_named_without_test_is_refused_and_not_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--device", "kitchen"]) == 2
    assert "--device goes with --test" in capsys.readouterr().err
