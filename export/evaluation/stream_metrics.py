"""What became of sounds and events → recall, precision, F1, latency and false alarms, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.evaluation.cluster_bootstrap import quantile_interval, ratio_interval
from export.evaluation.intervals import Interval, rate_interval, share_by_source, share_interval
from export.evaluation.stream_outcomes import COLLARS_S, Outcomes, SoundOutcome

POOLED = "all together"
"""Stands where a label's name does."""


@dataclass(frozen=True)
class OnTime:
    """Event-based figures: an event counts if its onset is within the collar of a sound's, one to one.

    Attributes:
        collar_s: how far from it.
        precision: of the events; None if there were none. Repeats count against it as false alarms do.
        recall: of the sounds; None if there were none.
        f1: 2 · matched / (events + sounds); None if there were neither.
    """

    collar_s: float
    precision: Interval | None
    recall: Interval | None
    f1: Interval | None


@dataclass(frozen=True)
class Latency:
    """Seconds from a found sound's onset to the end of the window that brought the event."""

    median_s: Interval
    p90_s: Interval


@dataclass(frozen=True)
class FalseAlarms:
    """Events at no sound of their label.

    Attributes:
        n: how many.
        hours: in how long.
        per_hour: with the exact interval of a Poisson count, or by bootstrap where they come in bursts.
    """

    n: int
    hours: float
    per_hour: Interval


@dataclass(frozen=True)
class Figures:
    """Of one label in the scenes, or of all labels together.

    Attributes:
        label: its name, or `POOLED`.
        n_sounds: sounds of it that were played.
        n_sources: recordings that these are of.
        n_found: of these, how many an event found.
        recall: their share.
        on_time: at each of `COLLARS_S`.
        latency: None if nothing was found.
        n_repeats: further events at a sound that was found already.
        false_alarms: over all the scenes.
    """

    label: str
    n_sounds: int
    n_sources: int
    n_found: int
    recall: Interval | None
    on_time: tuple[OnTime, ...]
    latency: Latency | None
    n_repeats: int
    false_alarms: FalseAlarms


@dataclass(frozen=True)
class Part:
    """Recall of a part of the sounds, such as those at 0 dB."""

    what: str
    value: str
    n_sounds: int
    n_sources: int
    n_found: int
    recall: Interval


def figures(outcomes: Outcomes, label: str | None) -> Figures:
    """The figures of a label; of all together for None."""
    of_label = outcomes.of(label)
    kinds = [event.outcome for event in of_label.events]
    return Figures(
        label=POOLED if label is None else label,
        n_sounds=len(of_label.sounds),
        n_sources=_n_sources(of_label.sounds),
        n_found=sum(sound.is_found for sound in of_label.sounds),
        recall=recall_of(of_label.sounds),
        on_time=tuple(_on_time(of_label, collar_s) for collar_s in COLLARS_S),
        latency=_latency(of_label.sounds),
        n_repeats=kinds.count("repeat"),
        false_alarms=alarms_in_scenes(outcomes, None) if label is None else _alarms_of(of_label),
    )


def alarms_in_scenes(outcomes: Outcomes, background: str | None) -> FalseAlarms:
    """Of all labels together, in the scenes over one background, or in all.

    One clip is in several scenes and may raise several labels, so these come in bursts: the interval is by
    bootstrap over scenes; exact where there are none.
    """
    hours = outcomes.hours if background is None else outcomes.hours_over[background]
    scenes = [
        event.scene
        for event in outcomes.events
        if event.outcome == "false alarm" and background in (None, event.background)
    ]
    n_scenes = round(outcomes.n_scenes * hours / outcomes.hours)  # all are of one length
    counts = np.unique(np.array(scenes, np.intp), return_counts=True)[1].astype(np.float64)
    by_scene = np.concatenate([counts, np.zeros(n_scenes - len(counts))])
    per_hour = ratio_interval(by_scene, np.full(n_scenes, hours / n_scenes)) if scenes else None
    return FalseAlarms(len(scenes), hours, per_hour or rate_interval(0, hours))


def _alarms_of(outcomes: Outcomes) -> FalseAlarms:
    n = sum(event.outcome == "false alarm" for event in outcomes.events)
    return false_alarms(n, outcomes.hours)


def recall_of(sounds: Sequence[SoundOutcome]) -> Interval | None:
    """Share of sounds found, by bootstrap over their sources; None if there are no sounds."""
    if not sounds:
        return None
    found = np.array([sound.is_found for sound in sounds], np.float64)
    return share_by_source(found, [sound.source for sound in sounds])


def _n_sources(sounds: Sequence[SoundOutcome]) -> int:
    return len({sound.source for sound in sounds})


def false_alarms(n: int, hours: float) -> FalseAlarms:
    """So many in so many hours, each for itself."""
    return FalseAlarms(n, hours, rate_interval(n, hours))


def recall_by_part(sounds: Sequence[SoundOutcome]) -> tuple[Part, ...]:
    """Recall by SNR, by background, and with and without another sound over it."""
    by_snr = sorted(sounds, key=lambda sound: sound.snr_db)
    by_background = sorted(sounds, key=lambda sound: sound.background)
    by_overlap = sorted(sounds, key=lambda sound: sound.overlapped)
    return (
        *_parts("SNR", by_snr, lambda sound: f"{sound.snr_db:g} dB"),
        *_parts("background", by_background, lambda sound: sound.background),
        *_parts("another sound", by_overlap, lambda sound: "overlaps" if sound.overlapped else "none"),
    )


def _parts(what: str, sounds: Sequence[SoundOutcome], value_of: Callable[[SoundOutcome], str]) -> list[Part]:
    parts = []
    for value in dict.fromkeys(map(value_of, sounds)):
        own = [sound for sound in sounds if value_of(sound) == value]
        recall = recall_of(own)
        if recall is not None:
            n_found = sum(sound.is_found for sound in own)
            parts.append(Part(what, value, len(own), _n_sources(own), n_found, recall))
    return parts


def _on_time(outcomes: Outcomes, collar_s: float) -> OnTime:
    def by_scene(scenes: list[int]) -> NDArray[np.float64]:
        return np.bincount(np.array(scenes, np.intp), minlength=outcomes.n_scenes).astype(np.float64)

    events = by_scene([event.scene for event in outcomes.events])
    matched = by_scene([event.scene for event in outcomes.events if collar_s in event.on_time])
    sounds = by_scene([sound.scene for sound in outcomes.sounds])
    return OnTime(
        collar_s,
        precision=_share_by_scene(matched, events),
        recall=_share_by_scene(matched, sounds),
        f1=ratio_interval(2.0 * matched, events + sounds),
    )


def _share_by_scene(hits: NDArray[np.float64], all_: NDArray[np.float64]) -> Interval | None:
    """A share by bootstrap over scenes; exact where it is 0 or 1, as resampling would show no spread."""
    if all_.sum() and hits.sum() in {0.0, all_.sum()}:
        return share_interval(int(hits.sum()), int(all_.sum()))
    return ratio_interval(hits, all_)


def _latency(sounds: Sequence[SoundOutcome]) -> Latency | None:
    found = [(sound.latency_s, sound.source) for sound in sounds if sound.latency_s is not None]
    if not found:
        return None
    latencies_s = np.array([latency_s for latency_s, _ in found])
    _, owners = np.unique([source for _, source in found], return_inverse=True)
    return Latency(quantile_interval(latencies_s, owners, 0.5), quantile_interval(latencies_s, owners, 0.9))
