"""The pure pipeline: blocks of a stream in, onsets and offsets of the labels listened for out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from edge.errors import ConfigError
from edge.frontend import LogMelSpec, Padding, StreamingLogMel
from edge.scoring import PrototypeSet, scores
from edge.signal_check import Fault, check
from edge.stream_time import whole_samples
from edge.trigger import TriggerRule
from edge.trigger_bank import TriggerBank
from edge.types import AudioBlock, Embedding, Encoder, LabelState, Scores, SoundEvent, Window
from edge.unknown_sound import UnknownSounds
from edge.windowing import Windower

WindowState = Literal["scored", "quiet"] | Fault
LEVEL_STRETCH_S = 0.1
"""A window is as loud as its loudest stretch of this length: short sounds pass the gate."""


@dataclass(frozen=True)
class RecognizerSettings:
    """How the stream is cut and measured. The bundle says all of it but the hop and the gate.

    Attributes:
        log_mel: the front end that the encoder was trained on.
        window_s: seconds of sound in a window.
        clip_s: seconds that the encoder takes; a shorter window is padded to it.
        hop_s: seconds between the starts of windows.
        padding: how a shorter window is padded.
        gate_dbfs: a window whose level is below this is not embedded; -inf lets all pass.
    """

    log_mel: LogMelSpec
    window_s: float
    clip_s: float
    hop_s: float
    padding: Padding
    gate_dbfs: float

    def __post_init__(self) -> None:
        """Raises: ConfigError, naming the setting that is out of range or not a whole number of samples."""
        if not self.window_hop >= 1:
            raise ConfigError("hop_s must be above 0")
        if not self.window_hop <= self.window_length:
            raise ConfigError(
                f"hop_s {self.hop_s:g} is longer than the window of {self.window_s:g} s: lower it"
            )
        if not self.window_length <= self.clip_length:
            raise ConfigError(
                f"window_s {self.window_s:g} is longer than the {self.clip_s:g} s that the encoder takes"
            )
        if self.padding not in get_args(Padding):
            raise ConfigError(f"padding must be one of {', '.join(get_args(Padding))}, not {self.padding!r}")
        if math.isnan(self.gate_dbfs):
            raise ConfigError("gate_dbfs must be a level in dBFS such as -60, not nan")

    @property
    def window_length(self) -> int:
        """Samples of a window."""
        return whole_samples(self.window_s, self.log_mel.sample_rate_hz, "window_s")

    @property
    def clip_length(self) -> int:
        """Samples that the encoder takes."""
        return whole_samples(self.clip_s, self.log_mel.sample_rate_hz, "clip_s")

    @property
    def window_hop(self) -> int:
        """Samples between windows."""
        return whole_samples(self.hop_s, self.log_mel.sample_rate_hz, "hop_s")


@dataclass(frozen=True, eq=False)
class WindowReport:
    """What became of a window.

    Attributes:
        start_sample: position of its first sample.
        end_sample: position just behind its last.
        level_dbfs: of its loudest 0.1 s, see `edge.signal_check.SignalCheck`.
        state: "scored"; or why it wasn't embedded: "quiet" (under the gate) or a fault of the signal.
        scores: (n_names,) float32 cosine in the order of the prototypes' names; None unless scored.
        supporting: the labels listened for that it supports.
        embedding: (embedding_dim,) float32 of unit norm; None unless scored.
        states: where each label listened for stands after it.
    """

    start_sample: int
    end_sample: int
    level_dbfs: float
    state: WindowState
    scores: Scores | None
    supporting: tuple[str, ...]
    embedding: Embedding | None = None
    states: tuple[LabelState, ...] = ()


class Recognizer:
    """Turns a stream into events. They are the same however the stream is cut into blocks.

    Args:
        settings: how the stream is cut and measured.
        encoder: embeds a window's log-mel.
        prototypes: of that encoder.
        rules: for each label listened for, by its name among the prototypes, when its events begin and end.
        observe: called with each window's report, in order, before the events it brings are returned.
        unknown: makes what tells of unknown sounds, given what numbers its events; None for nothing.

    Attributes:
        hear_every: of how many windows one is heard; the others are passed over, so that a machine that is
            too slow keeps up. May be set at any time; 1 hears all.
        n_skipped: how many were passed over so far.

    Raises:
        ConfigError: if a label of `rules` has no prototype, or a rule's duration isn't whole samples.
    """

    def __init__(
        self,
        settings: RecognizerSettings,
        encoder: Encoder,
        prototypes: PrototypeSet,
        rules: Mapping[str, TriggerRule],
        observe: Callable[[WindowReport], None] | None = None,
        unknown: Callable[[Iterator[int]], UnknownSounds] | None = None,
    ) -> None:
        self._settings = settings
        self._encoder = encoder
        self._prototypes = prototypes
        self._observe = observe
        self._windower = Windower(settings.window_length, settings.window_hop)
        self._log_mel = self._fresh_log_mel()
        self._had_gap = False
        self.hear_every = 1
        self.n_skipped = 0
        self._n_hops = 0
        self._has_heard = False
        self._level_stretch = round(LEVEL_STRETCH_S * settings.log_mel.sample_rate_hz)
        self._triggers = TriggerBank(prototypes, rules, settings.window_hop, settings.log_mel.sample_rate_hz)
        self._unknown = None if unknown is None else unknown(self._triggers.numbers)

    def _fresh_log_mel(self) -> StreamingLogMel:
        settings = self._settings
        return StreamingLogMel(
            settings.log_mel,
            settings.window_length,
            settings.clip_length,
            settings.window_hop,
            settings.padding,
        )

    def push(self, block: AudioBlock) -> list[SoundEvent]:
        """Take a block in.

        A block that doesn't start where the one before ended (audio was lost) ends the open events first.

        Returns: the events it brings, in the order in which their windows end; of one window, in that of
            `rules`. Events are numbered from 1 for as long as this object lives.

        Raises:
            EncoderError: if the encoder fails.
        """
        expected = self._windower.next_sample
        is_gap = expected not in {None, block.start_sample}
        self._had_gap = self._had_gap or is_gap
        events = self._end_stretch(expected) if is_gap else []
        for window in self._windower.push(block):
            self._n_hops += 1
            if self._is_heard():
                events += self._hear(window)
        return events

    def _is_heard(self) -> bool:
        # The first of a stretch is, whatever was before it.
        if not self._has_heard or self._n_hops >= self.hear_every:
            return True
        self.n_skipped += 1
        return False

    def listen_for(
        self,
        prototypes: PrototypeSet,
        rules: Mapping[str, TriggerRule],
        thresholds: Mapping[str, float] | None = None,
        site_level_dbfs: float | None = None,
    ) -> list[SoundEvent]:
        """Change what is listened for, from the next window on; no sample is lost.

        A label whose rule stays as it was goes on undisturbed, open event included.

        thresholds: of all labels, which unknown sounds must stay below.
        site_level_dbfs: the usual level, if it was learned.

        Returns: the offsets of the open events of labels that are dropped or get another rule.

        Raises:
            ConfigError: as the constructor; then nothing was changed.
        """
        events = self._triggers.listen_for(prototypes, rules, self._windower.next_sample or 0)
        self._prototypes = prototypes
        if self._unknown is not None:
            self._unknown.compare_with(prototypes.names, thresholds or {})
            self._unknown.learned(site_level_dbfs)
        return events

    def flush(self) -> list[SoundEvent]:
        """End the stream: hear what is left of it and end the open events. A push after this starts another.

        Returns: the events this brings, as `push` does.

        Raises:
            EncoderError: if the encoder fails.
        """
        end_sample = self._windower.next_sample
        events = []
        for window in self._windower.flush():
            self._n_hops += 1
            events += self._hear(window)
        self._had_gap = False
        return events + self._end_stretch(end_sample)

    def break_off(self) -> list[SoundEvent]:
        """Take that the stream has stopped for now: as `flush`, but what comes next is its continuation.

        So a scrap of sound between two breaks isn't a whole stream, which would confirm alone.
        """
        events = self.flush()
        self._had_gap = True
        return events

    def _end_stretch(self, end_sample: int | None) -> list[SoundEvent]:
        if end_sample is None:
            return []
        # Windows after a jump may happen to stand a hop behind the last: frames of before mustn't be reused.
        self._log_mel = self._fresh_log_mel()
        self._n_hops, self._has_heard = 0, False
        unknown = [] if self._unknown is None else self._unknown.close(end_sample)
        return self._triggers.close(end_sample) + unknown

    def _hear(self, window: Window) -> list[SoundEvent]:
        signal = check(window.samples, self._level_stretch)
        is_quiet = signal.level_dbfs < self._settings.gate_dbfs
        state: WindowState = signal.fault or ("quiet" if is_quiet else "scored")
        embedding = window_scores = None
        if state == "scored":
            embedding = self._encoder.encode(self._log_mel(window))
            window_scores = scores(embedding, self._prototypes)
        is_all = len(window.samples) < self._settings.window_length and not self._had_gap
        events, states = self._triggers.step(
            window.start_sample, window.end_sample, window_scores, n_hops=self._n_hops, is_all=is_all
        )
        if self._unknown is not None:
            event = self._unknown.step(
                window.start_sample, window.end_sample, signal.level_dbfs, window_scores,
                n_hops=self._n_hops, is_all=is_all,
            )  # fmt: skip
            events += [] if event is None else [event]
        self._n_hops, self._has_heard = 0, True
        if self._observe is not None:
            self._observe(
                WindowReport(
                    window.start_sample,
                    window.end_sample,
                    signal.level_dbfs,
                    state,
                    window_scores,
                    tuple(label.label for label in states if label.supports),
                    embedding,
                    states,
                )
            )
        return events
