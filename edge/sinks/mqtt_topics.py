"""Which MQTT topics this device speaks on."""

from __future__ import annotations

import hashlib
import re
import socket
import unicodedata
from dataclasses import dataclass

from edge.errors import ConfigError
from edge.output_settings import MqttSettings

RESERVED_SLUGS = frozenset({"level", "health"})
"""Entities of Home Assistant that are no labels."""
_MAX_SLUG_LETTERS = 48
_MAX_TOPIC_BYTES = 256


@dataclass(frozen=True)
class MqttTopics:
    """Topics of one device.

    Attributes:
        node: what tells this device from others on the broker; letters, digits, _ and -.
        base: what its topics begin with.
        discovery_prefix: what Home Assistant's discovery topics begin with.
    """

    node: str
    base: str
    discovery_prefix: str

    @property
    def availability(self) -> str:
        """Whether the program runs."""
        return f"{self.base}/availability"

    @property
    def event(self) -> str:
        """Records."""
        return f"{self.base}/event"

    @property
    def level(self) -> str:
        """How loud it is."""
        return f"{self.base}/level"

    @property
    def health(self) -> str:
        """Whether it hears."""
        return f"{self.base}/health"

    @property
    def labels(self) -> str:
        """The labels listened for."""
        return f"{self.base}/labels"

    @property
    def labels_set(self) -> str:
        """Where others ask for other labels."""
        return f"{self.base}/labels/set"

    def label(self, label: str) -> str:
        """Whether a label is heard now."""
        return f"{self.base}/label/{label_slug(label)}"

    def discovery(self, component: str, slug: str) -> str:
        """Where an entity is announced, such as a "binary_sensor".

        https://www.home-assistant.io/integrations/mqtt/#discovery-topic
        """
        return f"{self.discovery_prefix}/{component}/{self.node}/{slug}/config"


def topics_of(settings: MqttSettings) -> MqttTopics:
    """The topics that the table [mqtt] asks for.

    Raises: ConfigError if a part of them cannot be a topic.
    """
    node = settings.node if settings.node is not None else _host_node()
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", node):
        raise ConfigError(f"[mqtt] node {node!r} must be 1 to 64 of letters, digits, _ and -")
    _check_topic("topic", settings.topic)
    _check_topic("discovery_prefix", settings.discovery_prefix)
    return MqttTopics(node, f"{settings.topic}/{node}", settings.discovery_prefix)


def label_slug(label: str) -> str:
    """A label as a part of topics and identifiers: small letters, digits and _.

    "dog bark" is dog_bark. A label that cannot be told from its slug gets a hash of its name as well, so that
    no two share one, and none depends on which others are listened for.
    """
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if slug.replace("_", " ") == label and len(slug) <= _MAX_SLUG_LETTERS and slug not in RESERVED_SLUGS:
        return slug
    digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug[:_MAX_SLUG_LETTERS] or 'sound'}_{digest}"


def _host_node() -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "-", socket.gethostname())[:64]


def _check_topic(key: str, topic: str) -> None:
    """MQTT 3.1.1, section 4.7; $ is what brokers keep for themselves."""
    if not topic.isprintable() or any(letter in topic for letter in "+#") or topic.startswith("$"):
        raise ConfigError(f"[mqtt] {key} {topic!r} must be printable, without + and #, and not begin with $")
    if "" in topic.split("/") or len(topic.encode()) > _MAX_TOPIC_BYTES:
        raise ConfigError(
            f"[mqtt] {key} {topic!r} must be 1 to {_MAX_TOPIC_BYTES} bytes, "
            "without / at an end or twice together"
        )
