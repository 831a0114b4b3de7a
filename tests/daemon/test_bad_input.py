"""What a person can get wrong: each ends with its exit code and one line that says what to do."""

from __future__ import annotations

import os
import shlex
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from program import ENVIRONMENT, PROGRAM, edge_listen, start, the_error
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, rain, tone, write_synthetic_bundle

PCM = f"s16le:{SAMPLE_RATE_HZ}:1"


def wav(*, channels: int, rate_hz: int) -> bytes:
    """A second of PCM behind a header that claims this."""
    sound = bytes(32000)
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate_hz, rate_hz * 2 % 2**32, 2, 16)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(sound)) + sound
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def refusal_of_file(bundle: Path, path: Path) -> str:
    done = edge_listen("--labels", "siren", "--bundle", str(bundle), "--input", str(path))
    assert done.returncode == 5
    assert done.stdout == b""
    line = the_error(done.stderr)
    assert path.name in line
    return line


def test_no_such_file(bundle: Path, tmp_path: Path) -> None:
    assert "no such file" in refusal_of_file(bundle, tmp_path / "none.wav")


def test_a_directory(bundle: Path, tmp_path: Path) -> None:
    assert "is a directory" in refusal_of_file(bundle, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.wav", b"", "is empty"),
        ("notes.txt", b"milk, bread, and a dog that barks\n" * 50, "not audio"),
        ("text.wav", b"milk, bread, and a dog that barks\n" * 50, "not audio"),
        ("no-channel.wav", wav(channels=0, rate_hz=16000), "damaged header"),
        ("no-rate.wav", wav(channels=1, rate_hz=0), "header"),
        ("absurd-rate.wav", wav(channels=1, rate_hz=4_000_000_000), "header"),
        ("absurd-rate.wav", wav(channels=1, rate_hz=2_000_000_000), "header"),
    ],
)
def test_a_file_that_is_no_sound(
    bundle: Path, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert reason in refusal_of_file(bundle, path)


def test_a_truncated_flac_is_heard_as_far_as_it_goes_and_then_refused(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    sound = np.concatenate([rain(2), tone(TONES_HZ["siren"], 5), rain(10)])
    soundfile.write(path, sound, SAMPLE_RATE_HZ)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    done = edge_listen("--labels", "siren", "--bundle", str(bundle), "--input", str(path))
    assert done.returncode == 5
    assert "cut.flac" in the_error(done.stderr)
    assert b"ended after" in done.stdout.splitlines()[-1]


def test_pcm_that_ends_in_mid_sample(bundle: Path) -> None:
    flags = ["--labels", "siren", "--bundle", str(bundle), "--input", "-", "--pcm", PCM]
    done = edge_listen(*flags, stdin=bytes(32001))
    assert done.returncode == 5
    assert "in the middle of a sample" in the_error(done.stderr)


def test_standard_input_without_sound(bundle: Path) -> None:
    done = edge_listen("--labels", "siren", "--bundle", str(bundle), "--input", "-", "--pcm", PCM)
    assert done.returncode == 5
    assert "without any sound" in the_error(done.stderr)


def test_a_pcm_format_that_is_none(bundle: Path) -> None:
    done = edge_listen("--labels", "siren", "--bundle", str(bundle), "--input", "-", "--pcm", "mp3")
    assert done.returncode == 2
    assert "s16le:48000:1" in the_error(done.stderr)


def test_a_command_that_dies_after_some_sound(bundle: Path, tmp_path: Path) -> None:
    script = tmp_path / "recorder.py"
    script.write_text("import sys; sys.stdout.buffer.write(bytes(64000)); sys.exit('the card is gone')\n")
    command = f"'{sys.executable}' '{script}'"
    flags = ["--labels", "siren", "--bundle", str(bundle), "--pcm", PCM]
    done = edge_listen(*flags, "--input-command", command)
    assert done.returncode == 5
    assert "the card is gone" in the_error(done.stderr)


def test_a_command_that_is_not_there(bundle: Path) -> None:
    flags = ["--labels", "siren", "--bundle", str(bundle), "--pcm", PCM]
    done = edge_listen(*flags, "--input-command", "no-such-recorder -q")
    assert done.returncode == 5
    assert "no-such-recorder" in the_error(done.stderr)


@pytest.mark.parametrize("command", [["devices"], ["--labels", "siren"]])
def test_no_portaudio(bundle: Path, tmp_path: Path, command: list[str]) -> None:
    # What importing sounddevice does where the library is missing.
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])}
    flags = ["--bundle", str(bundle)] if "--labels" in command else []
    done = edge_listen(*command, *flags, environment=environment)
    assert done.returncode == 5
    line = the_error(done.stderr)
    assert "libportaudio2" in line
    assert "edge-listen demo" in line


