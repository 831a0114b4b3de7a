"""Own sounds, calibration and the site's background, as a person uses them.

Real processes, with and without one that runs already.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from program import ENVIRONMENT, PROGRAM, edge_listen, the_error
from running import Running, running, until
from synthetic_bundle import SAMPLE_RATE_HZ, edit_manifest, rain, tone

from edge.types import Samples

DOORBELL_HZ = 1800.0
PCM = f"s16le:{SAMPLE_RATE_HZ}:1"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    # A socket's path must be short, which a test's own directory may not be.
    with tempfile.TemporaryDirectory(prefix="run-") as directory:
        state = tmp_path / "state"
        yield {**ENVIRONMENT, "XDG_RUNTIME_DIR": directory, "XDG_STATE_HOME": str(state)}


def rings(directory: Path, hz: float = DOORBELL_HZ, n: int = 3, name: str = "ring") -> list[str]:
    rng = np.random.default_rng(int(hz))
    paths = []
    for number in range(n):
        around = 0.001 * rng.standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
        ring = tone(hz * (1.0 + 0.002 * number), 1.5 + 0.2 * number, 0.3)
        path = directory / f"{name}{number + 1}.wav"
        soundfile.write(path, np.concatenate([around, ring, around]), SAMPLE_RATE_HZ)
        paths.append(str(path))
    return paths


def pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def feed(program: Running, samples: Samples) -> None:
    """Returns when it was all heard."""
    aim_s = program.status()["stream_s"] + len(samples) / SAMPLE_RATE_HZ
    program.feed(pcm(samples))
    until(lambda: program.status()["stream_s"] >= aim_s - 0.1)


def events_in(path: Path, labels: str, bundle: Path, environment: dict[str, str], *more: str) -> list[Any]:
    done = edge_listen(
        "--bundle", str(bundle), "--labels", labels, "--input", str(path), "--json", *more,
        environment=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.wav"
    parts = [rain(4, 0.02), tone(DOORBELL_HZ, 3) + rain(3, 0.02), rain(5, 0.02), tone(400, 3), rain(4, 0.02)]
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE_HZ)
    return path


def test_an_enrolled_sound_is_told_and_a_forgotten_one_is_unknown(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = edge_listen(
        "enroll", "Our Doorbell", *rings(tmp_path), "--bundle", str(bundle), environment=environment
    )
    assert done.returncode == 0, done.stderr
    assert b'"our doorbell" is enrolled from 3 clips' in done.stdout
    assert b"3 of 3 found" in done.stdout
    events = events_in(scene(tmp_path), "our doorbell,dog bark", bundle, environment)
    onsets = [(event["label"], event["stream_s"]) for event in events if event["event"] == "onset"]
    assert [label for label, _ in onsets] == ["our doorbell", "dog bark"]
    assert onsets[0][1] == pytest.approx(4.0, abs=1.5)
    again = edge_listen(
        "enroll", "our doorbell", *rings(tmp_path), "--bundle", str(bundle), environment=environment
    )
    assert again.returncode == 2
    assert "is enrolled already: give --replace" in the_error(again.stderr)
    assert (
        b"your own:\nour doorbell"
        in edge_listen("labels", "--bundle", str(bundle), environment=environment).stdout
    )
    gone = edge_listen("forget", "our doorbell", "--bundle", str(bundle), environment=environment)
    assert gone.returncode == 0, gone.stderr
    after = edge_listen(
        "--bundle", str(bundle), "--labels", "our doorbell", "--input", str(scene(tmp_path)),
        environment=environment,
    )  # fmt: skip
    assert after.returncode == 2
    assert 'no label "our doorbell"' in the_error(after.stderr)
    back = edge_listen("overlay", "rollback", "--bundle", str(bundle), environment=environment)
    assert back.returncode == 0, back.stderr
    assert events_in(scene(tmp_path), "our doorbell", bundle, environment)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (["silence.wav"] * 3, "silence.wav"),
        (["ring1.wav"], "can't be checked against another"),
        (["ring1.wav", "ring2.wav", "beep1.wav"], "beep1.wav"),
        (["nothing.wav", "ring1.wav"], "nothing.wav"),
        (["long.wav", "ring1.wav"], "long.wav is longer than 60 s"),
    ],
)
def test_what_cannot_be_enrolled_is_said_in_one_line_and_nothing_is_kept(
    clips: list[str], message: str, bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    rings(tmp_path)
    rings(tmp_path, 300.0, 1, "beep")
    soundfile.write(tmp_path / "silence.wav", np.zeros(SAMPLE_RATE_HZ * 2), SAMPLE_RATE_HZ)
    soundfile.write(tmp_path / "long.wav", tone(500, 61), SAMPLE_RATE_HZ)
    done = edge_listen(
        "enroll", "our doorbell", *(str(tmp_path / clip) for clip in clips), "--bundle", str(bundle),
        environment=environment,
    )  # fmt: skip
    assert done.returncode in (2, 5)
    assert message in the_error(done.stderr)
    shown = edge_listen("overlay", "--json", "--bundle", str(bundle), environment=environment)
    assert json.loads(shown.stdout)["sounds"] == []


def test_a_sound_cannot_take_the_name_of_a_label(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = edge_listen(
        "enroll", "barking dogs", *rings(tmp_path), "--bundle", str(bundle), environment=environment
    )
    assert done.returncode == 2
    assert "is a sound of the bundle (dog bark)" in the_error(done.stderr)


def test_the_one_that_runs_enrols_and_keeps_what_it_listens_for(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[listen]\nlabels = ["dog bark"]\n')
    flags = ["--bundle", str(bundle), "--config", str(config), "--input", "-", "--pcm", PCM]
    with running(*flags, environment=environment) as program:
        feed(program, rain(5, 0.02))
        done = edge_listen("enroll", "our doorbell", *rings(tmp_path), environment=environment)
        assert done.returncode == 0, done.stderr
        config.write_text('[listen]\nlabels = ["dog bark", "our doorbell"]\n')
        assert edge_listen("reload", environment=environment).returncode == 0
        feed(program, np.concatenate([rain(4, 0.02), tone(DOORBELL_HZ, 3), rain(5, 0.02)]))
        assert program.event(kind="onset")["label"] == "our doorbell"
        refused = edge_listen("forget", "our doorbell", environment=environment)
        assert refused.returncode == 2
        assert "is listened for: take it out of the labels first" in the_error(refused.stderr)
        refused = edge_listen("overlay", "rollback", environment=environment)
        assert refused.returncode == 2, refused.stdout
        assert 'no label "our doorbell"' in the_error(refused.stderr)
        assert program.status()["labels"] == ["dog bark", "our doorbell"]


def ring_until(program: Running, done: threading.Event, seed: int) -> None:
    rng = np.random.default_rng(seed)
    while not done.is_set():
        sound = np.concatenate([rain(3, 0.005), tone(DOORBELL_HZ, 1.5), rain(3, 0.005)])
        feed(program, sound + 0.001 * rng.standard_normal(len(sound)).astype(np.float32))


def test_takes_are_recorded_by_the_one_that_runs(bundle: Path, environment: dict[str, str]) -> None:
    flags = ["--bundle", str(bundle), "--labels", "dog bark", "--input", "-", "--pcm", PCM]
    with running(*flags, environment=environment) as program:
        feed(program, rain(3, 0.01))
        client = subprocess.Popen(
            [*PROGRAM, "enroll", "our doorbell", "--record", "3"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        assert client.stdout is not None
        for number in range(3):
            line = client.stdout.readline().decode()
            if number:
                assert line.startswith("recorded 2")
                line = client.stdout.readline().decode()
            assert line.startswith(f"make the sound now ({number + 1} of 3)")
            # The line comes before the request is there: sound goes on until the next one.
            done = threading.Event()
            thread = threading.Thread(target=ring_until, args=(program, done, number))
            thread.start()
            try:
                if number == 2:
                    rest = client.stdout.read().decode()
                else:
                    until(lambda: bool(client.stdout.peek(1)))  # type: ignore[union-attr]
            finally:
                done.set()
                thread.join()
        assert client.wait(30) == 0, client.stderr.read() if client.stderr else ""
        assert '"our doorbell" is enrolled from 3 clips' in rest


def test_calibrated_thresholds_hold_from_then_on_and_can_be_undone(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    common = ("--bundle", str(bundle), "--labels", "dog bark,siren")
    done = edge_listen("calibrate", *common, "--false-alarms", "2/h", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    rows = {row["label"]: row for row in json.loads(done.stdout)["rows"]}
    assert set(rows) == {"dog bark", "siren"}
    assert rows["dog bark"]["threshold"] != 0.9
    events = events_in(scene(tmp_path), "dog bark", bundle, environment)
    assert events[0]["threshold"] == pytest.approx(rows["dog bark"]["threshold"], abs=1e-3)
    events = events_in(scene(tmp_path), "dog bark", bundle, environment, "--threshold", "0.8")
    assert events[0]["threshold"] == 0.8
    assert edge_listen("calibrate", *common, "--reset", environment=environment).returncode == 0
    assert events_in(scene(tmp_path), "dog bark", bundle, environment)[0]["threshold"] == 0.9


def test_a_dry_run_keeps_nothing(bundle: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    done = edge_listen(
        "calibrate", "--bundle", str(bundle), "--labels", "dog bark", "--dry-run", environment=environment
    )
    assert done.returncode == 0, done.stderr
    assert b"dog bark" in done.stdout
    assert events_in(scene(tmp_path), "dog bark", bundle, environment)[0]["threshold"] == 0.9


def test_a_learned_background_no_longer_fires_and_the_sound_itself_still_does(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    """A hum that is nearly a siren's tone."""
    hum_hz, config = 1080.0, tmp_path / "config.toml"
    config.write_text('[listen]\nlabels = ["siren"]\n[rules]\nthreshold = 0.8\nmargin = -0.02\n')
    site, heard = tmp_path / "site.wav", tmp_path / "heard.wav"
    soundfile.write(site, tone(hum_hz, 180, 0.2), SAMPLE_RATE_HZ)
    parts = [rain(5), tone(hum_hz, 10, 0.2), rain(5), tone(1000, 4), rain(10)]
    soundfile.write(heard, np.concatenate(parts), SAMPLE_RATE_HZ)

    def onsets_s() -> list[float]:
        events = events_in(heard, "siren", bundle, environment, "--config", str(config))
        return [event["stream_s"] for event in events if event["event"] == "onset"]

    assert onsets_s() == [pytest.approx(5, abs=1.5), pytest.approx(20, abs=1.5)]
    common = ("--bundle", str(bundle), "--config", str(config))
    done = edge_listen(
        "learn-background", "--minutes", "3", "--input", str(site), *common, environment=environment
    )
    assert done.returncode == 0, done.stderr
    assert b"found 4 before, 4 after" in done.stdout
    assert onsets_s() == [pytest.approx(20, abs=1.5)]
    assert edge_listen("learn-background", "--forget", *common, environment=environment).returncode == 0
    assert len(onsets_s()) == 2


