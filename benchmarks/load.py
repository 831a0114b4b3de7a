"""Recognition in real time on a core that others keep busy: does it hold, or which steps does it take?

    python benchmarks/load.py [--seconds 60]

The program and the others share one core; noise is played into its microphone, a PulseAudio null sink. The
program is as nice as it makes itself (5), the others are not nice at all.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "daemon")]

import numpy as np
import soundfile
from program import ENVIRONMENT
from pulseaudio import NullSink, null_sink
from running import Running, running

from edge.control_client import ask

CORE = "0"
N_OTHERS = (0, 1, 4, 16, 64)


def main() -> None:
    """Measure with each number of other programs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        noise = Path(name) / "noise.wav"
        samples = 0.1 * np.random.default_rng(1).standard_normal(48000 * 600).astype(np.float32)
        soundfile.write(noise, samples, 48000)
        with null_sink(Path(name)) as sink:
            playing = sink.start_playing(noise)
            print("others  windows heard  passed over  sound lost  hop at the end  steps taken")
            for n_others in N_OTHERS:
                measure(sink, n_others, seconds)
            playing.kill()
            playing.wait()


def measure(sink: NullSink, n_others: int, seconds: float) -> None:
    """Listen for a while beside so many others; print what became of the windows."""
    environment = {**sink.environment, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}
    with running("--labels", "siren,dog bark", environment=environment) as program:
        program.await_line("listening to")
        subprocess.run(
            ["taskset", "-a", "-p", "-c", CORE, str(program.process.pid)], check=True, capture_output=True
        )
        time.sleep(5.0)
        before = status(program)
        with others(n_others):
            time.sleep(seconds)
            after = status(program)
        heard, skipped = (after["windows"][key] - before["windows"][key] for key in ("scored", "skipped"))
        lost_s = after["lost_s"] - before["lost_s"]
        steps = [
            line.split("warning: ")[1].split(" from")[0] for line in program.errors if "is heard from" in line
        ]
        print(
            f"{n_others:6d}  {heard:13d}  {skipped:11d}  {lost_s:8.1f} s  {after['hop_s']:12.2f} s  ",
            "; ".join(steps),
            flush=True,
        )


@contextlib.contextmanager
def others(number: int) -> Iterator[None]:
    """So many programs that do nothing but keep the core busy."""
    command = ["taskset", "-c", CORE, sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def status(program: Running) -> dict[str, Any]:
    """What the program says of itself."""
    os.environ["XDG_RUNTIME_DIR"] = program.environment["XDG_RUNTIME_DIR"]
    return ask("status", timeout_s=120.0)


if __name__ == "__main__":
    main()
