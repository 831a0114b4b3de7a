"""All names' scores, window by window → events of the labels listened for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from edge.errors import ConfigError
from edge.scoring import PrototypeSet, rivals_of
from edge.trigger import Trigger, TriggerRule
from edge.types import Scores, SoundEvent


class TriggerBank:
    """The triggers of the labels listened for, each with its rivals among the scores.

    Args:
        prototypes: whose names the scores are of.
        rules: for each label listened for, by its name among the prototypes, when its events begin and end.
        window_hop: samples between windows.
        sample_rate_hz: of the stream.

    Raises:
        ConfigError: if a label of `rules` has no prototype, or a rule's duration isn't whole samples.
    """

    def __init__(
        self,
        prototypes: PrototypeSet,
        rules: Mapping[str, TriggerRule],
        window_hop: int,
        sample_rate_hz: int,
    ) -> None:
        for label in rules:
            if label not in prototypes.names:
                raise ConfigError(f"there is no prototype for the label {label!r}: listen for one that has")
        numbers = itertools.count(1)
        self._triggers = [
            Trigger(label, rule, window_hop, sample_rate_hz, numbers) for label, rule in rules.items()
        ]
        self._places = np.array([prototypes.names.index(label) for label in rules], np.intp)
        self._is_rival = np.zeros((len(rules), len(prototypes.names)), np.bool_)
        for row, place, rule in zip(self._is_rival, self._places, rules.values(), strict=True):
            row[rivals_of(prototypes, int(place), rule.rivals)] = True

    def step(
        self, start_sample: int, end_sample: int, scores: Scores | None, *, is_all: bool = False
    ) -> tuple[list[SoundEvent], tuple[str, ...]]:
        """Take the next window, one hop after the one before.

        Args:
            start_sample: position of the window's first sample.
            end_sample: position just behind its last.
            scores: (n_names,) float32 cosine in the order of the prototypes' names; None if the window
                wasn't embedded.
            is_all: whether there is no more of the stream than this window, so that it must confirm alone.

        Returns: the events that begin or end with this window, and the labels that it supports, both in the
            order of `rules`.
        """
        own: list[float | None] = [None] * len(self._triggers)
        best_rivals = [-math.inf] * len(self._triggers)
        if scores is not None:
            own = scores[self._places].tolist()
            best_rivals = np.where(self._is_rival, scores, -np.inf).max(axis=1, initial=-np.inf).tolist()
        events, supporting = [], []
        for trigger, score, best_rival in zip(self._triggers, own, best_rivals, strict=True):
            if score is not None and trigger.is_supported_by(score, best_rival):
                supporting.append(trigger.label)
            event = trigger.step(start_sample, end_sample, score, best_rival, is_all=is_all)
            if event is not None:
                events.append(event)
        return events, tuple(supporting)

    def close(self, end_sample: int) -> list[SoundEvent]:
        """End the stream, or a stretch of it before a gap, as `Trigger.close` does.

        Returns: the offsets of the open events, in the order of `rules`.
        """
        closed = [trigger.close(end_sample) for trigger in self._triggers]
        return [event for event in closed if event is not None]