def test_a_background_that_would_make_a_label_deaf_is_refused(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    site = tmp_path / "site.wav"
    soundfile.write(site, tone(1000.0, 180, 0.2), SAMPLE_RATE_HZ)
    done = edge_listen(
        "learn-background", "--minutes", "3", "--input", str(site), "--bundle", str(bundle),
        "--labels", "siren",
        environment=environment,
    )  # fmt: skip
    assert done.returncode == 2
    assert "siren" in the_error(done.stderr)
    shown = edge_listen("overlay", "--json", "--bundle", str(bundle), environment=environment)
    assert json.loads(shown.stdout)["site"] is None


def test_the_one_that_runs_learns_and_tells_how_far_it_is(bundle: Path, environment: dict[str, str]) -> None:
    flags = ["--bundle", str(bundle), "--labels", "dog bark", "--input", "-", "--pcm", PCM]
    with running(*flags, environment=environment) as program:
        feed(program, rain(3, 0.05))
        client = subprocess.Popen(
            [*PROGRAM, "learn-background", "--minutes", "2"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        assert client.stderr is not None
        assert b"the edge-listen that runs learns" in client.stderr.readline()
        second = edge_listen("learn-background", "--minutes", "2", environment=environment)
        assert second.returncode == 1
        assert "is being learned already" in the_error(second.stderr)
        feed(program, rain(125, 0.05))
        out, err = client.communicate(timeout=60)
        assert client.returncode == 0, err
        assert b"found 4 before, 4 after" in out
        shown = json.loads(edge_listen("overlay", "--json", environment=environment).stdout)
        assert shown["site"]["n_prototypes"] >= 1


def test_two_enrolments_at_once_both_land(bundle: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    clips = {"our doorbell": rings(tmp_path), "our kettle": rings(tmp_path, 5000.0, 3, "kettle")}
    clients = [
        subprocess.Popen(
            [*PROGRAM, "enroll", name, *paths, "--bundle", str(bundle)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        )
        for name, paths in clips.items()
    ]  # fmt: skip
    for client in clients:
        _, errors = client.communicate(timeout=60)
        assert client.returncode == 0, errors
    shown = json.loads(
        edge_listen("overlay", "--json", "--bundle", str(bundle), environment=environment).stdout
    )
    assert {sound["name"] for sound in shown["sounds"]} == set(clips)


def test_a_socket_that_nobody_listens_on_is_in_nobodys_way(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    path = Path(environment["XDG_RUNTIME_DIR"]) / "edge-listen" / "control"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    assert path.is_socket()
    done = edge_listen(
        "enroll", "our doorbell", *rings(tmp_path), "--bundle", str(bundle), environment=environment
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a full disk is made with a small tmpfs, which takes root")
def test_a_full_disk_leaves_all_as_it_was(bundle: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    state = Path(environment["XDG_STATE_HOME"])
    state.mkdir(exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", state], check=False)
    if mounted.returncode:
        pytest.skip("a tmpfs can't be mounted here")
    try:
        done = edge_listen(
            "enroll", "our doorbell", *rings(tmp_path), "--bundle", str(bundle), environment=environment
        )
        assert done.returncode == 0, done.stderr
        with contextlib.suppress(OSError), (state / "rest").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 512)
        done = edge_listen(
            "enroll", "our kettle", *rings(tmp_path, 5000.0), "--bundle", str(bundle), environment=environment
        )
        assert done.returncode == 6
        assert "No space left" in the_error(done.stderr)
        shown = edge_listen("overlay", "--json", "--bundle", str(bundle), environment=environment)
        assert [sound["name"] for sound in json.loads(shown.stdout)["sounds"]] == ["our doorbell"]
    finally:
        subprocess.run(["umount", state], check=True)


def test_a_quiet_place_is_not_learned_and_the_one_that_runs_goes_on(
    bundle: Path, environment: dict[str, str]
) -> None:
    flags = ["--bundle", str(bundle), "--labels", "dog bark", "--input", "-", "--pcm", PCM]
    with running(*flags, environment=environment) as program:
        feed(program, rain(3, 0.00001))
        client = subprocess.Popen(
            [*PROGRAM, "learn-background", "--minutes", "1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        assert client.stderr is not None
        assert b"the edge-listen that runs learns" in client.stderr.readline()
        feed(program, rain(65, 0.00001))
        _, errors = client.communicate(timeout=60)
        assert client.returncode == 2
        assert "could be learnt from" in the_error(errors)
        feed(program, np.concatenate([tone(400, 4), rain(4)]))
        assert program.event(kind="onset")["label"] == "dog bark"


def asked(environment: dict[str, str], line: bytes) -> dict[str, Any]:
    path = Path(environment["XDG_RUNTIME_DIR"]) / "edge-listen" / "control"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        connection.sendall(line + b"\n")
        with connection.makefile("rb") as stream:
            answer: dict[str, Any] = json.loads(stream.readline())
            return answer


@pytest.mark.parametrize(
    "line",
    [
        b'{"command": "learn-background", "arguments": {"seconds": 1' + b"0" * 400 + b"}}",
        b'{"command": "learn-background", "arguments": {"seconds": NaN}}',
        b'{"command": "learn-site", "arguments": {"heard": 1}}',
        b'{"command": "enroll", "arguments": {"name": "x", "clips": [1]}}',
        b'{"command": "enroll", "arguments": {"name": "x", "clips": [{"name": "a", "rate_hz": 9}]}}',
        b'{"command": "enroll", "arguments": {"name": "x", "clips": [], "per_h": -1}}',
        b'{"command": "calibrate", "arguments": {"labels": [1]}}',
        b'{"command": "calibrate", "arguments": {"labels": ["siren"], "rates": [3]}}',
        b'{"command": "calibrate", "arguments": {"labels": ["siren"], "per_h": 0}}',
        b'{"command": "overlay-import", "arguments": {"data": 1}}',
        b'{"command": "forget", "arguments": {}}',
        b'{"command": "search", "arguments": {"words": ""}}',
    ],
)
def test_whatever_is_asked_gets_an_answer_and_ends_nothing(
    line: bytes, bundle: Path, environment: dict[str, str]
) -> None:
    flags = ["--bundle", str(bundle), "--labels", "dog bark", "--input", "-", "--pcm", PCM]
    with running(*flags, environment=environment) as program:
        feed(program, rain(1))
        assert asked(environment, line)["ok"] is False
        assert program.status()["labels"] == ["dog bark"]


def test_a_bundle_that_has_the_label_now_is_listened_with_and_the_own_sound_set_aside(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = edge_listen(
        "enroll", "our doorbell", *rings(tmp_path), "--bundle", str(bundle), environment=environment
    )
    assert done.returncode == 0, done.stderr
    newer = tmp_path / "newer"
    shutil.copytree(bundle, newer)
    edit_manifest(newer, lambda plain: plain["labels"][2].update({"name": "our doorbell"}))
    listened = edge_listen(
        "--bundle", str(newer), "--labels", "our doorbell", "--input", str(scene(tmp_path)),
        environment=environment,
    )  # fmt: skip
    assert listened.returncode == 0, listened.stderr
    assert b'your own "our doorbell" is not used' in listened.stderr
    gone = edge_listen("forget", "our doorbell", "--bundle", str(newer), environment=environment)
    assert gone.returncode == 0, gone.stderr


@pytest.mark.parametrize("name", ["this place", "Unknown Sound"])
def test_the_programs_own_words_are_no_names(
    name: str, bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = edge_listen("enroll", name, *rings(tmp_path), "--bundle", str(bundle), environment=environment)
    assert done.returncode == 2
    assert "choose another name" in the_error(done.stderr)


def test_a_calibration_that_the_settings_overrule_says_so(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        '[listen]\nlabels = ["dog bark", "siren"]\n[rules.labels.ambulance]\nthreshold = 0.85\n'
    )
    done = edge_listen(
        "calibrate", "--config", str(config), "--bundle", str(bundle), "--json", environment=environment
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fixed"] == ["siren"]


def test_a_label_that_a_background_learned_before_makes_deaf_is_warned_of(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    site = tmp_path / "site.wav"
    soundfile.write(site, tone(1000.0, 180, 0.2), SAMPLE_RATE_HZ)
    rule = ("--bundle", str(bundle), "--config", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text("[rules]\nmargin = 0.05\n")
    done = edge_listen(
        "learn-background", "--minutes", "3", "--input", str(site), "--labels", "dog bark", *rule,
        environment=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    both = edge_listen(
        "--labels", "siren,dog bark", "--input", str(scene(tmp_path)), *rule, environment=environment
    )
    assert both.returncode == 0, both.stderr
    warnings = [line for line in both.stderr.decode().splitlines() if "enrolled and learned here" in line]
    assert len(warnings) == 1
    assert '"siren"' in warnings[0]


def test_a_sound_that_is_like_a_label_makes_neither_deaf(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = edge_listen(
        "enroll", "our siren", *rings(tmp_path, 1000.0), "--bundle", str(bundle), environment=environment
    )
    assert done.returncode == 0, done.stderr
    assert b"closest: siren" in done.stdout
    path = tmp_path / "street.wav"
    soundfile.write(path, np.concatenate([rain(4, 0.02), tone(1000, 4), rain(5, 0.02)]), SAMPLE_RATE_HZ)
    rule = tmp_path / "config.toml"
    rule.write_text('[rules.labels.siren]\nrivals = "all"\nmargin = 0.02\n')
    events = events_in(path, "siren,our siren", bundle, environment, "--config", str(rule))
    assert {event["label"] for event in events} == {"siren", "our siren"}


def test_one_recording_given_twice_is_refused(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    first, second, _ = rings(tmp_path)
    done = edge_listen(
        "enroll", "our bell", first, second, first, "--bundle", str(bundle), environment=environment
    )
    assert done.returncode == 2
    assert "ring1.wav is the same recording as ring1.wav" in the_error(done.stderr)


def test_a_labels_rate_in_the_configuration_wins_over_that_of_all(
    bundle: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[listen]\nlabels = ["dog bark"]\n[rules.labels."dog bark"]\nfalse_alarms = "0.2/h"\n')
    common = ("--config", str(config), "--bundle", str(bundle))
    done = edge_listen("calibrate", *common, "--false-alarms", "9/h", "--json", environment=environment)
    assert done.returncode == 0, done.stderr
    assert [row["asked_per_h"] for row in json.loads(done.stdout)["rows"]] == [0.2]
    own = ("--false-alarms", "9/h", "--false-alarms", "dog bark=3/h", "--json")
    done = edge_listen("calibrate", *common, *own, environment=environment)
    assert [row["asked_per_h"] for row in json.loads(done.stdout)["rows"]] == [3.0]
