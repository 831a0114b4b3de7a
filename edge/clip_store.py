"""The directory of clips: FLAC files written whole, no more of them and no older than was asked for."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import soundfile

from edge.audio_ring import Pcm16
from edge.errors import SinkError
from edge.events import EventRecord
from edge.labels import fold
from edge.output_settings import ClipsSettings
from edge.times import rfc3339, utc

_UNFINISHED = ".new-clip-"
_ABANDONED_S = 60.0
"""Nobody writes a file for this long: whoever began it was killed. A reload has two at work for a while."""
_OURS = re.compile(r"(\d{8}T\d{6}Z|\d{6,}\.\d{3}s)_[^_/]+_[0-9a-f]{8}-\d+\.flac")
_MB = 1_000_000
_DAY_S = 86400.0
_MAX_SLUG = 40


@dataclass(frozen=True, eq=False)
class Clip:
    """The sound around an event.

    Attributes:
        onset: the record of its onset.
        start_sample: position of the clip's first sample in the stream.
        pcm: (n_samples,) int16 mono.
    """

    onset: EventRecord
    start_sample: int
    pcm: Pcm16


class ClipStore:
    """Writes clips into a directory, and deletes the oldest. Other files in there are left alone.

    Args:
        settings: where to, and how much may lie there.
        sample_rate_hz: of the clips.
        state_directory: where the directory is if the settings don't name one.

    Raises:
        SinkError: if the directory cannot be made or written.
    """

    def __init__(self, settings: ClipsSettings, sample_rate_hz: int, state_directory: Path) -> None:
        self.directory = settings.directory or state_directory / "clips"
        self._max_bytes = round(settings.max_mb * _MB)
        self._max_age_s = settings.max_days * _DAY_S
        self._sample_rate_hz = sample_rate_hz
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.directory).close()
            self.tidy()
        except OSError as error:
            raise SinkError(
                f"clips cannot be kept in {self.directory} ({error.strerror or error}): "
                "make it writable, or name another as directory under [clips]"
            ) from error

    def write(self, clip: Clip) -> Path:
        """Write a clip, whole or not at all, after making room for it.

        Raises: OSError; SinkError if it is larger than all clips together may be.
        """
        content = _flac(clip, self._sample_rate_hz)
        if len(content) > self._max_bytes:
            raise SinkError(
                f"a clip of {len(content) / _MB:.1f} MB is more than max_mb = {self._max_bytes / _MB:g}"
            )
        self.tidy(room_for_bytes=len(content))
        path = self.directory / file_name(clip.onset)
        descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=self.directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)  # else a power cut could leave the new name with nothing behind it
            Path(unfinished).replace(path)
        except OSError:
            Path(unfinished).unlink(missing_ok=True)
            raise
        return path

    def tidy(self, room_for_bytes: int = 0) -> None:
        """Delete clips that are too old, the oldest until there is room, and what was left unfinished.

        Raises: OSError.
        """
        self._remove_abandoned()
        clips = []
        for path in self.directory.iterdir():
            if _OURS.fullmatch(path.name):
                with suppress(FileNotFoundError):  # a person deleted it just now
                    stat = path.stat()
                    clips.append((stat.st_mtime, path.name, stat.st_size))
        oldest_unix_s = time.time() - self._max_age_s
        excess = sum(size for _, _, size in clips) + room_for_bytes - self._max_bytes
        for changed_unix_s, name, size in sorted(clips):
            if changed_unix_s >= oldest_unix_s and excess <= 0:
                break
            (self.directory / name).unlink(missing_ok=True)
            excess -= size

    def _remove_abandoned(self) -> None:
        for path in self.directory.glob(f"{_UNFINISHED}*"):
            with suppress(FileNotFoundError):  # it was finished just now
                if path.stat().st_mtime < time.time() - _ABANDONED_S:
                    path.unlink()


def file_name(onset: EventRecord) -> str:
    """When the event began, its label and its id, such as 20261126T030405Z_dog-bark_64db6170-1.flac.

    Where there is no time, the position in the stream: 000072.440s_dog-bark_64db6170-1.flac.
    """
    when = f"{onset.stream_s:010.3f}s"
    if onset.time is not None:
        when = f"{utc(onset.time.timestamp()):%Y%m%dT%H%M%SZ}"
    slug = re.sub(r"[\W_]+", "-", fold(onset.label))[:_MAX_SLUG].strip("-") or "sound"
    return f"{when}_{slug}_{onset.event_id}.flac"


def _flac(clip: Clip, sample_rate_hz: int) -> bytes:
    # In memory first: libsndfile doesn't tell of every write that failed.
    buffer = io.BytesIO()
    told = clip.onset.as_json_object() | {"clip_start_s": round(clip.start_sample / sample_rate_hz, 3)}
    with soundfile.SoundFile(buffer, "w", sample_rate_hz, 1, "PCM_16", format="FLAC") as file:
        file.title = clip.onset.label
        file.comment = json.dumps(told)
        file.software = "edge-listen"
        if clip.onset.time is not None:
            file.date = rfc3339(clip.onset.time)
        file.write(clip.pcm)
    return buffer.getvalue()
