"""From what was heard of all recordings to the background that a bundle keeps of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.background import Background, Members
from edge.calibration.alarm_levels import own_and_best_rival
from edge.calibration.expectation import FLOOR_BELOW_BUNDLE
from edge.scoring import PrototypeSet
from edge.trigger_rule import TriggerRule
from export.background.hearing import Heard
from export.background.label_events import LabelEvent, LabelScores, label_events, window_levels
from export.background.moments import RATE_PER_H, Kept, fitting_sample, group_events
from export.background.rest import sample_rest

LEAST_RATE_PER_H = 1.0
"""Of each label so many events may be kept even where no threshold comes down to them."""
MOMENT_ROWS = 2100
REST_STRETCHES = 200
_SEED = 1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of all recordings that were scored.

    Attributes:
        embeddings: (n, dim) float16, unit L2 norms.
        recording: (n,) intp, ascending: which recording each is of.
        position: (n,) intp, number of each in its recording.
        n_recordings: how many there were.
        duration_s: of all together.
    """

    embeddings: NDArray[np.float16]
    recording: NDArray[np.intp]
    position: NDArray[np.intp]
    n_recordings: int
    duration_s: float


def all_windows(heard: Sequence[Heard]) -> Windows:
    """Put the recordings behind one another."""
    return Windows(
        embeddings=np.concatenate([one.embeddings for one in heard]),
        recording=np.repeat(np.arange(len(heard)), [len(one.position) for one in heard]),
        position=np.concatenate([one.position for one in heard]).astype(np.intp),
        n_recordings=len(heard),
        duration_s=sum(one.duration_s for one in heard),
    )


def select_background(
    windows: Windows,
    prototypes: PrototypeSet,
    rules: Mapping[int, TriggerRule],
    hop_s: float,
    members: Members,
    encoder_sha256: str,
) -> Background:
    """Choose the moments nearest to an alarm of a label, and a sample of the rest.

    prototypes: of the encoder that made the embeddings.
    rules: by the label's place, as they are by default.
    """
    events, is_near = _events(windows, prototypes, rules, hop_s)
    moments = group_events(events, windows.recording)
    kept = fitting_sample(moments, MOMENT_ROWS, _SEED)
    stretch = max(math.ceil(rule.within_s / hop_s - 1e-6) for rule in rules.values())
    rest = sample_rest(
        windows.embeddings, windows.recording, windows.position, is_near, stretch, REST_STRETCHES, _SEED
    )
    logger.info(
        "%d moments of %d kept, and %d stretches of the rest; %d windows of %d",
        len(kept.windows), len(moments), len(rest.windows), kept.n_rows + rest.n_rows, len(is_near),
    )  # fmt: skip
    return _background(windows, kept, rest, hop_s, members, encoder_sha256)


def _events(
    windows: Windows, prototypes: PrototypeSet, rules: Mapping[int, TriggerRule], hop_s: float
) -> tuple[list[LabelEvent], NDArray[np.bool_]]:
    """The highest events of every label, and which windows come up to any of them."""
    hours = windows.duration_s / 3600.0
    embeddings = windows.embeddings.astype(np.float32)
    events: list[LabelEvent] = []
    is_near = np.zeros(len(embeddings), np.bool_)
    for place, rule in rules.items():
        own, best_rival = own_and_best_rival(embeddings, place, prototypes, rule)
        scores = LabelScores(own, best_rival, windows.recording, windows.position)
        levels = window_levels(scores, rule, hop_s)
        found = label_events(place, scores, levels, rule, hop_s, math.ceil(RATE_PER_H * hours))
        floor = rule.on_threshold - FLOOR_BELOW_BUNDLE
        found = [e for e in found if e.rank < LEAST_RATE_PER_H * hours or e.level >= floor]
        if found:
            events += found
            is_near |= levels >= found[-1].level
    return events, is_near


def _background(
    windows: Windows, moments: Kept, rest: Kept, hop_s: float, members: Members, encoder_sha256: str
) -> Background:
    together = [*moments.windows, *rest.windows]
    weights = np.concatenate([moments.weight, rest.weight])
    order = sorted(range(len(together)), key=lambda number: list(together[number]))
    rows = np.array([window for number in order for window in together[number]], np.intp)
    counts = [len(together[number]) for number in order]
    return Background(
        embeddings=windows.embeddings[rows].astype(np.float32),
        moment=np.repeat(np.arange(len(order)), counts),
        position=windows.position[rows],
        weight=weights[order].astype(np.float32),
        recording=windows.recording[[together[number][0] for number in order]],
        n_recordings=windows.n_recordings,
        duration_s=windows.duration_s,
        hop_s=hop_s,
        members=members,
        encoder_sha256=encoder_sha256,
    )
