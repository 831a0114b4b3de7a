"""The program as a service manager sees it, and outputs that fail under it."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from program import ENVIRONMENT, edge_listen, the_error
from running import PATIENCE_S, Running, running, until
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, rain, tone

from edge.types import Samples


@pytest.fixture
def folder() -> Iterator[Path]:
    # A socket's path must be short, which a test's own directory may not be.
    with tempfile.TemporaryDirectory(prefix="svc-") as name:
        yield Path(name)


class Manager:
    """Takes the part of systemd: the socket that it is notified at."""

    def __init__(self, folder: Path) -> None:
        self.environment = {
            **ENVIRONMENT,
            "NOTIFY_SOCKET": str(folder / "notify"),
            "STATE_DIRECTORY": str(folder / "state"),
            "RUNTIME_DIRECTORY": str(folder / "run"),
        }
        for name in ("state", "run"):
            (folder / name).mkdir()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.settimeout(PATIENCE_S)

    def await_message(self, start: str) -> str:
        """The next message that begins so."""
        while True:
            message = self.socket.recv(65536).decode()
            if message.startswith(start):
                return message

    def is_silent(self, duration_s: float, start: str) -> bool:
        """Whether no message that begins so comes for a while."""
        until_s = time.monotonic() + duration_s
        while (left_s := until_s - time.monotonic()) > 0:
            self.socket.settimeout(left_s)
            with contextlib.suppress(TimeoutError):
                if self.socket.recv(65536).decode().startswith(start):
                    return False
        return True


@pytest.fixture
def manager(folder: Path) -> Iterator[Manager]:
    manager = Manager(folder)
    with manager.socket:
        yield manager


def pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


SIREN = pcm(np.concatenate([tone(TONES_HZ["siren"], 5), rain(6)]))
"""An onset and an offset."""


def configured(folder: Path, text: str = "", labels: str = '["siren"]') -> Path:
    config = folder / "config.toml"
    config.write_text(f"[listen]\nlabels = {labels}\n{text}")
    return config


def flags(bundle: Path, config: Path) -> list[str]:
    pcm_format = f"s16le:{SAMPLE_RATE_HZ}:1"
    return ["--bundle", str(bundle), "--config", str(config), "--input", "-", "--pcm", pcm_format]


def test_it_says_when_it_is_ready_what_it_does_that_it_lives_and_that_it_ends(
    bundle: Path, folder: Path, manager: Manager
) -> None:
    with running(*flags(bundle, configured(folder)), environment=manager.environment) as program:
        manager.await_message("READY=1")
        assert "listening for siren" in manager.await_message("STATUS=")
        program.feed(SIREN)
        manager.await_message("WATCHDOG=1")
        assert "last: siren" in _await_status(manager, "last:")
        program.process.send_signal(signal.SIGTERM)
        manager.await_message("STOPPING=1")
        assert program.process.wait(PATIENCE_S) == 0


def _await_status(manager: Manager, part: str) -> str:
    while part not in (message := manager.await_message("STATUS=")):
        pass
    return message


def test_a_program_that_is_stuck_is_not_said_to_live(bundle: Path, folder: Path, manager: Manager) -> None:
    with running(*flags(bundle, configured(folder)), environment=manager.environment) as program:
        manager.await_message("WATCHDOG=1")
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        manager.is_silent(0.1, "nothing")
        assert manager.is_silent(2.0, "WATCHDOG=1")
        program.process.send_signal(signal.SIGCONT)
        manager.socket.settimeout(PATIENCE_S)
        manager.await_message("WATCHDOG=1")


def test_when_nothing_is_heard_for_long_it_ends_to_be_started_anew(
    bundle: Path, folder: Path, manager: Manager
) -> None:
    health = "[health]\ntell_after_s = 1\nreopen_after_s = 5\nrestart_after_s = 10\n"
    with running(*flags(bundle, configured(folder, health)), environment=manager.environment) as program:
        program.feed(pcm(np.zeros(3 * SAMPLE_RATE_HZ, np.float32)))
        begun = program.event(kind="health")
        assert begun["state"] == "begun"
        assert program.process.wait(PATIENCE_S) == 5
        assert "to be started anew" in the_error("\n".join(program.errors[-1:]).encode())


def test_killed_at_random_moments_it_leaves_whole_files_and_starts_again(
    bundle: Path, folder: Path, manager: Manager
) -> None:
    moments = np.random.default_rng(4)
    events = folder / "events.jsonl"
    config = configured(folder, f'[events_file]\npath = "{events}"\nmax_mb = 0.01\n[clips]\nafter_s = 0\n')
    for _ in range(4):
        with running(*flags(bundle, config), environment=manager.environment) as program:
            manager.await_message("READY=1")
            feeder = threading.Thread(target=feed_for_ever, args=(program,))
            feeder.start()
            program.event(kind="onset")
            time.sleep(moments.uniform(0.0, 0.5))
            program.process.send_signal(signal.SIGKILL)
            program.process.wait()
            feeder.join()
        for path in folder.glob("events.jsonl*"):
            assert path.read_text().endswith("\n")
            assert all(json.loads(line) for line in path.read_text().splitlines())
        for path in (folder / "state" / "clips").glob("*.flac"):
            assert path.read_bytes().startswith(b"fLaC")


def feed_for_ever(program: Running) -> None:
    with contextlib.suppress(BrokenPipeError):
        while True:
            program.feed(SIREN)


class Receiver(http.server.BaseHTTPRequestHandler):
    """A webhook's other end: keeps what it is sent."""

    received: list[str]
    code = 204

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.code == 204:
            self.received.append(json.loads(body)["event_id"] + json.loads(body)["event"])
        self.send_response(self.code)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def receiver(received: list[str], port: int = 0, code: int = 204) -> Iterator[int]:
    handler = type("Handler", (Receiver,), {"received": received, "code": code})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_that_goes_away_and_comes_back_gets_every_event_in_order(
    bundle: Path, folder: Path, manager: Manager
) -> None:
    received: list[str] = []
    told: list[str] = []
    with receiver(received) as port:
        pass
    config = configured(
        folder, f'[webhook]\nurl = "http://127.0.0.1:{port}/"\nevents = ["onset", "offset"]\n'
    )
    with running(*flags(bundle, config), environment=manager.environment) as program:
        manager.await_message("READY=1")
        for is_there in (True, False, True, False, True):
            with receiver(received, port) if is_there else contextlib.nullcontext():
                for _ in range(2):
                    program.feed(SIREN)
                    told += [e["event_id"] + e["event"] for e in (program.event(), program.event())]
                if is_there:
                    n_told = len(told)
                    until(lambda n=n_told: len(received) == n, otherwise=lambda: f"only {received}")
    assert received == told
    assert len(set(told)) == len(told) == 20


