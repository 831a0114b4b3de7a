"""Days of sound through the running program in minutes: does it leak, and does it hear what it should?

    python benchmarks/soak.py [--hours 24]

Scenes as the demo plays, in random order and at random levels, are written to the program's standard input as
fast as it takes them, with a file of events, clips, metrics and a webhook switched on. Once an hour of the
stream its resident memory, open files and threads are read. Meanwhile another process gives the same samples
to the recognizer alone, in blocks of other sizes: both must tell the same events.
"""

from __future__ import annotations

import argparse
import http.server
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np
from numpy.typing import NDArray

from edge.config import ListenConfig
from edge.pipeline import Pipeline, prepare
from edge.scene import DEMO_SOUNDS, demo_scene
from edge.types import AudioBlock, SoundEvent

N_SCENES = 24
LABELS = tuple(dict.fromkeys(sound.label for sound in DEMO_SOUNDS if sound.label is not None))
Key = tuple[str, str, float, float]


class Sound:
    """The stream, made anew each time it is asked for, the same for the same seed."""

    def __init__(self, sample_rate_hz: int, hours: float) -> None:
        self.rate_hz = sample_rate_hz
        self.n_samples = round(hours * 3600 * sample_rate_hz)
        self._scenes = [demo_scene(sample_rate_hz, seed)[0] for seed in range(N_SCENES)]

    def __iter__(self) -> Iterator[NDArray[np.int16]]:
        """Scenes as 16-bit samples, one behind the other, up to the length."""
        rng = np.random.default_rng(24)
        n_left = self.n_samples
        while n_left:
            gain = 10 ** (rng.uniform(-12, 3) / 20)
            scene = self._scenes[rng.integers(N_SCENES)][:n_left]
            n_left -= len(scene)
            yield (np.clip(gain * scene, -1, 1) * 32767).astype(np.int16)


def main() -> None:
    """Run both, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", type=float, default=24.0)
    hours = parser.parse_args().hours
    pipeline = prepare(ListenConfig(labels=LABELS))
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        reference = Path(name) / "reference.json"
        alone = multiprocessing.get_context("fork").Process(
            target=recognize, args=(pipeline, hours, reference)
        )
        alone.start()
        began_s = time.monotonic()
        told, readings, posted = run(
            Path(name), Sound(pipeline.sample_rate_hz, hours), pipeline.sample_rate_hz
        )
        took_s = time.monotonic() - began_s
        alone.join()
        expected = [tuple(each) for each in json.loads(reference.read_text())]
    report(hours, took_s, told, expected, readings, posted)


def recognize(pipeline: Pipeline, hours: float, result: Path) -> None:
    """Give the stream to the recognizer alone, in blocks of random sizes."""
    recognizer, rng = pipeline.recognizer(), np.random.default_rng(5)
    rate_hz, position, events = pipeline.sample_rate_hz, 0, []
    for scene in Sound(rate_hz, hours):
        samples = scene.astype(np.float32) / np.float32(32768)
        start = 0
        while start < len(samples):
            end = start + int(rng.integers(1, 3 * rate_hz))
            events += recognizer.push(AudioBlock(samples[start:end], position + start))
            start = end
        position += len(samples)
    events += recognizer.flush()
    keys = [(each.kind, each.label, round(at(each) / rate_hz, 3), round(each.score, 4)) for each in events]
    result.write_text(json.dumps(keys))


def at(event: SoundEvent) -> int:
    """The sample that the event tells of."""
    return event.onset_sample if event.offset_sample is None else event.offset_sample


def run(folder: Path, sound: Sound, rate_hz: int) -> tuple[list[Key], list[tuple[float, int, int, int]], int]:
    """Returns: events told; (hours, resident bytes, files, threads) read; how many the webhook got."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = folder / "config.toml"
    events = folder / "events.jsonl"
    config.write_text(
        f"[listen]\nlabels = {json.dumps(LABELS)}\n"
        f'[events_file]\npath = "{events}"\nmax_mb = 1000\n'
        f'[clips]\ndirectory = "{folder / "clips"}"\nmax_mb = 50\n'
        f'[webhook]\nurl = "http://127.0.0.1:{server.server_port}/"\nqueue = 100000\n'
        f"[metrics]\nport = {free_port()}\n"
    )
    command = [
        sys.executable,
        "-m",
        "edge",
        "--config",
        str(config),
        "--input",
        "-",
        "--pcm",
        f"s16le:{rate_hz}:1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "XDG_RUNTIME_DIR": str(folder)}
    readings, position = [], 0
    with (folder / "log").open("wb") as log:
        program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log, env=environment
        )
        for scene in sound:
            if program.stdin is None or program.poll() is not None:
                sys.exit(f"the program ended: {(folder / 'log').read_text()}")
            program.stdin.write(scene.tobytes())
            before, position = position, position + len(scene)
            if position // (3600 * rate_hz) > before // (3600 * rate_hz):
                readings.append((position / rate_hz / 3600, *read(program.pid)))
                print("{:5.1f} h  {:.1f} MiB, {} files, {} threads".format(
                    readings[-1][0], readings[-1][1] / 2**20, *readings[-1][2:]), flush=True)  # fmt: skip
        if program.stdin is not None:
            program.stdin.close()
        code = program.wait(timeout=600)
    print((folder / "log").read_text(), end="")
    if code != 0:
        sys.exit(f"the program ended with {code}")
    plain = [json.loads(line) for line in events.read_text().splitlines()]
    told = [(e["event"], e["label"], e["stream_s"], e["score"]) for e in plain if e["event"] != "health"]
    return told, readings, Counting.n_posted


class Counting(http.server.BaseHTTPRequestHandler):
    """Takes what is posted and counts it."""

    n_posted = 0

    def do_POST(self) -> None:
        """Count one."""
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).n_posted += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def free_port() -> int:
    """One that nobody listens on just now."""
    with http.server.HTTPServer(("127.0.0.1", 0), Counting) as server:
        return server.server_port


def read(pid: int) -> tuple[int, int, int]:
    """Resident bytes, open files and threads of a process."""
    process = Path("/proc") / str(pid)
    pages = int((process / "statm").read_text().split()[1])
    n_threads = len(list((process / "task").iterdir()))
    return pages * os.sysconf("SC_PAGE_SIZE"), len(list((process / "fd").iterdir())), n_threads


def report(
    hours: float,
    took_s: float,
    told: list[Key],
    expected: list[Key],
    readings: list[tuple[float, int, int, int]],
    n_posted: int,
) -> None:
    """Print what was found; exits with 1 unless the events are the same."""
    print(f"{hours:g} h of sound in {took_s / 60:.1f} min, {hours * 3600 / took_s:.0f} times real time")
    print(f"{len(told)} onsets and offsets, {n_posted} posted; the recognizer alone: {len(expected)}")
    same = told == expected
    print("the same events, at the same moments, with the same scores" if same else "NOT THE SAME EVENTS")
    if not same:
        differing = [(a, b) for a, b in zip(told, expected, strict=False) if a != b]
        print(differing[:5])
    if len(readings) > 1:
        grown = (readings[-1][1] - readings[0][1]) / 2**20
        print(
            f"resident memory grew by {grown:.2f} MiB from hour {readings[0][0]:.0f} to {readings[-1][0]:.0f}"
        )
        print(
            f"open files {readings[0][2]} to {readings[-1][2]}, threads {readings[0][3]} to {readings[-1][3]}"
        )
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
