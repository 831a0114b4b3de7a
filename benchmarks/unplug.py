"""How long recognition takes to resume after the microphone is pulled out and plugged in again.

    python benchmarks/unplug.py [--times 50]

A PulseAudio null sink is the microphone: it is unloaded and loaded again under the running program. Counted
is the time from loading it until the program says that a window was scored; a window alone takes 2.5 s.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "daemon")]

from program import ENVIRONMENT
from pulseaudio import NullSink, null_sink
from running import Running, running, until

from edge.control_client import ask


def main() -> None:
    """Set it up and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--times", type=int, default=50)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as name:
        noise = Path(name) / "noise.wav"
        samples = 0.1 * np.random.default_rng(1).standard_normal(48000 * 3600).astype(np.float32)
        soundfile.write(noise, samples, 48000)
        with null_sink(Path(name)) as sink:
            environment = {**sink.environment, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}
            with running("--labels", "siren", environment=environment) as program:
                measure(program, sink, noise, times)


def measure(program: Running, sink: NullSink, noise: Path, times: int) -> None:
    """Pull it out and plug it in so many times; print what each took."""
    program.await_line("listening to")
    memory = []
    took_s = []
    for number in range(times):
        away_s = float(np.random.default_rng(number).uniform(0.0, 8.0))
        sink.unplug()
        time.sleep(away_s)
        until(lambda: status(program)["waiting_for"] is not None)
        n_before = status(program)["windows"]["scored"] if number else 0
        sink.plug_in()
        plugged_in_s = time.monotonic()
        playing = sink.start_playing(noise)
        until(lambda n=n_before: status(program)["windows"].get("scored", 0) > n)
        took_s.append(time.monotonic() - plugged_in_s)
        playing.kill()
        playing.wait()
        memory.append(resident_mib(program.process.pid))
        print(
            f"{number + 1:3d}  away {away_s:4.1f} s  resumed after {took_s[-1]:.1f} s  {memory[-1]:.1f} MiB"
        )
    print(f"{times} times: median {np.median(took_s):.1f} s, longest {max(took_s):.1f} s; ", end="")
    early, late = memory[min(4, times - 1)], memory[-1]
    print(f"resident memory {early:.1f} MiB after the 5th, {late:.1f} MiB after the last")


def status(program: Running) -> dict[str, Any]:
    """What the program says of itself."""
    # Asked directly: a process for each question would take the time that is to be measured.
    os.environ["XDG_RUNTIME_DIR"] = program.environment["XDG_RUNTIME_DIR"]
    return ask("status")


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    main()
