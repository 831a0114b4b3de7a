"""A microphone that goes and comes back under the running program; benchmarks/unplug.py does it 50 times."""

from __future__ import annotations

import ctypes.util
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from program import ENVIRONMENT
from pulseaudio import NullSink, null_sink
from running import running, until
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, rain, tone

pytestmark = pytest.mark.pulseaudio

N_TIMES = 3
RESUMES_S = 5.0


@pytest.fixture
def speaker(tmp_path: Path) -> Iterator[NullSink]:
    if ctypes.util.find_library("portaudio") is None:
        pytest.skip("PortAudio is not installed (apt install libportaudio2 libasound2-plugins)")
    with null_sink(tmp_path) as sink:
        yield sink


@pytest.fixture
def siren(tmp_path: Path) -> Path:
    path = tmp_path / "siren.wav"
    soundfile.write(path, np.concatenate([tone(TONES_HZ["siren"], 4), rain(2, 0.01)]), SAMPLE_RATE_HZ)
    return path


def environment(speaker: NullSink) -> dict[str, str]:
    return {**speaker.environment, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}


def test_recognition_resumes_by_itself_each_time(speaker: NullSink, siren: Path, bundle: Path) -> None:

    with running("--labels", "siren", "--bundle", str(bundle), environment=environment(speaker)) as program:
        program.await_line("listening to")
        for _ in range(N_TIMES):
            speaker.unplug()
            until(lambda: program.status()["waiting_for"] is not None)
            speaker.plug_in()
            plugged_in_s = time.monotonic()
            playing = speaker.start_playing(siren)
            onset = program.event(kind="onset")
            # A tone is told a window and its confirmation after it begins; hearing began before.
            assert time.monotonic() - plugged_in_s < RESUMES_S + 2.5
            playing.wait(30)
            assert program.event(kind="offset")["event_id"] == onset["event_id"]
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(30) == 0

    # At the loss itself PortAudio's own thread has its say; what each try would add is kept out.
    noise = [line for line in program.errors if not line.startswith("edge-listen: ")]
    assert len(noise) <= 3 * N_TIMES


def test_an_event_does_not_last_while_the_microphone_is_away(
    speaker: NullSink, siren: Path, bundle: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[health]\ntell_after_s = 3\n")
    flags = ["--labels", "siren", "--bundle", str(bundle), "--config", str(config)]
    with running(*flags, environment=environment(speaker)) as program:
        program.await_line("listening to")
        playing = speaker.start_playing(siren)
        onset = program.event(kind="onset")
        speaker.unplug()
        away = program.event(kind="health")
        assert (away["condition"], away["state"]) == ("absent", "begun")
        offset = program.event(kind="offset")
        assert offset["event_id"] == onset["event_id"]
        speaker.plug_in()
        back = program.event(kind="health")
        assert (back["condition"], back["state"]) == ("absent", "ended")
        playing.kill()
        playing.wait()
        again = speaker.start_playing(siren)
        later = program.event(kind="onset")
        # What was missed is a gap in the stream, not cut out of it.
        assert later["stream_s"] - offset["stream_s"] > 1.0
        again.wait(30)


def test_a_microphone_that_is_absent_at_the_start_is_waited_for(
    speaker: NullSink, siren: Path, bundle: Path
) -> None:
    speaker.unplug()
    with running("--labels", "siren", "--bundle", str(bundle), environment=environment(speaker)) as program:
        program.await_line("waiting for the microphone")
        assert program.status()["is_well"] is False
        speaker.plug_in()
        program.await_line("is there")
        playing = speaker.start_playing(siren)
        assert program.event(kind="onset")["label"] == "siren"
        playing.wait(30)


def test_digital_silence_is_told_and_the_microphone_opened_anew(
    speaker: NullSink, bundle: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[health]\ntell_after_s = 1\nreopen_after_s = 5\n")
    flags = ["--labels", "siren", "--bundle", str(bundle), "--config", str(config)]
    with running(*flags, environment=environment(speaker)) as program:
        silence = program.event(kind="health")
        assert (silence["condition"], silence["state"]) == ("silent", "begun")
        assert "muted" in silence["message"]
        program.await_line("opened anew")
        assert program.status()["conditions"] == ["silent"]
