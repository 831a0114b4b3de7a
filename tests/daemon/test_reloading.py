"""Other labels, rules and outputs for the running program, and a bad configuration that changes nothing."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from program import ENVIRONMENT, edge_listen, the_error
from running import Running, running, until
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, rain, tone

from edge.types import Samples

HOP_S = 0.48


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    # A socket's path must be short, which a test's own directory may not be.
    with tempfile.TemporaryDirectory(prefix="run-") as directory:
        yield {**ENVIRONMENT, "XDG_RUNTIME_DIR": directory}


def pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def write(config: Path, labels: list[str], more: str = "") -> None:
    config.write_text(f"[listen]\nlabels = {json.dumps(labels)}\n{more}")


def flags(bundle: Path, config: Path) -> list[str]:
    pcm_format = f"s16le:{SAMPLE_RATE_HZ}:1"
    return ["--bundle", str(bundle), "--config", str(config), "--input", "-", "--pcm", pcm_format]


def heard_s(program: Running) -> float:
    position: float = program.status()["stream_s"]
    return position


def feed(program: Running, samples: Samples) -> None:
    """Returns when it was all heard."""
    aim_s = heard_s(program) + len(samples) / SAMPLE_RATE_HZ
    program.feed(pcm(samples))
    until(lambda: heard_s(program) >= aim_s - 0.1)


def test_sighup_brings_a_label_that_was_sounding_already(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "config.toml"
    write(config, ["dog bark"])
    with running(*flags(bundle, config), environment=environment) as program:
        program.await_line("listening to")
        feed(program, rain(4))
        feed(program, tone(TONES_HZ["siren"], 2))
        write(config, ["siren"])
        program.process.send_signal(signal.SIGHUP)
        program.await_line("listening for siren from now on")
        feed(program, tone(TONES_HZ["siren"], 2))
        onset = program.event(kind="onset")
    assert onset["label"] == "siren"
    # The window that told began before the change: not a sample was lost by it.
    assert onset["stream_s"] < 6.0


def test_an_open_event_of_a_label_that_stays_is_not_disturbed(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "config.toml"
    write(config, ["siren"])
    with running(*flags(bundle, config), environment=environment) as program:
        program.await_line("listening to")
        feed(program, tone(TONES_HZ["siren"], 5))
        onset = program.event(kind="onset")
        write(config, ["alarm beep", "siren"])
        done = edge_listen("reload", environment=environment)
        assert (done.returncode, done.stdout) == (0, b"listening for alarm beep, siren from now on\n")
        feed(program, tone(TONES_HZ["siren"], 3))
        feed(program, rain(6))
        offset = program.event()
    assert (offset["event"], offset["event_id"]) == ("offset", onset["event_id"])
    assert offset["duration_s"] > 6.0


def test_a_label_that_is_dropped_ends_its_event(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "config.toml"
    write(config, ["siren"])
    with running(*flags(bundle, config), environment=environment) as program:
        program.await_line("listening to")
        feed(program, tone(TONES_HZ["siren"], 5))
        onset = program.event(kind="onset")
        write(config, ["dog bark"])
        assert edge_listen("reload", environment=environment).returncode == 0
        assert program.event(kind="offset")["event_id"] == onset["event_id"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("[listen]\nlabels = [", "not valid TOML"),
        ('[listen]\nlabels = ["unicorn"]\n', "unicorn"),
        ('[listen]\nlabels = ["siren"]\nthrehold = 1\n', "unknown key"),
        ('[listen]\nlabels = ["siren"]\n[webhook]\nurl = "ftp://x/"\n', "url must be"),
        ("[listen]\nlabels = []\n", "labels"),
    ],
)
def test_a_bad_file_keeps_the_old_settings_and_says_why(
    content: str, complaint: str, bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "config.toml"
    write(config, ["siren"])
    with running(*flags(bundle, config), environment=environment) as program:
        program.await_line("listening to")
        config.write_text(content)
        done = edge_listen("reload", environment=environment)
        assert done.returncode != 0
        assert complaint in the_error(done.stderr)
        assert complaint in program.await_line("so the old settings stay")
        feed(program, tone(TONES_HZ["siren"], 5))
        assert program.event(kind="onset")["label"] == "siren"


def test_outputs_come_and_go_and_what_needs_a_restart_is_named(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config, events = tmp_path / "config.toml", tmp_path / "events.jsonl"
    write(config, ["siren"])
    with running(*flags(bundle, config), environment=environment) as program:
        program.await_line("listening to")
        write(config, ["siren"], f'gate_dbfs = -50\n[events_file]\npath = "{events}"\n')
        done = edge_listen("reload", environment=environment)
        assert done.stdout.splitlines()[1] == b"used from the next start on: gate_dbfs"
        feed(program, tone(TONES_HZ["siren"], 5))
        onset = program.event(kind="onset")
        until(lambda: events.exists() and events.read_text() != "")
        assert json.loads(events.read_text()) == onset
        write(config, ["siren"])
        assert edge_listen("reload", environment=environment).returncode == 0
        feed(program, rain(6))
        program.event(kind="offset")
        assert len(events.read_text().splitlines()) == 1


def test_status_and_reload_without_a_running_one_are_one_line(environment: dict[str, str]) -> None:
    for command in ("status", "reload"):
        done = edge_listen(command, environment=environment)
        assert done.returncode == 6
        assert "no edge-listen is running" in the_error(done.stderr)


def test_a_second_one_says_that_it_takes_no_commands_and_listens_all_the_same(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "config.toml"
    write(config, ["siren"])
    with (
        running(*flags(bundle, config), environment=environment) as first,
        running(*flags(bundle, config), environment=environment) as second,
    ):
        first.await_line("listening to")
        second.await_line("listening to")
        until(lambda: any("takes no commands" in line for line in first.errors + second.errors))
        for program in (first, second):
            program.feed(pcm(tone(TONES_HZ["siren"], 5)))
            assert program.event(kind="onset")["label"] == "siren"
