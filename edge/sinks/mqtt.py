"""Events, and how the program is, to an MQTT broker; Home Assistant finds them there by itself."""

from __future__ import annotations

import ipaddress
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from edge.errors import ConfigError, SinkError, one_line
from edge.events import EventRecord, Record
from edge.output_settings import MqttSettings
from edge.secret import read_secret
from edge.sinks import home_assistant
from edge.sinks.label_names import label_names
from edge.sinks.mqtt_connection import MqttConnection
from edge.sinks.mqtt_state import MqttState
from edge.sinks.mqtt_topics import topics_of
from edge.status import Status

PORT = 1883
TLS_PORT = 8883

logger = logging.getLogger(__name__)


class MqttSink:
    """Publishes records and keeps what stands at the broker true. docs/mqtt.md describes topics and messages.

    It speaks MQTT 3.1.1 from a thread of its own and connects again by itself; a broker that isn't there yet
    is no error. It must be given onsets and offsets whatever `settings.events` says, which it applies itself:
    the sensors of the labels follow both.

    Args:
        settings: the table [mqtt].
        labels: those listened for at the start.
        set_labels: queues the request for other labels and returns at once; called from the client's thread.
            None if they can't be changed.
        version: this program's.

    Raises:
        ConfigError: paho-mqtt is missing; a part of the topics can't be one; the password can't be read or
            has no user; the certificate authority can't be read, or is given without tls.
    """

    def __init__(
        self,
        settings: MqttSettings,
        labels: Sequence[str],
        set_labels: Callable[[tuple[str, ...]], None] | None,
        version: str,
    ) -> None:
        self._topics = topics = topics_of(settings)
        self._events = settings.events
        self._set_labels = set_labels if settings.commands else None
        # Held while a message of the state is published, so that none overtakes a newer one.
        self._lock = threading.Lock()
        port = settings.port or (TLS_PORT if settings.tls else PORT)
        self._client = client = _client(settings, f"edge-listen-{topics.node}")
        client.will_set(topics.availability, "offline", qos=1, retain=True)
        client.on_message = self._take_message
        self._connection = MqttConnection(client, f"{settings.host}:{port}", self._introduce)
        self._state = MqttState(
            topics,
            labels,
            lambda labels: home_assistant.discovery(topics, labels, version) if settings.discovery else {},
            self._connection.retain,
        )
        self._connection.start(settings.host, port)

    def emit(self, record: Record) -> None:
        """Publish one and wait until the broker has acknowledged it, however long it is away meanwhile.

        Raises: SinkError if there is no connection for 5 s, or `close` comes before the acknowledgement.
        """
        if isinstance(record, EventRecord):
            with self._lock:
                self._state.take_record(record)
        if record.event in self._events:
            self._connection.deliver(self._topics.event, json.dumps(record.as_json_object()))

    def tell(self, status: Status) -> None:
        """Take how the program is, and publish what changed; returns at once."""
        with self._lock:
            self._state.take_status(status, time.monotonic())

    def close(self) -> None:
        """Say that the program is offline and disconnect, within about two seconds; safe to call twice."""
        self._connection.close(self._topics.availability, "offline")

    def _introduce(self) -> None:
        """Tell all, at each connect; runs in the client's thread."""
        # What stands there of an earlier run comes in answer, before it is overwritten.
        self._client.subscribe(self._topics.labels, qos=0)
        if self._set_labels is not None:
            self._client.subscribe(self._topics.labels_set, qos=1)
        with self._lock:
            self._state.publish_all()
            self._connection.retain(self._topics.availability, "online")

    def _take_message(self, _client: Any, _data: Any, message: Any) -> None:
        is_command = message.topic == self._topics.labels_set
        if is_command and message.retain:
            logger.warning(
                "%s: ignored a retained message, which would override the configuration at every start; "
                "send it without retain",
                message.topic,
            )
            return
        try:
            names = label_names(message.payload)
        except ValueError as error:
            if is_command:
                logger.warning("%s: ignored a message that isn't a list of labels: %s", message.topic, error)
            return
        if is_command and self._set_labels is not None:
            logger.info("%s asks for the labels %s", message.topic, one_line(", ".join(names)))
            self._set_labels(names)
        elif message.retain:
            with self._lock:
                self._state.forget(names)


def _client(settings: MqttSettings, client_id: str) -> Any:
    try:
        from paho.mqtt.client import Client, MQTTv311  # noqa: PLC0415 - an extra of its own
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
    except ImportError:
        raise SinkError(
            '[mqtt] needs paho-mqtt 2.0 or newer: pip install "edge-listen[mqtt]" (of a service, run '
            "install-service again after it)"
        ) from None
    _check_host(settings.host)
    # The same id at every start: the broker then ends a connection that a crash left behind, and its will
    # comes before "online", not minutes after. The session is kept on this side only; at the broker it would
    # gather commands from while the program was off.
    client = Client(CallbackAPIVersion.VERSION2, client_id, clean_session=True, protocol=MQTTv311)
    password = read_secret("the password of [mqtt]", settings.password_file, settings.password_credential)
    if password is not None and settings.user is None:
        raise ConfigError("[mqtt] has a password but no user: name the user too")
    if settings.user is not None:
        client.username_pw_set(settings.user, password)
    if settings.tls:
        client.tls_set_context(_tls_context(settings))
    elif settings.ca_file is not None:
        raise ConfigError("[mqtt] has a ca_file but no tls: set tls = true, or leave ca_file out")
    elif password is not None and not _is_loopback(settings.host):
        logger.warning(
            "[mqtt] sends its password to %s unencrypted; tls = true would encrypt it", settings.host
        )
    return client


def _check_host(host: str) -> None:
    try:
        is_name = bool(host) and host.isprintable() and " " not in host and bool(host.encode("idna"))
    except UnicodeError:
        is_name = False
    if not is_name:
        raise ConfigError(f"[mqtt] host {host!r} is not the name or address of a broker")


def _tls_context(settings: MqttSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or error
        raise ConfigError(
            f"[mqtt] ca_file {settings.ca_file} cannot be used as certificate authority: {reason}"
        ) from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
