"""Recordings of the labels' own sounds: the windows of each that tell whether it would be found."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from edge.background import Members
from edge.calibration.alarm_levels import own_and_best_rival
from edge.scoring import PrototypeSet
from edge.trigger_rule import TriggerRule
from export.background.hearing import Heard
from export.background.label_events import MOST_WINDOWS, LabelScores, window_levels


def member_windows(
    heard: Heard, place: int, prototypes: PrototypeSet, rule: TriggerRule, hop_s: float
) -> NDArray[np.intp]:
    """The windows of a recording to keep: those that would raise its label's event first, then the best ones.

    Returns: (up to 3,) ascending places in `heard`.
    """
    own, best_rival = own_and_best_rival(heard.embeddings.astype(np.float32), place, prototypes, rule)
    n = len(own)
    scores = LabelScores(own, best_rival, np.zeros(n, np.intp), heard.position.astype(np.intp))
    levels = window_levels(scores, rule, hop_s)
    supports = own.astype(np.float64) - best_rival >= rule.margin
    is_first = np.zeros(n, np.bool_)
    if np.isfinite(levels.max(initial=-np.inf)):
        peak = int(np.argmax(levels))
        near = heard.position[peak] - heard.position < rule.within_s / hop_s - 1e-6
        is_first = near & (np.arange(n) <= peak) & supports & (own >= levels[peak])
    order = np.lexsort((-own, ~supports, ~is_first))
    return np.sort(order[:MOST_WINDOWS]).astype(np.intp)


def joined_members(
    parts: Iterable[tuple[int, Heard, NDArray[np.intp]]], embedding_dim: int, are: str
) -> Members:
    """All recordings together.

    parts: for each, its label's place, what was heard of it and which windows are kept.
    are: what they are, for a person.
    """
    kept = [(label, heard, windows) for label, heard, windows in parts if len(windows)]
    counts = [len(windows) for _, _, windows in kept]
    rows = [heard.embeddings[windows].astype(np.float32) for _, heard, windows in kept]
    positions = [heard.position[windows].astype(np.intp) for _, heard, windows in kept]
    return Members(
        embeddings=np.concatenate([np.empty((0, embedding_dim), np.float32), *rows]),
        label=np.repeat(np.array([label for label, _, _ in kept], np.intp), counts),
        recording=np.repeat(np.arange(len(kept)), counts),
        position=np.concatenate([np.empty(0, np.intp), *positions]),
        are=are,
    )
