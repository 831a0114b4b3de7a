"""Sound from a file: anything libsndfile reads, of any rate and channel count, in short blocks."""

from __future__ import annotations

import logging
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from edge.errors import AudioSourceError
from edge.resampling import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, StreamingResampler
from edge.types import AudioBlock, Samples

BLOCK_S = 0.1
_UNKNOWN_FORMAT = 1  # SF_ERR_UNRECOGNISED_FORMAT
_UNKNOWN_LENGTH = 1 << 62
# What libsndfile notes of a WAV, AIFF or AU header that promises more than the file holds.
_PROMISED = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
# A program that writes a WAV into a pipe cannot know its size: it puts the largest that it can.
_PLACEHOLDER_BYTES = 0x7FFF_F000

_log = logging.getLogger(__name__)


class AudioFileSource:
    """An audio file, down-mixed by the mean of its channels and resampled to the encoder's rate.

    Float samples are passed on as they are, beyond full scale and not-a-number too.

    Args:
        path: a wav, flac, ogg, mp3, aiff … file.
        sample_rate_hz: the encoder's.
        realtime: give out each block only when it would have been heard had the file been played since
            `blocks()` began. Time then advances with the clock; nothing is ever dropped.
    """

    dropped_samples = 0

    def __init__(self, path: str | Path, sample_rate_hz: int, *, realtime: bool = False) -> None:
        self._path = Path(path)
        self._sample_rate_hz = sample_rate_hz
        self._realtime = realtime
        self._stopped = False
        self._file: soundfile.SoundFile | None = None

    @property
    def name(self) -> str:
        """The file's name without its directory."""
        return self._path.name

    def __enter__(self) -> AudioFileSource:  # noqa: PYI034 - so that its blocks are known to be all sound
        """Open the file and check its header. Raises: AudioSourceError."""
        _check_readable(self._path)
        file = _open(self._path)
        # soundfile seeks after each read of what it can seek in: that spoils the next block of an mp3, whose
        # frames lean on those before, and fails at the end of a flac of unknown length.
        file.seekable = lambda: False
        try:
            _check_header(self._path, file)
        except AudioSourceError:
            file.close()
            raise
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def stop(self) -> None:
        """End `blocks()` at the next block."""
        self._stopped = True

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield the whole file, in contiguous blocks from sample 0, without capture times.

        Raises: AudioSourceError when the file cannot be decoded to its end (all before that was yielded), or
            holds no sound.
        """
        if self._file is None:
            raise AudioSourceError(f"{self._path} is not open: use the source in a with statement")
        resampler = StreamingResampler(self._file.samplerate, self._sample_rate_hz)
        position = 0
        began_s = time.monotonic()
        for samples in self._resampled(self._file, resampler):
            if self._realtime:
                self._wait_until(began_s + (position + len(samples)) / self._sample_rate_hz)
            if self._stopped:
                return
            if len(samples):
                yield AudioBlock(samples, position)
            position += len(samples)

    def _resampled(self, file: soundfile.SoundFile, resampler: StreamingResampler) -> Iterator[Samples]:
        failure: soundfile.LibsndfileError | None = None
        block = np.empty((max(1, round(file.samplerate * BLOCK_S)), file.channels), np.float32)
        n_read = 0
        while failure is None:
            # The mark shows how much of a block was decoded before an error: the call itself doesn't say.
            block.fill(np.nan)
            try:
                frames = file.read(out=block)
            except soundfile.LibsndfileError as error:
                failure = error
                frames = block[: _n_decoded(block)]
            if len(frames) == 0:
                break
            n_read += len(frames)
            yield resampler.push(frames.mean(axis=1))
        yield resampler.flush()
        self._check_end(file, n_read, failure)

    def _check_end(
        self, file: soundfile.SoundFile, n_read: int, failure: soundfile.LibsndfileError | None
    ) -> None:
        read_s = n_read / file.samplerate
        if failure is not None:
            raise AudioSourceError(
                f"{self._path} is damaged: it cannot be decoded beyond {read_s:.2f} s "
                f"({_reason(failure)}); get a whole copy of it"
            )
        if n_read == 0:
            raise AudioSourceError(f"{self._path} holds no sound: its length is 0 samples")
        promised_s = file.frames / file.samplerate
        if file.frames < _UNKNOWN_LENGTH and promised_s - read_s > BLOCK_S:
            _log.warning(
                "%s is cut short: %.1f s of the %.1f s that its header promises are there",
                self._path,
                read_s,
                promised_s,
            )

    def _wait_until(self, due_s: float) -> None:
        while not self._stopped and (left_s := due_s - time.monotonic()) > 0:
            time.sleep(min(left_s, BLOCK_S))


def _check_readable(path: Path) -> None:
    try:
        status = path.stat()
        # Opening a named pipe would wait for its writer.
        if stat.S_ISREG(status.st_mode):
            path.open("rb").close()
    except FileNotFoundError:
        raise AudioSourceError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise AudioSourceError(f"{path}: permission denied; make it readable for this user") from None
    except (OSError, ValueError) as error:
        raise AudioSourceError(f"{path} cannot be read: {error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise AudioSourceError(f"{path} is a directory: name one audio file in it")
    if not stat.S_ISREG(status.st_mode):
        raise AudioSourceError(
            f"{path} is not a regular file: for a pipe use --input - with --pcm, or --input-command"
        )
    if status.st_size == 0:
        raise AudioSourceError(f"{path} is empty (0 bytes): it was never written, or its copy failed")


def _open(path: Path) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(path)
    except TypeError:
        # soundfile wants to be told the format of a file called *.raw.
        raise AudioSourceError(
            f"{path} is raw PCM without a header: pipe it in, with --input - --pcm s16le:48000:1 or as it is"
        ) from None
    except soundfile.LibsndfileError as error:
        if error.code == _UNKNOWN_FORMAT:
            raise AudioSourceError(
                f"{path} is not audio in a format known here (wav, flac, ogg, mp3, aiff …): "
                "convert it first, for example with ffmpeg"
            ) from error
        raise AudioSourceError(
            f"{path} has a damaged header ({_reason(error)}): get a whole copy of it"
        ) from error


def _check_header(path: Path, file: soundfile.SoundFile) -> None:
    if not LOWEST_RATE_HZ <= file.samplerate <= HIGHEST_RATE_HZ:
        raise AudioSourceError(
            f"{path} claims a sample rate of {file.samplerate} Hz, outside "
            f"{LOWEST_RATE_HZ}-{HIGHEST_RATE_HZ}: its header is damaged"
        )
    if file.frames == 0:
        raise AudioSourceError(f"{path} holds no sound: its length is 0 samples")
    promise = _PROMISED.search(file.extra_info)
    if promise is not None:
        promised, present = (int(size) for size in promise.groups())
        if present < promised < _PLACEHOLDER_BYTES:
            _log.warning(
                "%s is cut short: %d of the %d bytes that its header promises are there",
                path,
                present,
                promised,
            )


def _n_decoded(block: Samples) -> int:
    missing = np.isnan(block[:, 0])
    return int(missing.argmax()) if missing.any() else len(block)


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).removeprefix("Error : ").strip().rstrip(".")
