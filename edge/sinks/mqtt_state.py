"""What stands at the broker about this device, so that whoever asks later learns how it is now."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence

from edge.events import EventRecord
from edge.sinks import home_assistant
from edge.sinks.mqtt_topics import MqttTopics
from edge.status import Status

LEVEL_EVERY_S = 10.0
LEVEL_STEP_DB = 1.0
LOWEST_DBFS = -120.0
"""What stands for silence and all below: JSON and sensors know no infinity."""

Put = Callable[[str, str], None]
"""Takes a topic and the message that stands there from now on; an empty one takes what stood there away."""


class MqttState:
    """The retained messages of a device, all but its availability. Not safe for threads.

    Args:
        topics: the device's.
        labels: those listened for.
        discovery: labels → Home Assistant's discovery messages by topic.
        publish: told each message that changed.
    """

    def __init__(
        self,
        topics: MqttTopics,
        labels: Sequence[str],
        discovery: Callable[[Sequence[str]], dict[str, str]],
        publish: Put,
    ) -> None:
        self._topics = topics
        self._discovery = discovery
        self._publish = publish
        self._standing: dict[str, str] = {}
        self._labels: tuple[str, ...] = ()
        # Of labels not listened for too: a record may come before the change of labels that it belongs to.
        self._sounding: set[str] = set()
        self._level_dbfs = math.inf
        self._level_told_s = -math.inf
        self._set_labels(tuple(labels))

    def publish_all(self) -> None:
        """Tell all that stands, and what was taken away: a broker may have missed it."""
        for topic, payload in self._standing.items():
            self._publish(topic, payload)

    def take_record(self, record: EventRecord) -> None:
        """A sound began or ended."""
        if record.event == "onset":
            self._sounding.add(record.label)
        else:
            self._sounding.discard(record.label)
        if record.label in self._labels:
            self._put_label(record.label)

    def take_status(self, status: Status, now_s: float) -> None:
        """How the program is, at a time of a clock that only goes forward, in seconds."""
        if status.labels != self._labels:
            self._set_labels(status.labels)
        health = {
            "problem": "OFF" if status.is_well else "ON",
            "conditions": list(status.conditions),
            "waiting_for": status.waiting_for,
        }
        self._put(self._topics.health, json.dumps(health))
        if status.level_dbfs is not None and not math.isnan(status.level_dbfs):
            self._take_level(max(status.level_dbfs, LOWEST_DBFS), now_s)

    def forget(self, earlier_labels: Sequence[str]) -> None:
        """Take away what an earlier run left of labels that are not listened for now."""
        for label in earlier_labels:
            if label not in self._labels:
                self._take_away(label)

    def _take_level(self, level_dbfs: float, now_s: float) -> None:
        is_time = now_s - self._level_told_s >= LEVEL_EVERY_S
        if is_time and abs(level_dbfs - self._level_dbfs) >= LEVEL_STEP_DB:
            self._level_dbfs, self._level_told_s = level_dbfs, now_s
            self._put(self._topics.level, f"{level_dbfs:.1f}")

    def _set_labels(self, labels: tuple[str, ...]) -> None:
        gone = [label for label in self._labels if label not in labels]
        self._labels = labels
        for label in gone:
            self._sounding.discard(label)
            self._take_away(label)
        for topic, payload in self._discovery(labels).items():
            self._put(topic, payload)
        for label in labels:
            self._put_label(label)
        self._put(self._topics.labels, json.dumps(labels))

    def _put_label(self, label: str) -> None:
        self._put(self._topics.label(label), "ON" if label in self._sounding else "OFF")

    def _take_away(self, label: str) -> None:
        self._put(home_assistant.label_topic(self._topics, label), "")
        self._put(self._topics.label(label), "")

    def _put(self, topic: str, payload: str) -> None:
        if self._standing.get(topic) != payload:
            self._standing[topic] = payload
            self._publish(topic, payload)
