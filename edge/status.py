"""How the program is at a moment: what the service manager, the control socket, MQTT and metrics are told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.events import EventRecord


@dataclass(frozen=True)
class OutputStatus:
    """How an output does.

    Attributes:
        name: such as "mqtt".
        n_delivered: records delivered so far.
        n_waiting: records that wait.
        n_lost: records given up, for want of room or because they were refused.
        failure: why the last try failed, in one line; None if it did not.
    """

    name: str
    n_delivered: int = 0
    n_waiting: int = 0
    n_lost: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class Status:
    """A snapshot. Counts are since the program's start.

    Attributes:
        source: what a person calls the source.
        waiting_for: what the source waits for, such as "microphone 'USB Audio' to come back"; None while
            sound comes.
        labels: the labels listened for.
        conditions: what is wrong with the hearing, keys of `edge.health.CONDITIONS`; empty when all is well.
        stream_s: position in the stream, in seconds.
        level_dbfs: of the last window; None before the first, -inf for silence.
        hop_s: seconds between windows at present.
        n_windows: windows by what became of them: "scored", "quiet", a fault, or "skipped" to keep up.
        lost_s: seconds of sound lost.
        scores: of the last window that was scored, by label listened for.
        n_events: onsets by label.
        last_event: the last onset or offset.
        outputs: of each output that isn't standard output.
        uptime_s: seconds since the loop began.
    """

    source: str
    waiting_for: str | None
    labels: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    stream_s: float = 0.0
    level_dbfs: float | None = None
    hop_s: float = 0.0
    n_windows: Mapping[str, int] = field(default_factory=dict)
    lost_s: float = 0.0
    scores: Mapping[str, float] = field(default_factory=dict)
    n_events: Mapping[str, int] = field(default_factory=dict)
    last_event: EventRecord | None = None
    outputs: tuple[OutputStatus, ...] = ()
    uptime_s: float = 0.0

    @property
    def is_well(self) -> bool:
        """Whether sound comes and nothing is wrong with it."""
        return self.waiting_for is None and not self.conditions

    def as_json_object(self) -> dict[str, object]:
        """The snapshot in JSON's types."""
        level = self.level_dbfs
        return {
            "is_well": self.is_well,
            "source": self.source,
            "waiting_for": self.waiting_for,
            "labels": list(self.labels),
            "conditions": list(self.conditions),
            "stream_s": round(self.stream_s, 3),
            "level_dbfs": None if level is None or not math.isfinite(level) else round(level, 1),
            "hop_s": self.hop_s,
            "windows": dict(self.n_windows),
            "lost_s": round(self.lost_s, 3),
            "scores": {label: round(score, 4) for label, score in self.scores.items()},
            "events": dict(self.n_events),
            "last_event": None if self.last_event is None else self.last_event.as_json_object(),
            "outputs": [vars(output) for output in self.outputs],
            "uptime_s": round(self.uptime_s, 1),
        }


class StatusListener(Protocol):
    """Is told how the program is, about once a second, by the thread that listens."""

    def tell(self, status: Status) -> None:
        """Take it and return at once."""
        ...
