"""Detected events against the sounds that were there, of one label in one stream.

Found: the event begins no sooner than a collar before the sound's onset and no later than a collar behind
its offset. On time: the event's onset is within a collar of the sound's, as event-based F1 has it. In both,
as many events and sounds as possible are matched, one to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

Pairs = tuple[tuple[int, int], ...]
"""Place of a sound and place of the event that is matched to it, by sound."""


@dataclass(frozen=True)
class Outcome:
    """What became of each sound and each event; every event is in one of the three.

    Attributes:
        found: sounds and the events that found them. If several could have, it is the first of them.
        repeats: events that begin where they would have found a sound, but another event has found it.
        false_alarms: events that begin at no sound of the label: those that overlap none, and those that had
            begun more than the collar before it did.
    """

    found: Pairs
    repeats: tuple[int, ...]
    false_alarms: tuple[int, ...]


def judge_events(
    sounds_s: Sequence[tuple[float, float]], events_s: Sequence[float], collar_s: float
) -> Outcome:
    """Which sounds were found, and what the other events are.

    sounds_s: onset and offset of each sound, in seconds.
    events_s: onset of each event, ascending.
    """
    begins = np.asarray(events_s, np.float64)
    spans = np.asarray(sounds_s, np.float64).reshape(-1, 2)
    fits = (begins >= spans[:, :1] - collar_s) & (begins <= spans[:, 1:] + collar_s)
    found = matched(fits)
    taken = {event for _, event in found}
    others = [event for event in range(len(begins)) if event not in taken]
    return Outcome(
        found,
        tuple(event for event in others if fits[:, event].any()),
        tuple(event for event in others if not fits[:, event].any()),
    )


def on_time(onsets_s: Sequence[float], events_s: Sequence[float], collar_s: float) -> Pairs:
    """Sounds whose event begins within the collar of their onset. Both in seconds, events ascending."""
    difference = np.subtract.outer(np.asarray(onsets_s, np.float64), np.asarray(events_s, np.float64))
    return matched(np.abs(difference) <= collar_s)


def matched(fits: NDArray[np.bool_]) -> Pairs:
    """As many pairs as possible, no row and no column in two; of several columns, a row has the first.

    fits: (n_rows, n_columns), what may be paired.
    """
    if not fits.any():
        return ()
    columns = maximum_bipartite_matching(csr_array(fits), perm_type="column")
    pairs: list[tuple[int, int]] = []
    free = set(range(fits.shape[1])) - {int(column) for column in columns}
    for row, column in enumerate(columns.tolist()):
        if column < 0:
            continue
        # scipy's choice among equals is arbitrary; the number of pairs stays the same.
        first = min([column, *(other for other in free if fits[row, other])])
        free = (free | {column}) - {first}
        pairs.append((row, first))
    return tuple(pairs)
