"""Counts what happens into the status that others are told."""

from __future__ import annotations

from collections import Counter

import numpy as np

from edge.events import EventRecord, Record
from edge.recognizer import WindowReport
from edge.scoring import PrototypeSet


class StatusKeeper:
    """What happened so far, and last.

    Args:
        prototypes: whose names the reports' scores are of.
        labels: those listened for.

    Attributes:
        n_windows: windows by what became of them.
        n_events: onsets by label.
        level_dbfs: of the last window; None before the first, or where it can't be told.
        last_event: the last onset or offset.
    """

    def __init__(self, prototypes: PrototypeSet, labels: tuple[str, ...]) -> None:
        self.n_windows: Counter[str] = Counter()
        self.n_events: Counter[str] = Counter()
        self.level_dbfs: float | None = None
        self.last_event: EventRecord | None = None
        self._last: WindowReport | None = None
        self.listen_for(prototypes, labels)

    def listen_for(self, prototypes: PrototypeSet, labels: tuple[str, ...]) -> None:
        """Take what is listened for from now on."""
        self.labels = labels
        self._places = [prototypes.names.index(label) for label in labels]
        self._last = None

    def saw(self, report: WindowReport) -> None:
        """Take the report of a window."""
        self.n_windows[report.state] += 1
        self.level_dbfs = None if np.isnan(report.level_dbfs) else report.level_dbfs
        if report.scores is not None:
            self._last = report

    def sent(self, record: Record) -> None:
        """Take an event that goes out."""
        if isinstance(record, EventRecord):
            self.last_event = record
            if record.event == "onset":
                self.n_events[record.label] += 1

    @property
    def scores(self) -> dict[str, float]:
        """Of the last window that was scored, by label listened for."""
        if self._last is None or self._last.scores is None:
            return {}
        return {
            label: float(self._last.scores[place])
            for label, place in zip(self.labels, self._places, strict=True)
        }
