"""From a loudspeaker to a line of JSON, through PulseAudio and PortAudio as on a person's machine."""

from __future__ import annotations

import ctypes.util
import json
import queue
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import soundfile
from program import ENVIRONMENT, start
from pulseaudio import NullSink, null_sink
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, tone

from edge.errors import BundleError
from edge.pipeline import builtin_bundle
from edge.scene import demo_scene
from edge.types import Samples

HEAR_S = 30.0

pytestmark = pytest.mark.pulseaudio


@pytest.fixture
def speaker(tmp_path: Path) -> Iterator[NullSink]:
    if ctypes.util.find_library("portaudio") is None:
        pytest.skip("PortAudio is not installed (apt install libportaudio2 libasound2-plugins)")
    with null_sink(tmp_path) as sink:
        yield sink


def lines_of(stream: IO[bytes]) -> queue.Queue[str]:
    """The stream's lines as they come, so that waiting for one can time out."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in stream:
            lines.put(line.decode())

    threading.Thread(target=read, daemon=True).start()
    return lines


def hear(
    speaker: NullSink, sound: Samples, rate_hz: int, tmp_path: Path, *flags: str
) -> tuple[float, list[dict[str, Any]]]:
    """Play a sound to the running program. Returns: when it was played (Unix time), and the events."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, sound, rate_hz)
    environment = {**speaker.environment, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}
    process = start("--json", *flags, environment=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    errors, output = lines_of(process.stderr), lines_of(process.stdout)
    try:
        assert "listening to" in errors.get(timeout=HEAR_S)
        time.sleep(1.0)
        played_unix_s = time.time()
        playing = speaker.start_playing(path)
        events = [json.loads(output.get(timeout=HEAR_S))]
        playing.wait(HEAR_S)
        process.send_signal(signal.SIGTERM)
        assert process.wait(HEAR_S) == 0
        while events[-1]["event"] != "offset":
            events.append(json.loads(output.get(timeout=HEAR_S)))
    finally:
        process.kill()
        process.wait()
    return played_unix_s, events


def seconds_after(event: dict[str, Any], unix_s: float) -> float:
    moment = datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    return moment.timestamp() - unix_s


def test_a_tone_played_into_the_microphone_is_heard_with_its_utc(
    speaker: NullSink, bundle: Path, tmp_path: Path
) -> None:
    sound = tone(TONES_HZ["siren"], 6)
    flags = ["--labels", "siren", "--bundle", str(bundle)]
    played_unix_s, (onset, offset) = hear(speaker, sound, SAMPLE_RATE_HZ, tmp_path, *flags)
    assert (onset["event"], onset["label"]) == ("onset", "siren")
    assert -0.5 < seconds_after(onset, played_unix_s) < 3.5
    assert offset["event_id"] == onset["event_id"]
    assert 1.0 < offset["duration_s"] < 7.0


def test_the_scenes_siren_is_heard_by_the_program_as_installed(speaker: NullSink, tmp_path: Path) -> None:
    try:
        builtin_bundle()
    except BundleError as error:
        pytest.skip(str(error))
    rate_hz = 48000
    samples, sounds = demo_scene(rate_hz)
    siren = next(sound for sound in sounds if sound.label == "siren")
    begin, end = (round(rate_hz * at_s) for at_s in (siren.onset_s, siren.onset_s + siren.duration_s))
    sound = np.tile(samples[begin:end], 2)
    played_unix_s, events = hear(speaker, sound, rate_hz, tmp_path, "--labels", "siren")
    assert (events[0]["event"], events[0]["label"]) == ("onset", "siren")
    assert -0.5 < seconds_after(events[0], played_unix_s) < 5.0
