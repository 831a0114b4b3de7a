"""All names' scores, window by window → events of the labels listened for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from edge.errors import ConfigError
from edge.scoring import PrototypeSet, rivals_of
from edge.trigger import Trigger, TriggerRule
from edge.types import LabelState, Scores, SoundEvent


class TriggerBank:
    """The triggers of the labels listened for, each with its rivals among the scores.

    Args:
        prototypes: whose names the scores are of.
        rules: for each label listened for, by its name among the prototypes, when its events begin and end.
        window_hop: samples between windows.
        sample_rate_hz: of the stream.

    Attributes:
        numbers: gives each event of the stream its number.

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
        self.numbers = itertools.count(1)
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

        Returns: what `close` returns, of the labels that are dropped or get another rule.

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
            kept.get(label) or Trigger(label, rule, self._window_hop, self._sample_rate_hz, self.numbers)
            for label, rule in rules.items()
        ]
        closed = [
            event
            for trigger in self._triggers
            if trigger.label not in kept
            for event in trigger.close(end_sample)
        ]
        self._triggers = triggers
        self._names = prototypes.names
        self._places = np.array([prototypes.names.index(label) for label in rules], np.intp)
        self._is_rival = np.zeros((len(rules), len(prototypes.names)), np.bool_)
        for row, place, rule in zip(self._is_rival, self._places, rules.values(), strict=True):
            row[rivals_of(prototypes, int(place), rule.rivals)] = True
        return closed

    def step(
        self,
        start_sample: int,
        end_sample: int,
        scores: Scores | None,
        *,
        n_hops: int = 1,
        is_all: bool = False,
    ) -> tuple[list[SoundEvent], tuple[LabelState, ...]]:
        """Take the next window.

        Args:
            start_sample: position of the window's first sample.
            end_sample: position just behind its last.
            scores: (n_names,) float32 cosine in the order of the prototypes' names; None if the window
                wasn't embedded.
            n_hops: how many hops after the window before it stands.
            is_all: whether there is no more of the stream than this window, so that it must confirm alone.

        Returns: the events that begin or end with this window, and where each label stands after it, both in
            the order of `rules`.
        """
        n_labels = len(self._triggers)
        own: list[float | None] = [None] * n_labels
        best_rivals = [-math.inf] * n_labels
        rivals: list[str | None] = [None] * n_labels
        if scores is not None:
            own = scores[self._places].tolist()
            of_rivals = np.where(self._is_rival, scores, -np.inf)
            places = of_rivals.argmax(axis=1)
            best_rivals = of_rivals[np.arange(n_labels), places].tolist()
            rivals = [
                self._names[place] if best > -math.inf else None
                for place, best in zip(places.tolist(), best_rivals, strict=True)
            ]
        events, states = [], []
        for trigger, score, best, rival in zip(self._triggers, own, best_rivals, rivals, strict=True):
            event = trigger.step(start_sample, end_sample, score, best, n_hops=n_hops, is_all=is_all)
            if event is not None:
                events.append(event)
            states.append(trigger.state(score, rival, best))
        return events, tuple(states)

    def close(self, end_sample: int) -> list[SoundEvent]:
        """End the stream, or a stretch of it before a gap, as `Trigger.close` does.

        Returns: the offsets of the open events, in the order of `rules`; behind its onset, where an event is
            told only now.
        """
        return [event for trigger in self._triggers for event in trigger.close(end_sample)]
