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
        self._window_hop = window_hop
        self._sample_rate_hz = sample_rate_hz
        self._numbers = itertools.count(1)
        self._triggers: list[Trigger] = []
        self.listen_for(prototypes, rules, 0)

    def listen_for(
        self, prototypes: PrototypeSet, rules: Mapping[str, TriggerRule], end_sample: int
    ) -> list[SoundEvent]:
        """Change what is listened for. A label whose rule stays as it was goes on undisturbed.

        Args:
            prototypes: whose names the scores are of from now on.
            rules: as the constructor's.
            end_sample: how far the stream has come.

        Returns: the offsets of the open events of the labels that are dropped or get another rule.

        Raises:
            ConfigError: as the constructor; then nothing was changed.
        """
        for label in rules:
            if label not in prototypes.names:
                raise ConfigError(f"there is no prototype for the label {label!r}: listen for one that has")
        kept = {
            trigger.label: trigger for trigger in self._triggers if trigger.obeys(rules.get(trigger.label))
        }
        triggers = [
            kept.get(label) or Trigger(label, rule, self._window_hop, self._sample_rate_hz, self._numbers)
            for label, rule in rules.items()
        ]
        closed = [trigger.close(end_sample) for trigger in self._triggers if trigger.label not in kept]
        self._triggers = triggers
        self._places = np.array([prototypes.names.index(label) for label in rules], np.intp)
        self._is_rival = np.zeros((len(rules), len(prototypes.names)), np.bool_)
        for row, place, rule in zip(self._is_rival, self._places, rules.values(), strict=True):
            row[rivals_of(prototypes, int(place), rule.rivals)] = True
        return [event for event in closed if event is not None]

    def step(
        self,
        start_sample: int,
        end_sample: int,
        scores: Scores | None,
        *,
        n_hops: int = 1,
        is_all: bool = False,
    ) -> tuple[list[SoundEvent], tuple[str, ...]]:
        """Take the next window.

        Args:
            start_sample: position of the window's first sample.
            end_sample: position just behind its last.
            scores: (n_names,) float32 cosine in the order of the prototypes' names; None if the window
                wasn't embedded.
            n_hops: how many hops after the window before it stands.
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
            event = trigger.step(start_sample, end_sample, score, best_rival, n_hops=n_hops, is_all=is_all)
            if event is not None:
                events.append(event)
        return events, tuple(supporting)

    def close(self, end_sample: int) -> list[SoundEvent]:
        """End the stream, or a stretch of it before a gap, as `Trigger.close` does.

        Returns: the offsets of the open events, in the order of `rules`.
        """
        closed = [trigger.close(end_sample) for trigger in self._triggers]
        return [event for event in closed if event is not None]
