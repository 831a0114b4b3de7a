"""How long the program takes from its start to its first scored window, and how much memory it holds.

    python benchmarks/start_up.py [--bundle DIR] [--runs 5]

Runs `edge-listen` as a person does, in a process of its own, with sound on standard input as fast as it
takes it, and watches it from outside (Linux's /proc). The first window is scored when `--top` shows it.
Computing is user and system time of all its threads since the process began, the interpreter's own start
included, in steps of 10 ms. A first run, not counted, fills the disk's cache. A microphone adds PortAudio,
which is not in here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import IO

import numpy as np

import edge
from edge.bundle import load_bundle
from edge.pipeline import builtin_bundle

RATE_HZ = 48000
STREAM_S = 60.0
LAG_S = 0.1
"""What the resampler may hold back."""


@dataclass(frozen=True)
class Run:
    """What one run of the program took.

    Attributes:
        wall_s: from its start to its first scored window.
        computing_s: processor time up to then.
        steady_mib: resident memory after `STREAM_S` of sound.
        peak_mib: the most that was ever resident.
    """

    wall_s: float
    computing_s: float
    steady_mib: float
    peak_mib: float


def main() -> None:
    """Entry point."""
    options = parse_args()
    bundle = options.bundle or builtin_bundle()
    manifest = load_bundle(bundle).manifest
    run_once(bundle, manifest.window_s, manifest.hop_s)
    runs = [run_once(bundle, manifest.window_s, manifest.hop_s) for _ in range(options.runs)]
    print(f"bundle {manifest.name}; median of {len(runs)} runs (least to most)")
    for what, name, unit in (
        ("start to first scored window: computing", "computing_s", "s"),
        ("start to first scored window: wall clock", "wall_s", "s"),
        (f"resident after {STREAM_S:g} s of sound", "steady_mib", "MiB"),
        ("resident at most", "peak_mib", "MiB"),
    ):
        values = sorted(getattr(run, name) for run in runs)
        digits = 2 if unit == "s" else 1
        low, mid, high = (f"{value:.{digits}f}" for value in (values[0], median(values), values[-1]))
        print(f"{what:<42} {mid:>7} {unit:<3} ({low} to {high})")


def run_once(bundle: Path, window_s: float, hop_s: float) -> Run:
    """Start the program, feed it, read its figures and end it. Raises: RuntimeError if it fails."""
    command = [sys.executable, "-m", "edge", "--labels", "dog bark,siren", "--bundle", str(bundle)]
    command += ["--provider", "cpu", "--input", "-", "--pcm", f"s16le:{RATE_HZ}:1", "--top", "1", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(edge.__file__).resolve().parent.parent)}
    noise = 0.1 * np.random.default_rng(1).standard_normal(round(RATE_HZ * STREAM_S))
    sound = (np.clip(noise, -1, 1) * 32767).astype("<i2").tobytes()
    # So much that the program must wait for more once it has scored its first window.
    first = 2 * round(RATE_HZ * (window_s + min(LAG_S, hop_s / 2)))
    began_s = time.monotonic()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    ) as process:
        stdin, stderr = process.stdin, process.stderr
        if stdin is None or stderr is None:
            raise RuntimeError("the program was started without pipes")
        feeder = threading.Thread(target=_feed, args=(stdin, sound[:first]))
        feeder.start()
        _wait_for_windows(stderr, 1)
        wall_s = time.monotonic() - began_s
        feeder.join()
        computing_s = _computing_s(process.pid)
        feeder = threading.Thread(target=_feed, args=(stdin, sound[first:]))
        feeder.start()
        _wait_for_windows(stderr, int((STREAM_S - LAG_S - window_s) / hop_s))
        feeder.join()
        steady_mib, peak_mib = _resident_mib(process.pid)
        stdin.close()
        stderr.read()
    return Run(wall_s, computing_s, steady_mib, peak_mib)


def _feed(stdin: IO[bytes], sound: bytes) -> None:
    stdin.write(sound)
    stdin.flush()


def _wait_for_windows(stderr: IO[bytes], n_windows: int) -> None:
    """Read the lines of `--top` until so many windows were scored."""
    scored = 0
    while scored < n_windows:
        line = stderr.readline().decode()
        if not line or "error:" in line or "not scored" in line:
            raise RuntimeError(f"the program did not score the sound: {line.strip() or 'it ended'}")
        scored += " dBFS " in line


def _computing_s(pid: int) -> float:
    # Behind the name, which may hold spaces: utime and stime are fields 14 and 15 of proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> tuple[float, float]:
    """VmRSS and VmHWM."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, most = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line as a namespace."""
    parser = argparse.ArgumentParser(description="Start-up time and memory of edge-listen.")
    parser.add_argument("--bundle", type=Path, help="bundle to run (default: the built-in one)")
    parser.add_argument(
        "--runs", type=int, default=5, help="take the median of so many (default: %(default)s)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
