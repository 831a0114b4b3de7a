"""Prototypes kept in the state directory."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import pytest

from edge import label_cache
from edge.label_cache import keep, label_key, read_kept
from edge.prototypes import Prototype
from edge.state import state_directory

KEY = label_key("f" * 64, "int8", ["This is a sound of kettle"])


@pytest.fixture
def prototype(rng: np.random.Generator) -> Prototype:
    vector = rng.standard_normal(32).astype(np.float32)
    vector /= np.linalg.norm(vector)
    return Prototype(vector, np.array([4, 0, 9], np.intp), 0.43, -0.01, "they disagree", ("background rain",))


def test_a_prototype_comes_back_as_it_was_kept(tmp_path: Path, prototype: Prototype) -> None:
    plain = dataclasses.replace(prototype, rows=np.zeros(0, np.intp), headroom=None, note=None, kin=())
    for number, kept in enumerate((prototype, plain)):
        keep(tmp_path / "new" / "folder", f"{number}", kept)
        read = read_kept(tmp_path / "new" / "folder", f"{number}")
        assert read is not None
        assert np.array_equal(read.vector, kept.vector)
        assert read.vector.dtype == np.float32
        assert read.rows.tolist() == kept.rows.tolist()
        assert (read.threshold, read.headroom) == (kept.threshold, kept.headroom)
        assert (read.note, read.kin) == (kept.note, kept.kin)
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 2


def test_another_bundle_encoder_or_text_is_another_key() -> None:
    keys = {
        KEY,
        label_key("0" * 64, "int8", ["This is a sound of kettle"]),
        label_key("f" * 64, "fp32", ["This is a sound of kettle"]),
        label_key("f" * 64, "int8", ["This is a sound of kettles"]),
        label_key("f" * 64, "int8", ["This is a sound of kettle", "Kettle"]),
    }
    assert len(keys) == 5


def test_what_was_never_kept_is_absent(tmp_path: Path) -> None:
    assert read_kept(tmp_path / "nowhere", KEY) is None


def test_any_damage_counts_as_absent(tmp_path: Path, prototype: Prototype, rng: np.random.Generator) -> None:
    keep(tmp_path, KEY, prototype)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    damaged = [b"", b"\n", b"[]", whole[:-1], whole[: len(whole) // 2], b"\xff" + whole[1:]]
    for position in rng.integers(0, len(whole), 50):
        flipped = bytearray(whole)
        flipped[position] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    for data in damaged:
        path.write_bytes(data)
        assert read_kept(tmp_path, KEY) is None


def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, prototype: Prototype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path, _target: Path) -> Path:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="the disk is full"):
        keep(tmp_path, KEY, prototype)
    assert list(tmp_path.iterdir()) == []


def last_used(path: Path, unix_s: float) -> None:
    os.utime(path, (unix_s, unix_s))


def test_those_used_longest_ago_make_room(
    tmp_path: Path, prototype: Prototype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_cache, "MAX_FILES", 3)
    for number in range(4):
        keep(tmp_path, str(number), prototype)
        # A file system may count time in steps longer than this loop takes.
        last_used(tmp_path / f"{number}.json", number)
    assert read_kept(tmp_path, "1") is not None
    keep(tmp_path, "4", prototype)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.json", "3.json", "4.json"]


def test_a_file_that_another_process_removes_meanwhile_is_no_error(
    tmp_path: Path, prototype: Prototype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_one_that_is_gone(folder: Path, pattern: str) -> list[Path]:
        return [folder / "gone.json", *sorted(glob(folder, pattern))]

    glob = Path.glob
    monkeypatch.setattr(Path, "glob", with_one_that_is_gone)
    keep(tmp_path, KEY, prototype)
    assert read_kept(tmp_path, KEY) is not None


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path, prototype: Prototype) -> None:
    keep(tmp_path, KEY, prototype)
    abandoned, begun = tmp_path / ".new-abandoned", tmp_path / ".new-begun"
    for path in (abandoned, begun):
        path.write_bytes(b"half of")
    last_used(abandoned, time.time() - 7200)
    keep(tmp_path, KEY, prototype)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new-begun", f"{KEY}.json"]


def test_what_cannot_be_touched_is_read_all_the_same(
    tmp_path: Path, prototype: Prototype, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise PermissionError("a read-only disk")

    keep(tmp_path, KEY, prototype)
    monkeypatch.setattr(os, "utime", refuse)
    assert read_kept(tmp_path, KEY) is not None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STATE_DIRECTORY": "/var/lib/edge-listen", "XDG_STATE_HOME": "/xdg"}, "/var/lib/edge-listen"),
        ({"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}, "/var/lib/one"),
        ({"XDG_STATE_HOME": "/xdg"}, "/xdg/edge-listen"),
        ({"XDG_STATE_HOME": "not/absolute"}, "/home/ann/.local/state/edge-listen"),
        ({}, "/home/ann/.local/state/edge-listen"),
    ],
)
def test_the_state_directory_is_that_of_the_service_else_of_the_user(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/ann", **environment}.items():
        monkeypatch.setenv(name, value)
    assert state_directory() == Path(expected)
