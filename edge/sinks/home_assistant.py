"""What Home Assistant is told so that it shows this device by itself.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from edge.sinks.mqtt_topics import MqttTopics, label_slug

SENSOR_OF_LABEL = "binary_sensor"


def label_topic(topics: MqttTopics, label: str) -> str:
    """Where the sensor of a label is announced; an empty message there takes it away."""
    return topics.discovery(SENSOR_OF_LABEL, label_slug(label))


def discovery(topics: MqttTopics, labels: Sequence[str], version: str) -> dict[str, str]:
    """Discovery topic → JSON: a sensor for each label, one for the level and one for health.

    Args:
        topics: the device's.
        labels: those listened for.
        version: this program's.
    """
    entities = {
        label_topic(topics, label): _entity(topics, version, SENSOR_OF_LABEL, label_slug(label))
        | {"name": label, "device_class": "sound", "state_topic": topics.label(label)}
        | {"payload_on": "ON", "payload_off": "OFF"}
        for label in labels
    }
    entities[topics.discovery("sensor", "level")] = _entity(topics, version, "sensor", "level") | {
        "name": "Level",
        "state_topic": topics.level,
        "unit_of_measurement": "dBFS",
        "state_class": "measurement",
        "suggested_display_precision": 1,
        "entity_category": "diagnostic",
    }
    entities[topics.discovery("binary_sensor", "health")] = _entity(
        topics, version, "binary_sensor", "health"
    ) | {
        "name": "Health",
        "device_class": "problem",
        "state_topic": topics.health,
        "value_template": "{{ value_json.problem }}",
        "payload_on": "ON",
        "payload_off": "OFF",
        "json_attributes_topic": topics.health,
        "entity_category": "diagnostic",
    }
    return {topic: json.dumps(entity) for topic, entity in entities.items()}


def _entity(topics: MqttTopics, version: str, component: str, slug: str) -> dict[str, object]:
    """What all entities say. `default_entity_id` is what `object_id` was before Home Assistant 2025.10."""
    entity_id = f"{topics.node}_{slug}".lower().replace("-", "_")
    return {
        "unique_id": f"edge-listen_{topics.node}_{slug}",
        "default_entity_id": f"{component}.{entity_id}",
        "availability_topic": topics.availability,
        "payload_available": "online",
        "payload_not_available": "offline",
        "qos": 1,
        "device": {
            "identifiers": [f"edge-listen_{topics.node}"],
            "name": topics.node,
            "manufacturer": "edge-listen",
            "model": "sound event listener",
            "sw_version": version,
        },
        "origin": {"name": "edge-listen", "sw_version": version},
    }
