"""Finding a pool by name: soundata's calls are answered by archives that lie here."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError

import pytest

from export.pool.errors import PoolError
from export.pool.fetch import PAGES, fetch, find_pool
from export.pool.recordings import find_recordings


@dataclass
class Remote:
    """Of soundata's `RemoteFileMetadata`, what is used."""

    filename: str
    url: str
    checksum: str


@dataclass
class Server:
    """Stands for soundata and what it downloads from.

    Attributes:
        folder: what it serves.
        remotes: what the one data set consists of.
        downloaded: names asked for so far.
        failure: raised in the middle of the next download.
    """

    folder: Path
    remotes: dict[str, Remote | list[Remote]] = field(default_factory=dict)
    downloaded: list[str] = field(default_factory=list)
    failure: BaseException | None = None

    def initialize(self, dataset_name: str, data_home: str) -> types.SimpleNamespace:
        assert dataset_name in PAGES
        return types.SimpleNamespace(remotes=self.remotes, data_home=data_home)

    def download_from_remote(self, remote: Remote, save_dir: str, force_overwrite: bool) -> str:  # noqa: FBT001
        self.downloaded.append(remote.filename)
        assert force_overwrite
        Path(save_dir).mkdir(parents=True, exist_ok=True)
        served, copy = self.folder / remote.filename, Path(save_dir, remote.filename)
        if self.failure is not None:
            copy.write_bytes(served.read_bytes()[:50])
            failure, self.failure = self.failure, None
            raise failure
        shutil.copy(served, copy)
        if hashlib.md5(copy.read_bytes()).hexdigest() != remote.checksum:  # noqa: S324
            raise OSError(f"{copy} has an MD5 checksum\n differing from expected")
        return str(copy)

    def serve(self, name: str) -> Remote:
        path = self.folder / name
        return Remote(name, path.as_uri(), hashlib.md5(path.read_bytes()).hexdigest())  # noqa: S324


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server(tmp_path / "served")
    server.folder.mkdir()
    module = types.ModuleType("soundata")
    utils = types.ModuleType("soundata.download_utils")
    module.initialize = server.initialize  # type: ignore[attr-defined]
    module.download_utils = utils  # type: ignore[attr-defined]
    utils.download_from_remote = server.download_from_remote  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "soundata", module)
    monkeypatch.setitem(sys.modules, "soundata.download_utils", utils)
    return server


def zip_file(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def serve_esc50(server: Server) -> None:
    files = {f"ESC-50-master/audio/1-10000{n}-A-0.wav": b"sound %d" % n for n in range(3)}
    zip_file(server.folder / "ESC-50-master.zip", files)
    server.remotes = {"all": server.serve("ESC-50-master.zip")}


def test_a_folder_is_taken_as_it_is_even_if_it_is_called_like_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "esc50").mkdir()
    assert find_pool("esc50", tmp_path / "downloads") == Path("esc50")
    assert find_pool(str(tmp_path), tmp_path / "downloads") == tmp_path


@pytest.mark.parametrize("pool", ["nothing", "esc-50", ""])
def test_what_is_neither_folder_nor_name_is_told_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if not pool:
        pool = str(tmp_path / "a.wav")
        Path(pool).touch()
    both = "folder of recordings, or one of esc50, urbansound8k, fsd50k"
    with pytest.raises(PoolError, match=both) as caught:
        find_pool(pool, tmp_path / "downloads")
    assert repr(pool) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_is_downloaded_unpacked_and_tidied_up(tmp_path: Path, server: Server) -> None:
    serve_esc50(server)
    folder = find_pool("ESC50", tmp_path / "downloads")
    assert folder == tmp_path / "downloads" / "esc50"
    assert [r.name for r in find_recordings(folder)] == [
        f"ESC-50-master/audio/1-10000{n}-A-0.wav" for n in range(3)
    ]
    assert [path.name for path in folder.iterdir()] == ["ESC-50-master"]


