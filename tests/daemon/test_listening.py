from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from program import ENVIRONMENT, PROGRAM, TIMEOUT_S, edge_listen, start, the_error
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, rain, tone

PCM = f"s16le:{SAMPLE_RATE_HZ}:1"
SIREN = tone(TONES_HZ["siren"], 4)


def pcm(samples: NDArray[np.float32]) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def events(stdout: bytes) -> list[tuple[str, str]]:
    plain = [json.loads(line) for line in stdout.splitlines()]
    return [(event["event"], event["label"]) for event in plain]


@pytest.fixture
def on_stdin(bundle: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the program listening for a siren on standard input; kills at the end what still runs."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        flags = ["--labels", "siren", "--bundle", str(bundle), "--input", "-", "--pcm", PCM, "--json"]
        running.append(start(*flags, *arguments))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def feed(process: subprocess.Popen[bytes], samples: NDArray[np.float32]) -> None:
    assert process.stdin is not None
    process.stdin.write(pcm(samples))
    process.stdin.flush()


def next_event(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    event: dict[str, object] = json.loads(process.stdout.readline())
    return event


def test_a_sound_in_a_file_is_heard_and_other_sounds_are_not(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "street.wav"
    soundfile.write(path, np.concatenate([rain(4), SIREN, rain(4)]), SAMPLE_RATE_HZ)
    flags = ["--labels", "siren,dog bark,alarm beep", "--bundle", str(bundle), "--input", str(path), "--json"]
    done = edge_listen(*flags)
    assert done.returncode == 0
    assert events(done.stdout) == [("onset", "siren"), ("offset", "siren")]


def test_rain_alone_is_nothing(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "rain.wav"
    soundfile.write(path, rain(8), SAMPLE_RATE_HZ)
    done = edge_listen("--labels", "siren,dog bark,alarm beep", "--bundle", str(bundle), "--input", str(path))
    assert (done.returncode, done.stdout) == (0, b"")


def test_a_stereo_file_at_another_rate_is_heard_alike(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "street.flac"
    time_s = np.arange(44100 * 4) / 44100
    one = 0.3 * np.sin(2 * np.pi * TONES_HZ["siren"] * time_s)
    soundfile.write(path, np.stack([one, one], axis=1), 44100)
    done = edge_listen("--labels", "siren", "--bundle", str(bundle), "--input", str(path), "--json")
    assert events(done.stdout) == [("onset", "siren"), ("offset", "siren")]


def test_the_output_of_a_command_is_heard_and_has_utc(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "sound.pcm"
    path.write_bytes(pcm(np.concatenate([rain(3), SIREN, rain(3)])))
    flags = [
        "--labels",
        "siren",
        "--bundle",
        str(bundle),
        "--input-command",
        f"cat '{path}'",
        "--pcm",
        PCM,
        "--json",
    ]
    done = edge_listen(*flags)
    assert done.returncode == 0
    assert events(done.stdout) == [("onset", "siren"), ("offset", "siren")]
    assert all(json.loads(line)["time"].endswith("Z") for line in done.stdout.splitlines())


def test_an_onset_is_told_while_the_sound_still_goes_on(
    on_stdin: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = on_stdin()
    feed(process, SIREN)
    assert next_event(process)["event"] == "onset"
    assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_the_open_event_and_ends_with_0(
    number: signal.Signals, on_stdin: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = on_stdin()
    feed(process, SIREN)
    onset = next_event(process)
    process.send_signal(number)
    # Standard input stays open: it is the signal that ends the run.
    assert process.wait(TIMEOUT_S) == 0
    offset = next_event(process)
    assert (offset["event"], offset["event_id"]) == ("offset", onset["event_id"])
    assert process.stderr is not None
    assert b"rror" not in process.stderr.read()


def test_a_reader_that_goes_away_ends_it_with_one_line(
    on_stdin: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = on_stdin()
    feed(process, SIREN)
    next_event(process)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdout.close()
    # It stops reading as soon as it finds out, which may be before all of this is written.
    with contextlib.suppress(BrokenPipeError):
        feed(process, rain(6))
    assert process.wait(TIMEOUT_S) == 6
    assert "closed by its reader" in the_error(process.stderr.read())


def test_a_list_cut_short_by_its_reader_leaves_no_traceback(bundle: Path) -> None:
    process = start("labels", "--bundle", str(bundle))
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.wait(TIMEOUT_S) == 6
    assert "closed by its reader" in the_error(process.stderr.read())


def test_a_full_disk_is_one_line(bundle: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, "labels", "--bundle", str(bundle)],
            stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    assert done.returncode == 6
    assert "No space left" in the_error(done.stderr)


def test_clips_of_a_file_are_kept(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "street.wav"
    soundfile.write(path, np.concatenate([rain(4), SIREN, rain(4)]), SAMPLE_RATE_HZ)
    clips = tmp_path / "clips"
    flags = ["--labels", "siren", "--bundle", str(bundle), "--input", str(path), "--clips", str(clips)]
    assert edge_listen(*flags).returncode == 0
    (clip,) = clips.glob("*_siren_*.flac")
    samples, _ = soundfile.read(clip, dtype="float32")
    assert np.abs(samples).max() > 0.25
