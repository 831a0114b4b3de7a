"""`edge-listen overlay`, and what is answered to it."""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from overlay_material import (
    CREATED,
    ENCODER,
    OTHER_ENCODER,
    assert_same,
    full_overlay,
    names,
    own_sound,
    with_sound,
)

from edge.commands import overlay as command
from edge.control_client import MAX_ANSWER_BYTES
from edge.control_server import MAX_REQUEST_BYTES
from edge.errors import BundleError, ConfigError, LabelError, SinkError, SoundError
from edge.overlay import answers as overlay_commands
from edge.overlay.content import Overlay
from edge.overlay.file import MAX_OVERLAY_BYTES, overlay_bytes, parse_overlay
from edge.overlay.options import add_overlay_options
from edge.overlay.store import OverlayStore

Run = Callable[..., list[str]]


@pytest.fixture
def store(tmp_path: Path) -> OverlayStore:
    return OverlayStore(tmp_path / "state")


def accept(_: Overlay) -> None:
    """Whatever it is."""


@pytest.fixture
def run(store: OverlayStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command on `store` and returns what it prints."""

    def ask_or_do(
        name: str, arguments: Mapping[str, object], _config: object, _flags: object
    ) -> dict[str, object]:
        done = {
            "overlay-show": lambda: overlay_commands.show(store, ENCODER),
            "overlay-export": lambda: overlay_commands.export_(store, ENCODER),
            "overlay-import": lambda: overlay_commands.import_(
                store, ENCODER, arguments["data"], arguments["where"], accept
            ),
            "overlay-rollback": lambda: overlay_commands.roll_back(store, ENCODER, accept),
        }[name]()
        answer: dict[str, object] = json.loads(json.dumps(done))  # as it comes over the socket
        return answer

    monkeypatch.setattr(command, "ask_or_do", ask_or_do)

    def run(*arguments: str | Path) -> list[str]:
        parser = argparse.ArgumentParser()
        add_overlay_options(parser)
        assert command.run(parser.parse_args([str(argument) for argument in arguments])) == 0
        return capsys.readouterr().out.splitlines()

    return run


def test_it_says_when_nothing_was_added(run: Run) -> None:
    assert run() == ["nothing was added to this bundle: see edge-listen enroll, calibrate, learn-background"]


def test_it_shows_what_was_added(run: Run, store: OverlayStore) -> None:
    store.change(ENCODER, lambda _: full_overlay())
    for name in ("our kettle", "Our_Doorbell"):
        store.change(OTHER_ENCODER, lambda before, name=name: with_sound(before, name))  # type: ignore[misc]
    expected = [
        '"our doorbell": threshold 0.70, enrolled on 2024-05-01 from ring0.wav, ring1.wav',
        '"das Öltor": threshold -0.25, enrolled on 2024-05-01 from ring0.wav',
        "background of this place: 3 prototypes, learned on 2024-05-01 from 30 minutes at -52 dBFS",
        "dog bark: calibrated for 0.5 an hour",
        "our doorbell: calibrated for 2 an hour",
        "to undo the last change: edge-listen overlay rollback",
        '"our kettle" was enrolled with another encoder: enrol it anew',
    ]
    assert run() == run("show") == expected


def test_json_is_the_whole_answer(run: Run, store: OverlayStore) -> None:
    store.change(ENCODER, lambda _: full_overlay())
    (line,) = run("--json")
    answer = json.loads(line)
    (generation,) = answer.pop("generations")
    assert generation == vars(store.generations(ENCODER)[0])
    assert answer == {
        "encoder": ENCODER,
        "sounds": [
            {
                "name": "our doorbell",
                "clips": ["ring0.wav", "ring1.wav"],
                "threshold": 0.7,
                "created": CREATED,
            },
            {"name": "das Öltor", "clips": ["ring0.wav"], "threshold": -0.25, "created": CREATED},
        ],
        "site": {"created": CREATED, "heard_s": 1800.5, "level_dbfs": -52.25, "n_prototypes": 3},
        "false_alarms": {"dog bark": 0.5, "our doorbell": 2.0},
        "elsewhere": [],
    }


def test_names_of_clips_can_not_move_the_cursor(run: Run, store: OverlayStore) -> None:
    sound = own_sound("our doorbell", 1)
    vile = type(sound)(
        sound.name, sound.vectors, sound.made_from, ("a\x1b[2J\n.wav",), 0.5, "\x1b[2J" + CREATED
    )
    store.change(ENCODER, lambda _: Overlay(ENCODER, (vile,)))
    assert all(line.isprintable() for line in run())


def test_what_is_exported_can_be_imported_and_taken_back(
    run: Run, store: OverlayStore, tmp_path: Path
) -> None:
    store.change(ENCODER, lambda _: full_overlay())
    path = tmp_path / "mine.overlay"
    assert run("export", path) == [f"wrote {path}, {path.stat().st_size} bytes"]
    assert_same(parse_overlay(path.read_bytes(), "file"), full_overlay())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine.overlay", "state"]
    store.change(ENCODER, lambda _: Overlay(ENCODER, (own_sound("our kettle"),)))
    assert run("import", path)[0].startswith('"our doorbell"')
    assert_same(store.read(ENCODER), full_overlay())
    assert run("rollback")[0].startswith('"our kettle"')
    assert names(store.read(ENCODER)) == ["our kettle"]


def test_export_answers_in_json_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.overlay"
    (line,) = run("export", path, "--json")
    assert json.loads(line) == {"file": str(path), "size_bytes": path.stat().st_size}


def test_export_replaces_no_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.overlay"
    path.write_text("dear diary")
    with pytest.raises(SinkError, match=r"mine\.overlay exists already, and is not replaced"):
        run("export", path)
    assert path.read_text() == "dear diary"
    with pytest.raises(SinkError, match=r"nowhere/mine\.overlay cannot be written"):
        run("export", tmp_path / "nowhere" / "mine.overlay")


def test_import_says_what_is_wrong_with_a_file(run: Run, store: OverlayStore, tmp_path: Path) -> None:
    def refusal(path: Path) -> str:
        with pytest.raises(BundleError) as caught:
            run("import", path)
        assert str(caught.value).startswith(str(path))
        return str(caught.value)

    assert "does not exist" in refusal(tmp_path / "nowhere")
    assert "is not a file" in refusal(tmp_path)
    path = tmp_path / "mine.overlay"
    path.write_bytes(overlay_bytes(full_overlay(OTHER_ENCODER)))
    assert "from another encoder" in refusal(path)
    path.write_bytes(overlay_bytes(full_overlay())[:-1])
    assert "damaged" in refusal(path)
    with path.open("wb") as file:
        file.truncate(MAX_OVERLAY_BYTES * 1000)
    assert "larger than 8 MiB" in refusal(path)
    assert store.generations(ENCODER) == []


@pytest.mark.parametrize("arguments", [["export"], ["import"], ["show", "x"], ["rollback", "x"]])
def test_a_file_is_named_where_one_is_needed_and_only_there(run: Run, arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match="file"):
        run(*arguments)


def test_rolling_back_nothing_is_an_error(run: Run) -> None:
    with pytest.raises(SoundError, match="nothing to go back to"):
        run("rollback")


def test_an_answer_for_data_that_are_no_file_is_an_error(store: OverlayStore) -> None:
    for data, where in ((None, "x"), ("", None), (7, "x")):
        with pytest.raises(ConfigError, match="an import takes data"):
            overlay_commands.import_(store, ENCODER, data, where, accept)
    for data in ("?", "AAA", "ä"):
        with pytest.raises(ConfigError, match="x arrived damaged"):
            overlay_commands.import_(store, ENCODER, data, "x", accept)


def test_an_import_can_be_refused_before_anything_has_changed(store: OverlayStore) -> None:
    def refuse(overlay: Overlay) -> None:
        assert_same(overlay, full_overlay())
        raise LabelError("our kettle is listened for")

    data = base64.b64encode(overlay_bytes(full_overlay())).decode()
    with pytest.raises(LabelError, match="our kettle is listened for"):
        overlay_commands.import_(store, ENCODER, data, "x", refuse)
    assert store.generations(ENCODER) == []


def test_the_largest_overlay_fits_into_a_request_and_an_answer() -> None:
    assert min(MAX_REQUEST_BYTES, MAX_ANSWER_BYTES) > MAX_OVERLAY_BYTES * 4 / 3 + 4096