def test_the_second_time_nothing_is_downloaded(tmp_path: Path, server: Server) -> None:
    serve_esc50(server)
    fetch("esc50", tmp_path)
    fetch("esc50", tmp_path)
    assert server.downloaded == ["ESC-50-master.zip"]


def test_an_archive_that_an_interrupt_left_behind_is_removed(tmp_path: Path, server: Server) -> None:
    serve_esc50(server)
    left = fetch("esc50", tmp_path) / "ESC-50-master.zip"
    left.touch()
    fetch("esc50", tmp_path)
    assert not left.exists()


def test_a_tar_is_unpacked_too(tmp_path: Path, server: Server) -> None:
    with tarfile.open(server.folder / "UrbanSound8K.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo("UrbanSound8K/audio/fold1/1-0-0-0.wav")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"sound"))
    server.remotes = {"all": server.serve("UrbanSound8K.tar.gz")}
    folder = fetch("urbansound8k", tmp_path)
    assert (folder / "UrbanSound8K" / "audio" / "fold1" / "1-0-0-0.wav").read_bytes() == b"sound"


@pytest.mark.parametrize(
    "failure",
    [URLError("Name or service not known"), TimeoutError("timed out"), OSError(28, "No space left")],
)
def test_a_download_that_fails_says_what_to_do_by_hand_and_is_made_again(
    tmp_path: Path, server: Server, failure: Exception
) -> None:
    serve_esc50(server)
    server.failure = failure
    with pytest.raises(PoolError, match="run this again to go on, or download it from") as caught:
        fetch("esc50", tmp_path)
    assert PAGES["esc50"] in str(caught.value)
    assert "--pool" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(find_recordings(fetch("esc50", tmp_path))) == 3


def test_after_an_interrupt_what_is_whole_is_not_downloaded_again(tmp_path: Path, server: Server) -> None:
    for name in ("one", "two", "three"):
        zip_file(server.folder / f"{name}.zip", {f"{name}/{name}.wav": name.encode()})
    server.remotes = {name: server.serve(f"{name}.zip") for name in ("one", "two")}
    fetch("fsd50k", tmp_path)
    server.remotes["three"] = server.serve("three.zip")
    server.failure = KeyboardInterrupt()
    server.downloaded.clear()
    with pytest.raises(KeyboardInterrupt):
        fetch("fsd50k", tmp_path)
    assert not (tmp_path / "fsd50k" / "three").exists()
    folder = fetch("fsd50k", tmp_path)
    assert server.downloaded == ["three.zip", "three.zip"]
    assert [r.name for r in find_recordings(folder)] == ["one/one.wav", "three/three.wav", "two/two.wav"]


def test_an_interrupt_while_unpacking_leaves_no_folder_that_looks_whole(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_esc50(server)
    extract = zipfile.ZipFile.extractall

    def interrupted(archive: zipfile.ZipFile, into: Path) -> None:
        archive.extract(archive.infolist()[0], into)
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "extractall", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch("esc50", tmp_path)
    assert not (tmp_path / "esc50" / "ESC-50-master").exists()
    monkeypatch.setattr(zipfile.ZipFile, "extractall", extract)
    assert len(find_recordings(fetch("esc50", tmp_path))) == 3
    assert server.downloaded == ["ESC-50-master.zip"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"other"), "MD5"),
        (lambda path: zip_file(path, {"other/a.wav": b"sound"}), "holds no folder ESC-50-master"),
        (lambda path: path.write_bytes(b"no zip"), "not a zip file"),
    ],
)
def test_an_archive_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, server: Server, damage: Callable[[Path], object], message: str
) -> None:
    serve_esc50(server)
    damage(server.folder / "ESC-50-master.zip")
    if message != "MD5":
        server.remotes = {"all": server.serve("ESC-50-master.zip")}
    with pytest.raises(PoolError, match=message) as caught:
        fetch("esc50", tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "esc50" / "ESC-50-master").exists()


