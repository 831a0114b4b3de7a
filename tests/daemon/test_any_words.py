"""A bundle that takes any words: its text encoder runs once, in a process that never outlives the program."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
from program import ENVIRONMENT, TIMEOUT_S, edge_listen, start, the_error
from synthetic_bundle import SAMPLE_RATE_HZ, rain, tone
from synthetic_text import KETTLE_HZ, needs_tokenizers, write_text_bundle

ABSENT = "raise ModuleNotFoundError(\"No module named 'tokenizers'\", name='tokenizers')"
HANGING = """
import os, pathlib, time
pathlib.Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    """Ten seconds of which a kettle whistles in the middle."""
    path = tmp_path / "kitchen.wav"
    soundfile.write(path, np.concatenate([rain(3), tone(KETTLE_HZ, 4), rain(3)]), SAMPLE_RATE_HZ)
    bundle = write_text_bundle(tmp_path / "words").directory
    return ["--bundle", str(bundle), "--labels", "kettle whistle", "--input", str(path), "--json"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**ENVIRONMENT, "STATE_DIRECTORY": str(tmp_path / "state")}


def with_tokenizers(environment: Mapping[str, str], source: str, folder: Path) -> dict[str, str]:
    """Put a module of this source before the real package."""
    folder.mkdir()
    (folder / "tokenizers.py").write_text(source)
    return {**environment, "PYTHONPATH": f"{folder}{os.pathsep}{environment['PYTHONPATH']}"}


@needs_tokenizers
def test_a_new_label_is_heard_and_the_next_start_needs_no_text_encoder(
    flags: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    first = edge_listen(*flags, environment=environment)
    assert first.returncode == 0, first.stderr
    events = [json.loads(line) for line in first.stdout.splitlines()]
    assert [(e["event"], e["label"]) for e in events] == [
        ("onset", "kettle whistle"), ("offset", "kettle whistle"),
    ]  # fmt: skip
    assert b'edge-listen: made "kettle whistle" from its text and 10 recordings' in first.stderr
    again = edge_listen(*flags, environment=with_tokenizers(environment, ABSENT, tmp_path / "absent"))
    assert again.returncode == 0, again.stderr
    assert b'edge-listen: kept "kettle whistle" from before' in again.stderr
    scores = [json.loads(line)["score"] for line in again.stdout.splitlines()]
    assert scores == [event["score"] for event in events]


def test_a_missing_tokenizer_is_said_in_one_line(
    flags: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    done = edge_listen(*flags, environment=with_tokenizers(environment, ABSENT, tmp_path / "absent"))
    assert (done.returncode, done.stdout) == (4, b"")
    assert 'pip install "edge-listen[text]"' in the_error(done.stderr)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # dead, and not collected yet by whoever inherited it


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)]
)
def test_stopping_the_program_stops_its_text_encoder(
    number: signal.Signals, exit_code: int, flags: list[str], environment: dict[str, str], tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    hanging = with_tokenizers(environment, HANGING, tmp_path / "hanging")
    process = start(*flags, environment={**hanging, "PID_FILE": str(pid_file)})
    deadline_s = time.monotonic() + TIMEOUT_S
    while not (pid_file.exists() and pid_file.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == exit_code
    assert b"Traceback" not in stderr
    while is_running(int(pid_file.read_text())):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
