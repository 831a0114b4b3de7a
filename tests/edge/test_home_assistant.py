from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest

from edge.errors import ConfigError
from edge.events import EventRecord
from edge.output_settings import MqttSettings
from edge.sinks.home_assistant import discovery
from edge.sinks.label_names import MAX_BYTES, label_names
from edge.sinks.mqtt_state import MqttState
from edge.sinks.mqtt_topics import MqttTopics, label_slug, topics_of
from edge.status import Status

TOPICS = MqttTopics("yard", "edge-listen/yard", "homeassistant")
ODD_LABELS = [
    "Tür & 门", "Tur", "tur", "tür", "门", "窗", "dog bark", "dog_bark", "dog-bark", "Dog bark", "level",
    "health", "a/b", "a+b", "a#b", "x" * 300, "x" * 301,
]  # fmt: skip


def test_a_label_is_announced_as_a_sound_sensor() -> None:
    announced = discovery(TOPICS, ["dog bark"], "1.2.3")
    assert json.loads(announced["homeassistant/binary_sensor/yard/dog_bark/config"]) == {
        "name": "dog bark",
        "unique_id": "edge-listen_yard_dog_bark",
        "default_entity_id": "binary_sensor.yard_dog_bark",
        "device_class": "sound",
        "state_topic": "edge-listen/yard/label/dog_bark",
        "payload_on": "ON",
        "payload_off": "OFF",
        "availability_topic": "edge-listen/yard/availability",
        "payload_available": "online",
        "payload_not_available": "offline",
        "qos": 1,
        "device": {
            "identifiers": ["edge-listen_yard"],
            "name": "yard",
            "manufacturer": "edge-listen",
            "model": "sound event listener",
            "sw_version": "1.2.3",
        },
        "origin": {"name": "edge-listen", "sw_version": "1.2.3"},
    }


def test_level_and_health_are_announced_as_diagnostics_of_the_same_device() -> None:
    announced = {topic: json.loads(text) for topic, text in discovery(TOPICS, ["siren"], "1.2.3").items()}
    level = announced["homeassistant/sensor/yard/level/config"]
    health = announced["homeassistant/binary_sensor/yard/health/config"]
    siren = announced["homeassistant/binary_sensor/yard/siren/config"]
    assert len(announced) == 3
    assert level.items() >= {
        "state_topic": "edge-listen/yard/level", "unit_of_measurement": "dBFS", "state_class": "measurement",
        "entity_category": "diagnostic", "unique_id": "edge-listen_yard_level",
        "default_entity_id": "sensor.yard_level",
    }.items()  # fmt: skip
    assert health.items() >= {
        "state_topic": "edge-listen/yard/health", "device_class": "problem", "entity_category": "diagnostic",
        "value_template": "{{ value_json.problem }}", "json_attributes_topic": "edge-listen/yard/health",
        "default_entity_id": "binary_sensor.yard_health",
    }.items()  # fmt: skip
    assert level["device"] == health["device"] == siren["device"]


def test_labels_of_any_letters_get_topics_and_ids_of_their_own() -> None:
    slugs = [label_slug(label) for label in ODD_LABELS]
    assert len(set(slugs)) == len(ODD_LABELS)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", slug) for slug in slugs)
    announced = discovery(TOPICS, ODD_LABELS, "1")
    entities = [json.loads(text) for text in announced.values()]
    assert len(announced) == len({entity["unique_id"] for entity in entities}) == len(ODD_LABELS) + 2
    assert len({entity["default_entity_id"] for entity in entities}) == len(ODD_LABELS) + 2
    assert all(re.fullmatch(r"\w+\.[a-z0-9_]+", entity["default_entity_id"]) for entity in entities)


def test_a_plain_label_keeps_its_name_in_topics() -> None:
    assert label_slug("glass breaking") == "glass_breaking"


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": "a/+"}, {"topic": "a#"}, {"topic": "a\0"}, {"topic": ""}, {"topic": "/a"}, {"topic": "a/"},
        {"topic": "$SYS"}, {"topic": "ä" * 129}, {"discovery_prefix": "home/#"},
        {"discovery_prefix": "home\0"}, {"node": "a+b"}, {"node": "a/b"}, {"node": "#"}, {"node": "a\0"},
        {"node": ""}, {"node": "living room"}, {"node": "yard\n"},
    ],
)  # fmt: skip
def test_what_cannot_be_a_topic_is_a_config_error(wrong: dict[str, str]) -> None:
    (key,) = wrong
    with pytest.raises(ConfigError, match=rf"^\[mqtt\] {key} "):
        topics_of(replace(MqttSettings(host="localhost", node="yard"), **wrong))


def test_the_host_name_stands_in_for_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "pi.local (2)")
    assert topics_of(MqttSettings(host="localhost")).base == "edge-listen/pi-local--2-"


class Board:
    """What a broker would hold, and how often it was told."""

    def __init__(self, labels: tuple[str, ...] = ("dog bark", "siren")) -> None:
        self.told: list[tuple[str, str]] = []
        self.state = MqttState(
            TOPICS, labels, lambda labels: discovery(TOPICS, labels, "1"), lambda *put: self.told.append(put)
        )

    def last(self, topic: str) -> str | None:
        return dict(self.told).get(f"edge-listen/yard/{topic}")

    def times(self, topic: str) -> int:
        return sum(told == f"edge-listen/yard/{topic}" for told, _ in self.told)