def test_without_soundata_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundata", None)
    with pytest.raises(PoolError, match=r'pip install "edge-listen\[datasets\]"'):
        fetch("esc50", tmp_path)


def serve_parts(server: Server) -> dict[str, bytes]:
    """A zip in parts, as FSD50K comes, of which one entry straddles two parts."""
    if shutil.which("zip") is None:
        pytest.skip("the program zip makes and joins archives in parts")
    source = server.folder / "source" / "FSD50K.dev_audio"
    source.mkdir(parents=True)
    sounds = {f"{n}.wav": os.urandom(40_000) for n in range(5)}
    for name, data in sounds.items():
        (source / name).write_bytes(data)
    subprocess.run(
        ["zip", "-q", "-r", "-s", "64k", "../FSD50K.dev_audio.zip", "FSD50K.dev_audio"],
        cwd=source.parent, check=True,
    )  # fmt: skip
    parts = sorted(path.name for path in server.folder.glob("FSD50K.dev_audio.z*"))
    assert len(parts) == 4
    server.remotes = {"FSD50K.dev_audio": [server.serve(name) for name in (parts[-1], *parts[:-1])]}
    return sounds


def test_an_archive_in_parts_is_joined(tmp_path: Path, server: Server) -> None:
    sounds = serve_parts(server)
    folder = fetch("fsd50k", tmp_path / "downloads")
    for name, data in sounds.items():
        assert (folder / "FSD50K.dev_audio" / name).read_bytes() == data
    assert [path.name for path in folder.iterdir()] == ["FSD50K.dev_audio"]


def test_parts_that_cannot_be_joined_are_told_of_in_one_line(tmp_path: Path, server: Server) -> None:
    serve_parts(server)
    parts = server.remotes["FSD50K.dev_audio"]
    assert isinstance(parts, list)
    (server.folder / parts[-1].filename).write_bytes(b"other")
    parts[-1] = server.serve(parts[-1].filename)
    with pytest.raises(PoolError, match="fsd50k could not be fetched") as caught:
        fetch("fsd50k", tmp_path / "downloads")
    assert "\n" not in str(caught.value)


def test_an_archive_in_parts_needs_the_program_zip(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_parts(server)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PoolError, match="apt install zip"):
        fetch("fsd50k", tmp_path / "downloads")
    assert not server.downloaded  # Tens of gigabytes, in vain.


def test_with_soundata_itself_a_download_and_one_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("soundata")
    from soundata.datasets import esc50  # noqa: PLC0415 - may not be installed

    server = Server(tmp_path / "served")
    server.folder.mkdir()
    serve_esc50(server)
    served = server.serve("ESC-50-master.zip")
    monkeypatch.setattr(esc50.REMOTES["all"], "checksum", served.checksum)
    monkeypatch.setattr(esc50.REMOTES["all"], "url", "file:///nothing/there")
    with caplog.at_level(logging.INFO), pytest.raises(PoolError, match="esc50 could not be fetched"):
        fetch("esc50", tmp_path)
    assert "broken-link" not in caplog.text
    monkeypatch.setattr(esc50.REMOTES["all"], "url", served.url)
    # What an interrupt leaves behind.
    partial = tmp_path / "esc50" / ".partial"
    partial.mkdir(exist_ok=True)
    (partial / "ESC-50-master.zip").write_bytes(b"half")
    assert len(find_recordings(fetch("esc50", tmp_path))) == 3


def test_soundata_knows_each_data_set_by_the_name_used_here() -> None:
    soundata = pytest.importorskip("soundata")
    assert set(PAGES) <= set(soundata.list_datasets())
    for name in PAGES:
        for remote in soundata.initialize(name, data_home="unused").remotes.values():
            for part in remote if isinstance(remote, list) else [remote]:
                assert part.filename
                assert part.checksum
