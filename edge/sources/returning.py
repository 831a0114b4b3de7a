"""A microphone that may be absent: waited for, opened anew when it is lost, its gaps kept in the stream."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType

from edge.errors import AudioSourceError
from edge.sources.microphone import MicrophoneSource, check_portaudio, rescan
from edge.sources.sound_cards import present_cards
from edge.sources.stderr_noise import noise_as_debug
from edge.types import AudioBlock, AudioSource

SHORTEST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
WAIT_SHARE = 0.05
"""Between tries to open it passes this share of the time that it has been away."""
HEARD_S = 2.0
"""One that is lost sooner after it came was never back: it didn't last for a window."""
STEADY_S = 10.0
"""One that is lost sooner after it came is not told of again."""
LONGEST_RESCAN_WAIT_S = 300.0
"""For devices that aren't sound cards; when cards come or go, it is done at once."""
TICK_S = 0.2
"""How often the reader is given a turn meanwhile."""

_log = logging.getLogger(__name__)


class ReturningMicrophone:
    """A microphone for months: where it is absent or fails, it is tried again until it is there.

    The stream's position goes on with the time that passed, so what was missed shows as a gap.

    Args:
        device: as for `MicrophoneSource`.
        sample_rate_hz: the encoder's.
    """

    def __init__(self, device: str | None, sample_rate_hz: int) -> None:
        self._device = device
        self._sample_rate_hz = sample_rate_hz
        self._source: MicrophoneSource | None = None
        self._name = MicrophoneSource(device, sample_rate_hz).name
        self._waiting_for: str | None = None
        # No Event: its lock may be held by the very thread that a signal handler interrupts.
        self._stopped = False
        self._reopen = False
        self._away_since_s = 0.0
        self._arrived_s = -math.inf
        self._is_told = False
        self._present: object = None
        self._rescanned_s = -math.inf
        self._dropped_before = 0
        self._offset = 0
        self._end_sample = 0
        self._end_s: float | None = None

    @property
    def name(self) -> str:
        """The microphone's name once it was open, before that the one asked for."""
        return self._name

    @property
    def dropped_samples(self) -> int:
        """Samples lost while it was there, at the encoder's sample rate."""
        return self._dropped_before + (self._source.dropped_samples if self._source else 0)

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that were recorded and not yet read."""
        return self._source.backlog_s if self._source else 0.0

    @property
    def waiting_for(self) -> str | None:
        """Why there is no microphone just now, for a person; None while there is one."""
        return self._waiting_for

    def __enter__(self) -> AudioSource:
        """Try to open it. Raises: AudioSourceError without PortAudio; ConfigError for an unusable name."""
        check_portaudio()
        self._try_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop recording."""
        self._close()

    def stop(self) -> None:
        """End `blocks()` soon."""
        self._stopped = True
        if self._source is not None:
            self._source.stop()

    def reopen(self) -> None:
        """Open the microphone anew, as it gives nothing usable."""
        self._reopen = True

    def blocks(self) -> Iterator[AudioBlock | None]:
        """Yield what is recorded, for ever; None at least every `TICK_S` while there is no sound.

        Raises: ConfigError for an unusable name.
        """
        while not self._stopped:
            if self._source is None and not self._try_open():
                yield from self._wait()
                continue
            try:
                yield from self._heard()
            except AudioSourceError as error:
                self._close()
                self._wait_for(str(error))
                yield from self._wait()

    def _heard(self) -> Iterator[AudioBlock | None]:
        source = self._source
        is_first = True
        for block in source.blocks() if source else ():
            if self._reopen:
                break
            if block is not None and is_first:
                is_first = False
                self._arrived()
                self._place_behind_gap(block)
            yield None if block is None else self._placed(block)
        if not self._stopped:
            self._close()

    def _arrived(self) -> None:
        """Only sound proves that a microphone is there: one that is broken may open all the same."""
        if self._waiting_for is None:
            return
        self._waiting_for = None
        self._arrived_s = time.monotonic()
        if self._is_told:
            _log.info("microphone %r is there", self._name)
            self._is_told = False

    def _place_behind_gap(self, block: AudioBlock) -> None:
        if self._end_s is None:
            return
        missed_s = time.monotonic() - self._end_s - len(block.samples) / self._sample_rate_hz
        # However short, it must show.
        gap = max(1, round(missed_s * self._sample_rate_hz))
        self._offset = self._end_sample + gap - block.start_sample

    def _placed(self, block: AudioBlock) -> AudioBlock:
        placed = replace(block, start_sample=block.start_sample + self._offset)
        self._end_sample = placed.start_sample + len(placed.samples)
        self._end_s = time.monotonic()
        return placed

    def _try_open(self) -> bool:
        source = MicrophoneSource(self._device, self._sample_rate_hz)
        try:
            with noise_as_debug():
                self._rescan_if_due()
                source.__enter__()
        except AudioSourceError as error:
            self._wait_for(str(error))
            return False
        self._source, self._name = source, source.name
        self._reopen = False
        return True

    def _rescan_if_due(self) -> None:
        """PortAudio knows only devices that were there when it was started; each start leaks a little."""
        present, now_s = present_cards(), time.monotonic()
        wait_s = WAIT_SHARE * (now_s - self._away_since_s)
        wait_s = min(LONGEST_RESCAN_WAIT_S, max(LONGEST_WAIT_S, wait_s))
        if present != self._present or now_s - self._rescanned_s >= wait_s:
            self._present, self._rescanned_s = present, now_s
            rescan()

    def _wait_for(self, reason: str) -> None:
        now_s = time.monotonic()
        # One with a loose contact is one absence: told once, tried ever less often.
        there_s = now_s - self._arrived_s if self._waiting_for is None else 0.0
        if there_s >= HEARD_S:
            self._away_since_s = now_s
        if there_s >= STEADY_S:
            _log.warning("waiting for the microphone: %s", reason)
            self._is_told = True
        self._waiting_for = reason

    def _close(self) -> None:
        if self._source is not None:
            source, self._source = self._source, None
            self._dropped_before += source.dropped_samples
            with noise_as_debug():
                source.__exit__(None, None, None)

    def _wait(self) -> Iterator[None]:
        now_s = time.monotonic()
        wait_s = min(LONGEST_WAIT_S, max(SHORTEST_WAIT_S, WAIT_SHARE * (now_s - self._away_since_s)))
        while (left_s := now_s + wait_s - time.monotonic()) > 0 and not self._stopped:
            yield None
            time.sleep(min(left_s, TICK_S))
