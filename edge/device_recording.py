"""A few seconds from a microphone at its own rate, measured."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from edge.device_test import DeviceReport, DeviceTest
from edge.errors import AudioSourceError
from edge.sources.microphone import MicrophoneSource, list_microphones
from edge.sources.microphone_choice import Microphone, choose

START_S = 4.0
"""A sound server may take this long until its first sound."""


@dataclass(frozen=True)
class Trial:
    """A microphone to be recorded from.

    Attributes:
        microphone: which it is.
        source: the same, not opened yet, at its own rate: resampling would hide that it clips.
    """

    microphone: Microphone
    source: MicrophoneSource

    def record(self, seconds: float) -> tuple[DeviceReport, str | None]:
        """Record until there is enough or `source.stop()` is called.

        seconds: of sound; it is waited for `START_S` longer at most.
        Returns: what came, and why it ended early if it failed.
        Raises: AudioSourceError if it cannot be opened.
        """
        test = DeviceTest(self.microphone.sample_rate_hz)
        failure = None
        enough = threading.Timer(seconds + START_S, self.source.stop)
        with self.source:
            enough.start()
            try:
                for block in self.source.blocks():
                    if block is not None:
                        test.add(block, time.monotonic())
                    if test.recorded_s >= seconds:
                        break
            except AudioSourceError as error:
                failure = str(error)
            finally:
                enough.cancel()
        return test.report(self.source.dropped_samples), failure


def find_microphone(device: str | None) -> Trial:
    """The microphone that a person means. Raises: AudioSourceError, ConfigError as `choose`."""
    microphones = list_microphones()
    microphone = microphones[choose(microphones, device)]
    return Trial(microphone, MicrophoneSource(device, microphone.sample_rate_hz))