@pytest.fixture
def no_card(tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose PortAudio finds nothing, as on a machine without a sound card."""
    (tmp_path / "sounddevice.py").write_text(
        "class PortAudioError(Exception): pass\n"
        "class default: device = (-1, -1)\n"
        "def query_devices(*_): return []\n"
        "def query_hostapis(*_): return []\n"
        "def _terminate(): pass\n"
        "def _initialize(): pass\n"
    )
    return {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(tmp_path), ENVIRONMENT["PYTHONPATH"]])}


def test_without_an_input_device_there_are_none_to_list(no_card: dict[str, str]) -> None:
    done = edge_listen("devices", environment=no_card)
    assert done.returncode == 5
    line = the_error(done.stderr)
    assert "no microphone" in line
    assert "edge-listen demo" in line


def test_without_an_input_device_it_says_so_once_and_waits_until_it_is_ended(
    bundle: Path, no_card: dict[str, str]
) -> None:
    process = start("--labels", "siren", "--bundle", str(bundle), environment=no_card)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if b"waiting for the microphone: " in line:
                break
        else:
            pytest.fail(f"it ended with {process.wait()} without waiting")
        assert b"no microphone" in line
        assert b"edge-listen demo" in line
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1.5)  # it tries again meanwhile
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, b"", b"")
    finally:
        process.kill()
        process.wait()


def test_a_microphones_number_is_a_wrong_setting_though_there_is_none(
    bundle: Path, no_card: dict[str, str]
) -> None:
    flags = ["--labels", "siren", "--bundle", str(bundle), "--device", "hw:1"]
    done = edge_listen(*flags, environment=no_card)
    assert done.returncode == 2
    assert "numbers change" in the_error(done.stderr)


def test_a_damaged_bundle(tmp_path: Path) -> None:
    directory = tmp_path / "tones"
    write_synthetic_bundle(directory)
    encoder = next(directory.glob("*.onnx"))
    content = bytearray(encoder.read_bytes())
    content[len(content) // 2] ^= 1
    encoder.write_bytes(content)
    done = edge_listen("--labels", "siren", "--bundle", str(directory))
    assert done.returncode == 3
    assert encoder.name in the_error(done.stderr)


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    done = edge_listen("labels", "--bundle", str(tmp_path / "none"))
    assert done.returncode == 3
    assert "none" in the_error(done.stderr)


def test_a_provider_that_is_not_there_is_refused_and_not_replaced(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "rain.wav"
    soundfile.write(path, rain(3), SAMPLE_RATE_HZ)
    flags = ["--labels", "siren", "--bundle", str(bundle), "--input", str(path)]
    done = edge_listen(*flags, "--provider", "tensorrt")
    if done.returncode == 0:
        pytest.skip("this ONNX Runtime has TensorRT")
    assert done.returncode == 4
    assert "tensorrt" in the_error(done.stderr)


def test_with_stderr_closed_the_error_does_not_turn_to_stdout(bundle: Path) -> None:
    command = shlex.join([*PROGRAM, "--bundle", str(bundle), "--labels", "siren", "--input", "none.wav"])
    done = subprocess.run(["sh", "-c", f"{command} 2>&-"], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (5, b"")


def test_with_stdout_and_stderr_on_one_closed_pipe_it_stops_with_the_outputs_code(
    bundle: Path, tmp_path: Path
) -> None:
    wav = tmp_path / "siren.wav"
    soundfile.write(wav, tone(TONES_HZ["siren"], 10), SAMPLE_RATE_HZ)
    command = shlex.join([*PROGRAM, "--bundle", str(bundle), "--labels", "siren", "--input", str(wav)])
    code = tmp_path / "code"
    subprocess.run(
        ["sh", "-c", f"( {command} 2>&1; echo $? > {shlex.quote(str(code))} ) | true"], check=True, timeout=60
    )
    assert code.read_text() == "6\n"
