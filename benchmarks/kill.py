"""Kill -9 at random moments, with outputs on: are the files whole, and does the program come back?

    python benchmarks/kill.py [--times 200]

Takes the part of the service manager: starts the program with a notification socket, a state and a runtime
directory, feeds it scenes as fast as it takes them, kills it between its very start and a few seconds later,
and looks at what it left: lines of the file of events, clips, the next start over a stale control socket.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

import numpy as np
import soundfile

from edge.scene import DEMO_SOUNDS, demo_scene

RATE_HZ = 16000
LABELS = [sound.label for sound in DEMO_SOUNDS if sound.label is not None]
LATEST_S = 4.0
READY_S = 60.0


def main() -> None:
    """Kill it so many times, then see it come back."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--times", type=int, default=200)
    times = parser.parse_args().times
    moments = random.Random(9)
    counts = {"ready": 0, "lines": 0, "clips": 0, "unfinished clips": 0}
    sound = b"".join(
        (np.clip(demo_scene(RATE_HZ, seed)[0], -1, 1) * 32767).astype("<i2").tobytes() for seed in range(3)
    )
    with tempfile.TemporaryDirectory(prefix="kill-") as name:
        folder = Path(name)
        configure(folder)
        for number in range(times):
            program, manager = start(folder)
            feeder = feed(program, sound)
            time.sleep(moments.uniform(0.0, LATEST_S))
            program.kill()
            program.wait()
            feeder.join()
            counts["ready"] += is_ready(manager, 0.0)
            manager.close()
            look(folder, counts)
            if number % 20 == 19:
                print(f"{number + 1} killed: {counts}", flush=True)
        began_s = time.monotonic()
        program, manager = start(folder)
        if not is_ready(manager, READY_S):
            sys.exit("it did not come back")
        print(f"it came back within {time.monotonic() - began_s:.1f} s, and hears:")
        n_before = len(lines(folder))
        feeder = feed(program, sound)
        while len(lines(folder)) < n_before + 2:
            time.sleep(0.1)
        print(lines(folder)[-1])
        program.terminate()
        program.wait(timeout=30)
        feeder.join()
        manager.close()
    print(f"{times} kills, {counts}: every line and every clip whole")


def configure(folder: Path) -> None:
    """Write the configuration and make the directories that systemd would."""
    for directory in ("state", "run"):
        (folder / directory).mkdir()
    (folder / "config.toml").write_text(
        f"[listen]\nlabels = {json.dumps(LABELS)}\n"
        f'[events_file]\npath = "{folder / "events.jsonl"}"\nmax_mb = 0.02\nkeep = 3\n'
        "[clips]\nmax_mb = 20\n[metrics]\nport = 19808\n"
        '[command]\nrun = "true"\n[webhook]\nurl = "http://127.0.0.1:9/"\n'
    )


def start(folder: Path) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The program, and the socket that it notifies."""
    address = folder / "notify"
    address.unlink(missing_ok=True)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(address))
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "NOTIFY_SOCKET": str(address),
        "STATE_DIRECTORY": str(folder / "state"),
        "RUNTIME_DIRECTORY": str(folder / "run"),
    }
    command = [sys.executable, "-m", "edge", "--config", str(folder / "config.toml")]
    command += ["--input", "-", "--pcm", f"s16le:{RATE_HZ}:1"]
    with (folder / "log").open("ab") as log:
        program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, env=environment
        )
    return program, manager


def feed(program: subprocess.Popen[bytes], sound: bytes) -> threading.Thread:
    """Write the sound to the program again and again, until it is gone."""

    def write() -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):
            while program.stdin is not None and program.poll() is None:
                program.stdin.write(sound)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def is_ready(manager: socket.socket, timeout_s: float) -> bool:
    """Whether it has said so."""
    until_s = time.monotonic() + timeout_s
    manager.settimeout(max(0.001, timeout_s))
    with contextlib.suppress(TimeoutError, BlockingIOError):
        while time.monotonic() <= until_s + 0.001:
            if b"READY=1" in manager.recv(4096):
                return True
    return False


def lines(folder: Path) -> list[str]:
    """All lines of all files of events, the oldest first."""
    files = sorted(folder.glob("events.jsonl*"), key=lambda path: path.suffix, reverse=True)
    return [line for path in files for line in path.read_text().splitlines()]


def look(folder: Path, counts: dict[str, int]) -> None:
    """Exits with 1 if a line or a clip is not whole."""
    for path in folder.glob("events.jsonl*"):
        content = path.read_text()
        if content and not content.endswith("\n"):
            sys.exit(f"{path.name} ends within a line: {content[-80:]!r}")
        for line in content.splitlines():
            json.loads(line)
            counts["lines"] += 1
    for path in (folder / "state" / "clips").glob("*.flac"):
        samples, _ = soundfile.read(path)
        if not len(samples):
            sys.exit(f"{path.name} is empty")
        counts["clips"] += 1
        path.unlink()
    counts["unfinished clips"] += len(list((folder / "state" / "clips").glob(".new-*")))


if __name__ == "__main__":
    main()
