"""Sound as raw PCM, from standard input or from a command's output.

Both are read as they come and never faster than they are used, so nothing is lost here: a full pipe makes its
writer wait. A writer that cannot wait (arecord, ffmpeg on a live stream) does its own dropping and says so on
its standard error.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from edge.errors import AudioSourceError, ConfigError
from edge.resampling import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, StreamingResampler
from edge.sources.command import Command
from edge.types import AudioBlock, AudioSource, Samples

SAMPLE_BYTES = {"s16le": 2, "s16be": 2, "s24le": 3, "s32le": 4, "f32le": 4, "u8": 1}
"""The encodings known here, by the names that ffmpeg gives them, and the size of a sample in each."""
MAX_CHANNELS = 64
READ_S = 0.1
STOP_CHECK_S = 0.2


@dataclass(frozen=True)
class PcmFormat:
    """What raw bytes mean.

    Attributes:
        encoding: one of `SAMPLE_BYTES`.
        sample_rate_hz: of each channel.
        n_channels: interleaved.
    """

    encoding: str
    sample_rate_hz: int
    n_channels: int

    def __post_init__(self) -> None:
        """Raises: ConfigError, naming what is out of range."""
        if self.encoding not in SAMPLE_BYTES:
            raise ConfigError(f"PCM encoding must be one of {', '.join(SAMPLE_BYTES)}, not {self.encoding!r}")
        if not LOWEST_RATE_HZ <= self.sample_rate_hz <= HIGHEST_RATE_HZ:
            raise ConfigError(
                f"PCM sample rate must be {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz, not {self.sample_rate_hz}"
            )
        if not 1 <= self.n_channels <= MAX_CHANNELS:
            raise ConfigError(f"PCM must have 1 to {MAX_CHANNELS} channels, not {self.n_channels}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return SAMPLE_BYTES[self.encoding] * self.n_channels


def parse_pcm_format(text: str) -> PcmFormat:
    """Read a format written as encoding:rate:channels, such as "s16le:48000:1".

    Raises: ConfigError.
    """
    parts = text.strip().split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts[1:]):
        raise ConfigError(
            f"PCM format {text!r} must be encoding:rate:channels, such as s16le:48000:1; "
            f"encodings are {', '.join(SAMPLE_BYTES)}"
        )
    return PcmFormat(parts[0].lower(), int(parts[1]), int(parts[2]))


def decode_pcm(data: bytes, pcm: PcmFormat) -> Samples:
    """Decode whole frames and down-mix them by the mean of the channels.

    data: a multiple of `pcm.frame_bytes` long.
    Returns: (n_frames,) float32 in [-1, 1] (f32le as it is).
    """
    channels = _channels(data, pcm.encoding).reshape(-1, pcm.n_channels)
    return np.asarray(channels.mean(axis=1), np.float32)


def _channels(data: bytes, encoding: str) -> NDArray[np.float32]:
    if encoding == "f32le":
        return np.frombuffer(data, "<f4").astype(np.float32)
    if encoding == "u8":
        return np.asarray((np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128, np.float32)
    if encoding == "s24le":
        widened = np.zeros((len(data) // 3, 4), np.uint8)
        widened[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data, encoding = widened.tobytes(), "s32le"
    dtype = {"s16le": "<i2", "s16be": ">i2", "s32le": "<i4"}[encoding]
    full_scale = np.float32(1 << (8 * np.dtype(dtype).itemsize - 1))
    return np.asarray(np.frombuffer(data, dtype).astype(np.float32) / full_scale, np.float32)


class PcmPipeSource:
    """Raw PCM from an open stream or from a command's output, down-mixed and resampled.

    Args:
        origin: a binary stream that has a file descriptor (standard input), or the command line of a program
            that writes PCM to its standard output; it is split as a shell would, but run without one.
        pcm: what the bytes mean.
        sample_rate_hz: the encoder's.
    """

    dropped_samples = 0
    backlog_s = 0.0
    waiting_for = None

    def __init__(self, origin: BinaryIO | str, pcm: PcmFormat, sample_rate_hz: int) -> None:
        self._origin = origin
        self._pcm = pcm
        self._sample_rate_hz = sample_rate_hz
        self._stopped = False
        self._reopen = False
        self._position = 0
        self._command: Command | None = None

    @property
    def name(self) -> str:
        """Of a command its command line, less the passwords in addresses: it goes into every event."""
        if isinstance(self._origin, str):
            return re.sub(r"//[^/@\s]+@", "//***@", self._origin)
        return "standard input"

    def __enter__(self) -> AudioSource:
        """Start the command, if it is one. Raises: AudioSourceError."""
        if isinstance(self._origin, str):
            self._command = Command(self._origin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """End the command, if it is one; a stream is its owner's to close."""
        if self._command is not None:
            self._command.close()
            self._command = None

    def stop(self) -> None:
        """End `blocks()` within `STOP_CHECK_S`, even where it waits for sound that never comes."""
        self._stopped = True

    def reopen(self) -> None:
        """Start the command anew, with a gap in the stream; standard input stays what it is."""
        self._reopen = self._command is not None

    def blocks(self) -> Iterator[AudioBlock | None]:
        """Yield contiguous blocks from sample 0, of what could be read at once and at most `READ_S` long.

        It yields None when nothing came for `STOP_CHECK_S`.

        Standard input has no capture times, as it may be a recording. A command's sound is taken to
        be captured when it is read: wrong by what waited in its pipe, and meaningless for a recording.

        Raises: AudioSourceError when the pipe ends within a sample or without one, or the command fails; all
            whole samples were yielded before.
        """
        while True:
            began_s, began_at = time.monotonic(), self._position
            yield from self._run()
            if not self._reopen or self._stopped:
                return
            self._reopen = False
            self.__exit__(None, None, None)
            self.__enter__()
            passed = round((time.monotonic() - began_s) * self._sample_rate_hz)
            # However short the gap, it must show.
            self._position = max(self._position + 1, began_at + passed)

    def _run(self) -> Iterator[AudioBlock | None]:
        resampler = StreamingResampler(self._pcm.sample_rate_hz, self._sample_rate_hz)
        frame_bytes = self._pcm.frame_bytes
        n_bytes, rest = 0, b""
        for chunk in self._chunks():
            if chunk is None:
                yield None
                continue
            n_bytes += len(chunk)
            data = rest + chunk
            whole = len(data) // frame_bytes * frame_bytes
            rest = data[whole:]
            captured_unix_s = self._captured_unix_s(whole // frame_bytes, resampler.delay_s)
            samples = resampler.push(decode_pcm(data[:whole], self._pcm))
            if len(samples):
                yield AudioBlock(samples, self._position, captured_unix_s)
            self._position += len(samples)
        if self._stopped or self._reopen:
            return
        captured_unix_s = self._captured_unix_s(0, resampler.delay_s)
        samples = resampler.flush()
        if len(samples):
            yield AudioBlock(samples, self._position, captured_unix_s)
        self._check_end(n_bytes, len(rest))

    def _chunks(self) -> Iterator[bytes | None]:
        stream = self._origin if self._command is None else self._command.output
        if stream is None or isinstance(stream, str):
            raise AudioSourceError(f"{self.name} is not running: use the source in a with statement")
        size = max(1, round(self._pcm.sample_rate_hz * READ_S)) * self._pcm.frame_bytes
        poll = select.poll()
        try:
            poll.register(stream.fileno(), select.POLLIN)
            while not (self._stopped or self._reopen):
                if not poll.poll(STOP_CHECK_S * 1000):
                    yield None
                    continue
                data = os.read(stream.fileno(), size)
                if not data:
                    return
                yield data
        except (OSError, ValueError) as error:
            raise AudioSourceError(f"{self.name} cannot be read: {error}") from error

    def _captured_unix_s(self, n_frames: int, delay_s: float) -> float | None:
        if self._command is None:
            return None
        return time.time() - n_frames / self._pcm.sample_rate_hz - delay_s

    def _check_end(self, n_bytes: int, n_left: int) -> None:
        if self._command is not None:
            self._command.check_exit(lambda: self._stopped)
        if n_bytes == 0:
            raise AudioSourceError(f"{self.name} ended without any sound")
        if n_left:
            raise AudioSourceError(
                f"{self.name} ended in the middle of a sample "
                f"({n_left} of {self._pcm.frame_bytes} bytes): check --pcm"
            )
