"""Which moments of background a bundle keeps, and how many each of them stands for.

A moment is what several labels' events have in common: windows that every label counts once. The moments
highest in some label's order are kept for certain, the others by lot, the rarer the lower they are, and count
for as many (Horvitz & Thompson, 1952); so a count by weights is right on average for each label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from export.background.label_events import LabelEvent

RATE_PER_H = 4.0
"""Of each label, as many events as come at this rate may be kept; what is rarer is what people ask for."""


@dataclass
class Moment:
    """Events of different labels at one time."""

    events: list[LabelEvent] = field(default_factory=list)

    def is_one_with(self, event: LabelEvent) -> bool:
        """Whether counting both would count a sound twice: the peak of one lies within the other."""
        return any(
            one.first <= event.peak <= one.last or event.first <= one.peak <= event.last
            for one in self.events
        )

    def knows(self, label: int) -> bool:
        """Whether an event of this label is in it."""
        return any(one.label == label for one in self.events)

    def distance(self, event: LabelEvent) -> int:
        """Windows between its peak and the nearest of this."""
        return min(abs(one.peak - event.peak) for one in self.events)

    @property
    def windows(self) -> list[int]:
        """Of all its events, ascending."""
        return sorted({window for event in self.events for window in event.windows})


def group_events(events: Iterable[LabelEvent], recording: NDArray[np.intp]) -> list[Moment]:
    """Put the events of all labels into moments, each label at most once in each.

    Two events of a label are two moments even where a long one of another label spans both, which then is
    counted twice: too often rather than too rarely.

    recording: (n,) which recording each window is of.
    Returns: in order of time.
    """
    by_recording: dict[int, list[Moment]] = {}
    for event in sorted(events, key=lambda e: (e.rank, e.label)):
        moments = by_recording.setdefault(int(recording[event.peak]), [])
        fitting = [m for m in moments if not m.knows(event.label) and m.is_one_with(event)]
        if fitting:
            min(fitting, key=lambda m: m.distance(event)).events.append(event)
        else:
            moments.append(Moment([event]))
    found = [moment for _, moments in sorted(by_recording.items()) for moment in moments]
    return sorted(found, key=lambda moment: moment.windows)


def inclusion_probability(moment: Moment, n_certain: float) -> float:
    """1 if one of its events is among the `n_certain` highest of its label; else the less the lower it is."""
    return min(1.0, n_certain / (1 + min(event.rank for event in moment.events)))


@dataclass(frozen=True, eq=False)
class Kept:
    """Moments that are kept.

    Attributes:
        windows: for each, its windows' places among all, ascending.
        weight: (n,) how many each stands for.
    """

    windows: Sequence[Sequence[int]]
    weight: NDArray[np.float64]

    @property
    def n_rows(self) -> int:
        """Windows in all."""
        return sum(map(len, self.windows))


def sample_moments(moments: Sequence[Moment], n_certain: float, rng: Generator) -> Kept:
    """Keep each with its own probability."""
    chances = np.array([inclusion_probability(moment, n_certain) for moment in moments])
    kept = np.flatnonzero(rng.random(len(moments)) < chances)
    return Kept([moments[number].windows for number in kept.tolist()], 1.0 / chances[kept])


def fitting_sample(moments: Sequence[Moment], n_rows: int, seed: int) -> Kept:
    """The largest sample that has no more than `n_rows` windows."""
    n_most = 1.0 + max((event.rank for moment in moments for event in moment.events), default=0)
    low, high = 0.0, n_most
    for _ in range(40):
        middle = (low + high) / 2.0
        fits = sample_moments(moments, middle, np.random.default_rng(seed)).n_rows <= n_rows
        low, high = (middle, high) if fits else (low, middle)
    whole = sample_moments(moments, n_most, np.random.default_rng(seed))
    return whole if whole.n_rows <= n_rows else sample_moments(moments, low, np.random.default_rng(seed))
