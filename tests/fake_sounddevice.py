"""Stands in for sounddevice, and through it for PortAudio: the test plugs in, pulls out, and calls back."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from edge.types import Samples

NATIVE_HZ = 48000


class PortAudioError(Exception):
    """Stands in for sounddevice's."""


def device(name: str, n_channels: int = 1, rate_hz: float = NATIVE_HZ) -> dict[str, Any]:
    return {"name": name, "hostapi": 0, "max_input_channels": n_channels, "default_samplerate": rate_hz}


@dataclass
class FakeStream:
    """A stream whose callback the test calls, as PortAudio's thread would."""

    settings: dict[str, Any]
    refuses_to_start: bool = False
    active: bool = False
    closed: bool = False
    clock_s: float = 100.0

    def start(self) -> None:
        if self.refuses_to_start:
            raise PortAudioError("Error starting stream: Unanticipated host error\nALSA error -16")
        self.active = True

    def close(self) -> None:
        self.active, self.closed = False, True

    def hear(self, samples: Samples, *, overflow: bool = False, age_s: float | None = 0.08) -> None:
        """One call back. An age of None is a backend that does not know the time."""
        n_channels = self.settings["channels"]
        frames = np.repeat(samples[:, None], n_channels, axis=1)
        captured_s = 0.0 if age_s is None else self.clock_s - age_s
        times = SimpleNamespace(inputBufferAdcTime=captured_s, currentTime=self.clock_s)
        self.settings["callback"](frames, len(frames), times, SimpleNamespace(input_overflow=overflow))
        frames[:] = np.nan  # PortAudio uses its buffer again


@dataclass
class FakeSoundDevice:
    """The few names of sounddevice that are used.

    Attributes:
        devices: those there are. Known are those that there were when it was initialized last.
    """

    devices: list[dict[str, Any]]
    default_input: int = 0
    refuses_to_open: bool = False
    refuses_to_start: bool = False
    refuses_to_initialize: bool = False
    streams: list[FakeStream] = field(default_factory=list)
    n_initialized: int = 0
    PortAudioError = PortAudioError

    def __post_init__(self) -> None:
        self._initialize()

    def _initialize(self) -> None:
        self.n_initialized += 1
        self._is_initialized = not self.refuses_to_initialize
        if self.refuses_to_initialize:
            raise PortAudioError("Error initializing PortAudio: Unanticipated host error [PaErrorCode -9999]")
        self._known = list(self.devices)

    def _terminate(self) -> None:
        assert all(stream.closed for stream in self.streams), "an open stream would be pulled away"
        if not self._is_initialized:
            raise PortAudioError(
                "Error terminating PortAudio: PortAudio not initialized [PaErrorCode -10000]"
            )
        self._is_initialized = False

    @property
    def default(self) -> SimpleNamespace:
        return SimpleNamespace(device=(self.default_input if self._known else -1, -1))

    def query_devices(self) -> list[dict[str, Any]]:
        if not self._is_initialized:
            raise PortAudioError("Error querying devices: PortAudio not initialized [PaErrorCode -10000]")
        return self._known

    def query_hostapis(self) -> tuple[dict[str, Any], ...]:
        return ({"name": "ALSA"},)

    def InputStream(self, **settings: Any) -> FakeStream:  # noqa: N802 - sounddevice's name
        if self.refuses_to_open:
            raise PortAudioError("Error opening InputStream: Invalid sample rate [PaErrorCode -9997]")
        assert len(self.streams) < 100, "it is opened over and over"
        self.streams.append(FakeStream(settings, self.refuses_to_start))
        return self.streams[-1]
