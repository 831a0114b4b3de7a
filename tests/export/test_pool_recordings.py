from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

pytest.importorskip("soxr")
pytest.importorskip("tqdm")
from pool_material import SETTINGS, noise

from export.pool.errors import PoolError
from export.pool.recordings import READABLE, find_recordings
from export.pool.windows import read_windows


def names(place: Path) -> list[str]:
    return [recording.name for recording in find_recordings(place)]


def touch(place: Path, *files: str) -> Path:
    for name in files:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return place


def test_audio_is_found_at_any_depth_in_the_order_of_its_names(tmp_path: Path) -> None:
    touch(tmp_path, "b.wav", "a/z.FLAC", "a/b/c.Mp3", "notes.txt", "a/labels.csv", "noending")
    recordings = find_recordings(tmp_path)
    assert [recording.name for recording in recordings] == ["a/b/c.Mp3", "a/z.FLAC", "b.wav"]
    assert recordings[0].path == tmp_path / "a/b/c.Mp3"


FORMATS = {
    "AIFF": (".aif", ".aifc", ".aiff"), "AU": (".au", ".snd"), "CAF": (".caf",), "FLAC": (".flac",),
    "MP3": (".mp3",), "OGG": (".oga", ".ogg", ".opus"), "RF64": (".rf64",), "W64": (".w64",),
    "WAV": (".bwf", ".wav", ".wave"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("container", "ending"), [(container, ending) for container in FORMATS for ending in FORMATS[container]]
)
def test_what_ends_like_audio_can_be_read(tmp_path: Path, container: str, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    soundfile.write(path, noise(1.0, 1, 48000), 48000, format=container)
    (recording,) = find_recordings(tmp_path)
    assert ending in READABLE
    assert len(list(read_windows(recording.path, SETTINGS))) == 1


def test_no_ending_is_named_that_is_not_tried_above() -> None:
    assert sorted(READABLE) == sorted(ending for endings in FORMATS.values() for ending in endings)


def test_hidden_files_and_what_macs_leave_in_zips_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "._a.wav", ".hidden/b.wav", "__MACOSX/a.wav", "in/__MACOSX/a.wav")
    assert names(tmp_path) == ["a.wav"]


def test_a_hidden_folder_can_be_the_pool_itself(tmp_path: Path) -> None:
    touch(tmp_path / ".sounds", "a.wav")
    assert names(tmp_path / ".sounds") == ["a.wav"]


def test_audio_that_soundfile_does_not_read_is_listed_so_that_it_can_be_named_later(tmp_path: Path) -> None:
    touch(tmp_path, "phone.m4a", "old.WMA")
    assert names(tmp_path) == ["old.WMA", "phone.m4a"]


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    pool = touch(tmp_path / "pool", "in/a.wav")
    touch(tmp_path / "elsewhere", "b.wav")
    (pool / "linked").symlink_to(tmp_path / "elsewhere")
    (pool / "in" / "up").symlink_to(pool)
    (pool / "c.wav").symlink_to(tmp_path / "elsewhere" / "b.wav")
    (pool / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    assert names(pool) == ["c.wav", "gone.wav", "in/a.wav", "linked/b.wav"]


def test_a_named_pipe_is_no_recording(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert names(tmp_path) == ["a.wav"]


def test_a_name_that_is_not_utf_8_can_still_be_written_down(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    try:
        Path(os.fsdecode(path)).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (recording,) = find_recordings(tmp_path)
    assert recording.name == "caf\\xe9.wav"
    assert recording.path.is_file()


def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    touch(tmp_path, "a.wav", "secret/b.wav")
    # What pytest made is for its user alone.
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "secret").chmod(0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        found = names(tmp_path)
    except (PermissionError, PoolError):
        pytest.skip("the temporary folder is closed to other users")
    finally:
        os.seteuid(was)
        (tmp_path / "secret").chmod(0o755)
    assert found == ["a.wav"]
    assert "secret cannot be listed" in caplog.text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda place: place.parent, "does not exist"),
        (lambda place: place.write_bytes(b"RIFF"), "is not a folder"),
        (lambda place: place.mkdir(), "holds no audio"),
        (lambda place: touch(place, "readme.txt"), "holds no audio"),
    ],
)
def test_what_is_no_pool_is_refused_in_one_line(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / "pool")
    with pytest.raises(PoolError, match=message) as caught:
        find_recordings(tmp_path / "pool")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "pool") in str(caught.value)
