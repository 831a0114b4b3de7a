"""A private PulseAudio whose default microphone hears what is played into its null sink."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
START_S = 15.0


@dataclass(frozen=True)
class NullSink:
    """A running server.

    Attributes:
        environment: for child processes: their ALSA default device and PulseAudio server are this one.
    """

    environment: dict[str, str]

    def play(self, wav: Path) -> None:
        """Play a file into the sink; returns when it has been played."""
        subprocess.run(["paplay", str(wav)], env=self.environment, check=True, timeout=120)

    def unplug(self) -> None:
        """Take the sink, and with it the microphone, away."""
        listed = self._pactl("list", "short", "modules")
        (number,) = [line.split()[0] for line in listed.splitlines() if "module-null-sink" in line]
        self._pactl("unload-module", number)

    def plug_in(self) -> None:
        """Bring it back."""
        self._pactl("load-module", "module-null-sink", "sink_name=fake")

    def _pactl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["pactl", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return done.stdout

    def start_playing(self, wav: Path) -> subprocess.Popen[bytes]:
        """Begin to play a file into the sink."""
        return subprocess.Popen(["paplay", str(wav)], env=self.environment)


@contextlib.contextmanager
def null_sink(tmp_path: Path) -> Iterator[NullSink]:
    """Run PulseAudio with its configuration under `tmp_path`; skip the test where it is not installed."""
    for program in ("pulseaudio", "paplay", "pactl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (apt install pulseaudio pulseaudio-utils)")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".asoundrc").write_text(ASOUNDRC)
    # The socket's path must be short, which a test's own directory may not be.
    with tempfile.TemporaryDirectory(prefix="pulse-") as runtime:
        environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_RUNTIME_DIR": runtime,
            "PULSE_SERVER": f"unix:{runtime}/pulse/native",
            "PULSE_SINK": "fake",
            "PULSE_SOURCE": "fake.monitor",
        }
        log = tmp_path / "pulseaudio.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1",
                 "-L", "module-native-protocol-unix", "-L", "module-null-sink sink_name=fake"],
                env=environment, stdout=output, stderr=output,
            )  # fmt: skip
        try:
            _wait_until_ready(server, environment, log)
            yield NullSink(environment)
        finally:
            server.terminate()
            server.wait(timeout=10)


def _wait_until_ready(server: subprocess.Popen[bytes], environment: dict[str, str], log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s and server.poll() is None:
        listed = subprocess.run(
            ["pactl", "list", "short", "sources"],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if "fake.monitor" in listed.stdout:
            return
        time.sleep(0.1)
    pytest.fail(f"pulseaudio did not come up: {log.read_text(errors='replace')[-500:]}")
