from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("huggingface_hub")

from export.clap import hub
from export.clap.errors import CheckpointError

REPOSITORY = Path(__file__).resolve().parent.parent.parent
CONTENT = bytes(range(256)) * 100_000  # two of the parts that huggingface_hub writes at once, and some
HALF = len(CONTENT) // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class HubServer(ThreadingHTTPServer):
    """Answers as the hub does for one file, and misbehaves on demand."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.fails_after: int | None = None
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_HEAD(self) -> None:
        if self.path != "/someone/model/resolve/main/weights.pt":
            self.refuse(404, "EntryNotFound")
            return
        self.send_response(200)
        self.describe(len(self.server.content))

    def do_GET(self) -> None:
        if self.path != "/someone/model/resolve/main/weights.pt":  # the library asks for more than files
            self.refuse(404, "EntryNotFound")
            return
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if self.server.fails_after is not None and len(self.server.ranges) > 1:
            self.refuse(500, "Down")
            return
        first = int(re.findall(r"\d+", wanted)[0]) if wanted else 0
        body = self.server.content[first:]
        self.send_response(206 if wanted else 200)
        self.describe(len(body))
        self.wfile.write(body[: self.server.fails_after])
        self.close_connection = True

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def describe(self, length: int) -> None:
        self.send_header("ETag", f'"{SHA256}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HubServer]:
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(cache: Path, endpoint: str, file: str = "weights.pt", **environment: str) -> str:
    """Fetch in a process of its own, since huggingface_hub reads its settings once; what it prints."""
    code = (
        "import sys; from export.clap import hub\n"
        "from export.clap.errors import CheckpointError\n"
        f"try: print(hub.fetch('someone/model', {file!r}))\n"
        "except CheckpointError as error: print(type(error).__name__, error)\n"
    )
    settings = {
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache / "hf"),
        "XDG_CACHE_HOME": str(cache),
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, **settings, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count("\n") == 1
    return done.stdout.strip()


def test_a_download_goes_on_where_it_was_interrupted_and_is_kept(tmp_path, server):
    server.fails_after = HALF
    message = fetch(tmp_path, server.url)
    assert message.startswith("CheckpointError weights.pt cannot be downloaded")
    assert "https://huggingface.co/someone/model/resolve/main/weights.pt" in message

    server.fails_after = None
    server.ranges.clear()
    path = Path(fetch(tmp_path, server.url))
    assert len(server.ranges) == 1
    assert 0 < int((server.ranges[0] or "bytes=0-").removeprefix("bytes=").removesuffix("-")) <= HALF
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["weights.pt"]

    assert Path(fetch(tmp_path, "http://127.0.0.1:1")) == path  # nothing is asked for again


def test_a_download_that_is_damaged_on_the_way_is_thrown_away(tmp_path, server):
    server.content = bytes(len(CONTENT))
    assert "damaged on its way" in fetch(tmp_path, server.url)
    server.content = CONTENT
    assert Path(fetch(tmp_path, server.url)).read_bytes() == CONTENT


def test_a_file_that_is_not_there_is_told_from_a_hub_that_is_not(tmp_path, server):
    assert fetch(tmp_path, server.url, "other.pt") == "NotOnHubError someone/model on the hub has no other.pt"
    for message in (
        fetch(tmp_path, "http://127.0.0.1:1"),
        fetch(tmp_path, server.url, HF_HUB_OFFLINE="1"),
    ):
        assert message.startswith("CheckpointError weights.pt cannot be downloaded")
        assert (
            "download https://huggingface.co/someone/model/resolve/main/weights.pt and give its path"
            in message
        )
    assert server.ranges == []


def test_what_huggingface_hub_has_already_is_not_fetched_again(tmp_path):
    snapshot = tmp_path / "hf" / "hub" / "models--someone--model" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "weights.pt").write_bytes(CONTENT)
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "main").write_text("0" * 40)
    assert fetch(tmp_path, "http://127.0.0.1:1") == str(snapshot / "weights.pt")


def test_without_huggingface_hub_the_address_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        CheckpointError, match=r"without huggingface_hub.*resolve/main/630k-audioset-best\.pt"
    ):
        hub.fetch(hub.LAION, "630k-audioset-best.pt")


def test_published_hashes_are_whole_and_of_one_file_each():
    hashes = [published.sha256 for published in hub.PUBLISHED.values() if published.sha256]
    assert len(hashes) == len(set(hashes)) == 6
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for sha256 in hashes)
    assert hub.find_published("630k-audioset-best.pt") is hub.PUBLISHED[hub.DEFAULT]
    assert hub.find_published("630k-audioset-worst") is None
