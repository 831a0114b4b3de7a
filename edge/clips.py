"""Audio clips around events: which stretch of the stream belongs to which event."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge.audio_ring import AudioRing
from edge.clip_speech import SpeechMemory
from edge.clip_store import Clip, ClipStore
from edge.clip_writer import ClipWriter
from edge.errors import ConfigError
from edge.events import EventRecord, Record
from edge.output_settings import ClipsSettings
from edge.recognizer import WindowReport
from edge.status import OutputStatus
from edge.types import AudioBlock

logger = logging.getLogger(__name__)

LAG_S = 30.0
"""How far behind the newest sound an onset may lie; if further, the beginning of its clip is missing."""
_WAITING_CLIPS = 4
"""How many clips of the longest length may wait for the disk, or as many shorter ones as last as long."""


@dataclass(frozen=True)
class _Open:
    """A clip in progress.

    Attributes:
        onset: the record of its onset.
        start_sample: where it begins.
        end_sample: where it ends, unless the stream breaks off before; until the offset, the latest possible.
    """

    onset: EventRecord
    start_sample: int
    end_sample: int


class ClipRecorder:
    """Keeps the sound around each event as a file: a sink of records that is also given blocks and windows.

    `push`, `saw` and `emit` are for the thread that listens and return at once; files are written by another.
    A block must be pushed before the windows and records that it brings about are given. Clips are ended when
    the next one comes, so blocks must be much shorter than `LAG_S`, as those of all sources are.

    Args:
        settings: which stretch, where to, how much is kept.
        sample_rate_hz: of the stream.
        speech_places: see `edge.clip_speech.speech_places`.
        state_directory: where the clips' directory is if the settings don't name one.

    Raises:
        SinkError: if the directory cannot be made or written.
        ConfigError: if clips would be cut before their event, or
            if speech is to be left out and the bundle cannot tell it.
    """

    def __init__(
        self,
        settings: ClipsSettings,
        sample_rate_hz: int,
        speech_places: Sequence[int],
        state_directory: Path,
    ) -> None:
        if settings.longest_s <= settings.before_s:
            raise ConfigError(
                f"longest_s = {settings.longest_s:g} under [clips] is no longer than "
                f"before_s = {settings.before_s:g}, so no clip would hold its event: raise it"
            )
        if settings.no_speech and not speech_places:
            raise ConfigError("this bundle has no speech prototype, so no_speech cannot work")
        self._rate_hz = sample_rate_hz
        self._before = self._n_samples(settings.before_s)
        self._after = self._n_samples(settings.after_s)
        self._longest = self._n_samples(settings.longest_s)
        # Clips in progress are only positions in the ring, so that any number of them costs nothing.
        self._ring = AudioRing(self._longest + self._n_samples(LAG_S))
        self._speech = SpeechMemory(speech_places, self._longest + self._n_samples(LAG_S))
        self._no_speech = settings.no_speech
        self._open: dict[str, _Open] = {}
        self._writer = ClipWriter(
            ClipStore(settings, sample_rate_hz, state_directory), _WAITING_CLIPS * self._longest
        )

    @property
    def status(self) -> OutputStatus:
        """How it does, as the output "clips". A clip that is left out for its speech is not counted."""
        return self._writer.status

    def push(self, block: AudioBlock) -> None:
        """Take the next block. If it doesn't go on where the last ended, the clips in progress end there."""
        if block.start_sample != self._ring.end_sample:
            self._break_off()
        # Not after it was taken: it may yet bring about the offset of a clip that is long enough to be cut.
        self._finish_those_due()
        self._ring.push(block)

    def saw(self, report: WindowReport) -> None:
        """Take the report of a window."""
        if self._no_speech:
            self._speech.saw(report)

    def emit(self, record: Record) -> None:
        """Begin or end the clip of an event. Records of health are none of its business."""
        if not isinstance(record, EventRecord):
            return
        position = self._n_samples(record.stream_s)
        if record.event == "onset":
            start = max(position - self._before, self._ring.oldest_sample)
            self._open[record.event_id] = _Open(record, start, start + self._longest)
        elif record.event_id in self._open:
            clip = self._open[record.event_id]
            end = min(clip.end_sample, position + self._after)
            self._open[record.event_id] = replace(clip, end_sample=end)

    def close(self) -> None:
        """End the clips in progress with what there is, and write them, for no longer than 10 s."""
        self._break_off()
        self._writer.close()

    def _n_samples(self, duration_s: float) -> int:
        return round(duration_s * self._rate_hz)

    def _finish_those_due(self) -> None:
        # Windows that overlap a clip's end come after its last sample.
        known_to = self._ring.end_sample
        if self._no_speech:
            known_to = min(known_to, self._speech.heard_from)
        for clip in [each for each in self._open.values() if each.end_sample <= known_to]:
            self._finish(clip)

    def _break_off(self) -> None:
        for clip in list(self._open.values()):
            self._finish(clip)
        self._speech.forget()

    def _finish(self, clip: _Open) -> None:
        del self._open[clip.onset.event_id]
        end = min(clip.end_sample, self._ring.end_sample)
        pcm = self._ring.copy(clip.start_sample, end)
        if not len(pcm):
            return
        if self._no_speech and self._speech.has_speech(clip.start_sample, end):
            logger.debug("no clip of %s (%s): speech was heard", clip.onset.label, clip.onset.event_id)
            return
        self._writer.put(Clip(clip.onset, end - len(pcm), pcm))