def sound(label: str, duration_s: float | None = None, event_id: str = "12ab34cd-1") -> EventRecord:
    return EventRecord(
        event="onset" if duration_s is None else "offset", event_id=event_id, label=label, score=0.8,
        threshold=0.6, source="microphone", bundle="ab" * 32, stream_s=1.0, time=None,
        clock_synchronised=None, duration_s=duration_s,
    )  # fmt: skip


def status(**other: object) -> Status:
    plain = Status("microphone", None, ("dog bark", "siren"), level_dbfs=-30.0)
    return replace(plain, **other)  # type: ignore[arg-type]


def test_a_label_is_on_from_its_onset_to_its_offset() -> None:
    board = Board()
    assert board.last("label/dog_bark") == "OFF"
    board.state.take_record(sound("dog bark"))
    assert (board.last("label/dog_bark"), board.last("label/siren")) == ("ON", "OFF")
    board.state.take_record(sound("dog bark", duration_s=1.0))
    assert board.last("label/dog_bark") == "OFF"


def test_a_record_of_a_label_not_listened_for_changes_no_state() -> None:
    board = Board()
    n_told = len(board.told)
    board.state.take_record(sound("cat"))
    assert len(board.told) == n_told


def test_an_onset_that_comes_before_its_label_is_announced_counts_when_it_is() -> None:
    board = Board()
    board.state.take_record(sound("cat"))
    board.state.take_status(status(labels=("cat",)), 0.0)
    assert board.last("label/cat") == "ON"


def test_other_labels_are_announced_and_the_old_taken_away() -> None:
    board = Board()
    board.state.take_record(sound("dog bark"))
    board.told.clear()
    board.state.take_status(status(labels=("siren", "cat")), 0.0)
    told = dict(board.told)
    assert told["homeassistant/binary_sensor/yard/dog_bark/config"] == ""
    assert told["edge-listen/yard/label/dog_bark"] == ""
    assert json.loads(told["homeassistant/binary_sensor/yard/cat/config"])["name"] == "cat"
    assert told["edge-listen/yard/label/cat"] == "OFF"
    assert json.loads(told["edge-listen/yard/labels"]) == ["siren", "cat"]
    assert "homeassistant/binary_sensor/yard/siren/config" not in told
    board.state.take_status(status(labels=("siren", "dog bark")), 1.0)
    assert board.last("label/dog_bark") == "OFF"


def test_telling_all_again_takes_away_again_what_is_gone() -> None:
    board = Board()
    board.state.forget(["siren", "cat"])
    board.told.clear()
    board.state.publish_all()
    assert (board.last("label/cat"), board.last("label/siren")) == ("", "OFF")
    assert dict(board.told)["homeassistant/binary_sensor/yard/cat/config"] == ""


def test_the_level_is_told_every_10_s_at_most_and_when_it_changed_by_1_db() -> None:
    board = Board()
    for second, level_dbfs in enumerate([-30.04, -20.0, -10.0]):
        board.state.take_status(status(level_dbfs=level_dbfs), float(second))
    assert (board.last("level"), board.times("level")) == ("-30.0", 1)
    board.state.take_status(status(level_dbfs=-29.1), 10.0)
    assert board.times("level") == 1
    board.state.take_status(status(level_dbfs=-29.0), 11.0)
    assert (board.last("level"), board.times("level")) == ("-29.0", 2)


@pytest.mark.parametrize(("level_dbfs", "told"), [(-math.inf, "-120.0"), (None, None), (math.nan, None)])
def test_a_level_that_is_no_number_is_told_as_a_number_or_not_at_all(
    level_dbfs: float | None, told: str | None
) -> None:
    board = Board()
    board.state.take_status(status(level_dbfs=level_dbfs), 0.0)
    assert board.last("level") == told


def test_health_is_told_when_it_changes() -> None:
    board = Board()
    assert board.last("health") is None
    for conditions in [(), (), ("silent",), ("silent",)]:
        board.state.take_status(status(conditions=conditions), 0.0)
    assert board.times("health") == 2
    assert json.loads(board.last("health") or "") == {
        "problem": "ON", "conditions": ["silent"], "waiting_for": None,
    }  # fmt: skip
    board.state.take_status(status(waiting_for="microphone 'USB' to come back"), 0.0)
    assert json.loads(board.last("health") or "")["waiting_for"] == "microphone 'USB' to come back"


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        (b'["dog bark", " siren "]', ("dog bark", "siren")),
        (b"dog bark,siren, dog bark", ("dog bark", "siren")),
        ("Tür & 门".encode(), ("Tür & 门",)),
    ],
)
def test_labels_are_read_from_json_and_from_text(payload: bytes, names: tuple[str, ...]) -> None:
    assert label_names(payload) == names


@pytest.mark.parametrize(
    "payload",
    [
        b"", b" ", b"a,,b", b"[]", b"[1]", b'{"a": 1}', b'"dog"', b'["dog"', b'[""]', b"a\0b", b"\xff",
        b"a\nb", b"[" * 9999, b"a" * (MAX_BYTES + 1),
    ],
)  # fmt: skip
def test_what_is_no_list_of_labels_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(it|a name in it) "):
        label_names(payload)