@pytest.mark.parametrize(
    "trouble", ["webhook answers 500", "webhook hangs", "command hangs", "port taken", "no disk"]
)
def test_an_output_in_trouble_is_one_line_and_recognition_goes_on(
    bundle: Path, folder: Path, manager: Manager, trouble: str
) -> None:
    with contextlib.ExitStack() as stack:
        text, output = _troubled(trouble, stack, folder)
        events = folder / "events.jsonl"
        config = configured(folder, f'{text}[events_file]\npath = "{events}"\n')
        with running(*flags(bundle, config), environment=manager.environment) as program:
            manager.await_message("READY=1")
            for _ in range(2):
                program.feed(SIREN)
                assert [program.event()["event"], program.event()["event"]] == ["onset", "offset"]
            program.await_line(output)
            until(lambda: len(events.read_text().splitlines()) == 4)
            failing = {
                each["name"] for each in program.status()["outputs"] if each["failure"] or each["n_lost"]
            }
            assert failing == {output}
            program.process.send_signal(signal.SIGTERM)
            assert program.process.wait(PATIENCE_S) == 0
        of_output = [line for line in program.errors if f"{output}:" in line or f"{output} does" in line]
        assert 1 <= len(of_output) <= 2, "once when it begins, once for what is left at the end"


def _troubled(trouble: str, stack: contextlib.ExitStack, folder: Path) -> tuple[str, str]:
    """The configuration of an output in trouble, and its name."""
    if trouble == "webhook answers 500":
        port = stack.enter_context(receiver([], code=500))
        return f'[webhook]\nurl = "http://127.0.0.1:{port}/"\n', "webhook"
    if trouble == "command hangs":
        return '[command]\nrun = "sleep 1000"\ntimeout_s = 0.2\n', "command"
    if trouble == "no disk":
        (folder / "state" / "clips").write_text("not a directory")
        return "[clips]\n", "clips"
    taken = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = taken.getsockname()[1]
    if trouble == "port taken":
        return f"[metrics]\nport = {port}\n", "metrics"
    return f'[webhook]\nurl = "http://127.0.0.1:{port}/"\ntimeout_s = 0.5\n', "webhook"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[webhook]\nurl = "http://127.0.0.1/"\nsecret_file = "{secret}"\n', "chmod"),
        ('[mqtt]\nhost = "127.0.0.1"\nuser = "me"\npassword_file = "{secret}"\n', "chmod"),
        ('[mqtt]\nhost = "127.0.0.1"\nuser = "me"\npassword_file = "/nowhere"\n', "/nowhere"),
        ('[command]\nrun = ""\n', "run"),
        ("[mqtt]\n", "needs host"),
        ("[clips]\nmax_md = 3\n", "max_md"),
    ],
)
def test_a_wrong_configuration_is_refused_with_one_line(
    bundle: Path, folder: Path, text: str, complaint: str
) -> None:
    secret = folder / "secret"
    secret.write_text("hunter2\n")
    secret.chmod(0o644)
    done = edge_listen(*flags(bundle, configured(folder, text.format(secret=secret))))
    assert done.returncode == 2
    line = the_error(done.stderr)
    assert complaint in line
    assert "hunter2" not in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_configuration_that_may_not_be_read_is_one_line(bundle: Path, folder: Path) -> None:
    config = configured(folder)
    config.chmod(0)
    done = edge_listen(*flags(bundle, config))
    assert done.returncode == 2
    assert str(config) in the_error(done.stderr)


def test_a_service_is_ready_without_a_microphone_and_lives_on(
    bundle: Path, folder: Path, manager: Manager
) -> None:
    # A PortAudio that finds nothing, as on a machine without a sound card.
    (folder / "sounddevice.py").write_text(
        "class PortAudioError(Exception): pass\n"
        "class default: device = (-1, -1)\n"
        "def query_devices(*_): return []\n"
        "def query_hostapis(*_): return []\n"
        "def _terminate(): pass\n"
        "def _initialize(): pass\n"
    )
    path = os.pathsep.join([str(folder), ENVIRONMENT["PYTHONPATH"]])
    environment = {**manager.environment, "PYTHONPATH": path}
    with running(
        "--bundle", str(bundle), "--config", str(configured(folder)), environment=environment
    ) as program:
        manager.await_message("READY=1")
        assert "no microphone was found" in manager.await_message("STATUS=")
        for _ in range(3):
            manager.await_message("WATCHDOG=1")
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(PATIENCE_S) == 0
