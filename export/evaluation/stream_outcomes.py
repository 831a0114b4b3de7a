"""Scenes as the pipeline heard them → what became of each sound and of each event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from export.evaluation.event_matching import judge_events, on_time
from export.evaluation.scenes import SceneSound
from export.evaluation.stream import Emitted, HeardScene

COLLARS_S = (0.5, 1.0, 2.0)
"""Within which an event's onset is on time."""


@dataclass(frozen=True)
class SoundOutcome:
    """What became of a sound of a label listened for.

    Attributes:
        scene: which scene it was in.
        latency_s: from its onset to the end of the window that brought the event; None if it was missed.
    """

    label: str
    clip: str
    source: str
    scene: int
    background: str
    snr_db: float
    overlapped: bool
    latency_s: float | None

    @property
    def is_found(self) -> bool:
        """Whether an event found it."""
        return self.latency_s is not None


@dataclass(frozen=True)
class EventOutcome:
    """What an event was.

    Attributes:
        scene: which scene it was in.
        outcome: see `event_matching.Outcome`.
        onset_s: in the scene.
        score: the label's cosine in [-1, 1].
        on_time: those of `COLLARS_S` at which it matches a sound's onset.
        playing: what was heard in the window that brought it, by the data set's names.
    """

    label: str
    scene: int
    background: str
    outcome: Literal["found", "repeat", "false alarm"]
    onset_s: float
    score: float
    on_time: tuple[float, ...]
    playing: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of everything in the scenes.

    Attributes:
        n_scenes: how many there were.
        hours_over: how long those over each kind of background were.
        sounds: those of labels listened for.
        events: all of them.
    """

    n_scenes: int
    hours_over: Mapping[str, float]
    sounds: tuple[SoundOutcome, ...]
    events: tuple[EventOutcome, ...]

    @property
    def hours(self) -> float:
        """How long the scenes were together."""
        return sum(self.hours_over.values())

    def of(self, label: str | None) -> Outcomes:
        """Those of one label; all of them for None."""
        if label is None:
            return self
        return Outcomes(
            self.n_scenes,
            self.hours_over,
            tuple(sound for sound in self.sounds if sound.label == label),
            tuple(event for event in self.events if event.label == label),
        )


def found_collar_s(window_s: float) -> float:
    """How far outside of a sound an event that found it may begin: half a window.

    That is how far beginnings are told wrong where a window supports a label by little of its sound, or late.
    """
    return window_s / 2.0


def judge_scenes(
    scenes: Sequence[HeardScene],
    emitted: Sequence[Sequence[Emitted]],
    labels: Sequence[str],
    window_s: float,
) -> Outcomes:
    """Hold events against sounds, scene by scene and label by label.

    emitted: of each scene, what the pipeline emitted, or a replay.
    labels: those listened for.
    window_s: length of the pipeline's windows.
    """
    sounds: list[SoundOutcome] = []
    events: list[EventOutcome] = []
    for index, (scene, told) in enumerate(zip(scenes, emitted, strict=True)):
        onsets = [one for one in told if one.event.kind == "onset"]
        for label in labels:
            own = sorted((o for o in onsets if o.event.label == label), key=lambda o: o.event.onset_sample)
            there = [sound for sound in scene.sounds if sound.label == label]
            if own or there:
                judged = _Judged(index, scene, label, there, own, window_s)
                sounds += judged.sounds()
                events += judged.events()
    hours_over: dict[str, float] = {}
    for scene in scenes:
        hours_over[scene.background] = hours_over.get(scene.background, 0.0) + scene.heard.hours
    return Outcomes(len(scenes), hours_over, tuple(sounds), tuple(events))


class _Judged:
    """One label in one scene."""

    def __init__(
        self,
        index: int,
        scene: HeardScene,
        label: str,
        sounds: Sequence[SceneSound],
        events: Sequence[Emitted],
        window_s: float,
    ) -> None:
        self._index, self._scene, self._label = index, scene, label
        self._sounds, self._events, self._window_s = sounds, events, window_s
        rate_hz = scene.heard.sample_rate_hz
        spans_s = [(sound.onset_sample / rate_hz, sound.offset_sample / rate_hz) for sound in sounds]
        self._begins_s = [one.event.onset_sample / rate_hz for one in events]
        self._told_s = [one.at_sample / rate_hz for one in events]
        self._onsets_s = [onset_s for onset_s, _ in spans_s]
        self._outcome = judge_events(spans_s, self._begins_s, found_collar_s(window_s))

    def sounds(self) -> list[SoundOutcome]:
        found = dict(self._outcome.found)
        return [
            SoundOutcome(
                self._label,
                sound.clip,
                sound.source,
                self._index,
                self._scene.background,
                sound.snr_db,
                sound.overlapped,
                self._told_s[found[i]] - self._onsets_s[i] if i in found else None,
            )
            for i, sound in enumerate(self._sounds)
        ]

    def events(self) -> list[EventOutcome]:
        matched = {
            collar_s: {event for _, event in on_time(self._onsets_s, self._begins_s, collar_s)}
            for collar_s in COLLARS_S
        }
        return [
            EventOutcome(
                self._label,
                self._index,
                self._scene.background,
                self._kind(i),
                self._begins_s[i],
                one.event.score,
                tuple(collar_s for collar_s in COLLARS_S if i in matched[collar_s]),
                self._playing(self._told_s[i]),
            )
            for i, one in enumerate(self._events)
        ]

    def _kind(self, event: int) -> Literal["found", "repeat", "false alarm"]:
        if event in self._outcome.false_alarms:
            return "false alarm"
        return "repeat" if event in self._outcome.repeats else "found"

    def _playing(self, told_s: float) -> tuple[str, ...]:
        rate_hz = self._scene.heard.sample_rate_hz
        return tuple(
            sound.what
            for sound in self._scene.sounds
            if sound.onset_sample / rate_hz < told_s
            and sound.offset_sample / rate_hz > told_s - self._window_s
        )
