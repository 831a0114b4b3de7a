"""A connection to an MQTT broker that comes back by itself, and on which each message is handed over once."""

from __future__ import annotations

import logging
import math
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from edge.errors import SinkError, one_line

CONNECT_WAIT_S = 5.0
KEEPALIVE_S = 30
CLOSE_S = 1.0
STEADY_S = 10.0
"""A connection that is lost sooner doesn't count as one."""

logger = logging.getLogger(__name__)


class MqttConnection:
    """Keeps a client connected and knows what the broker has acknowledged.

    An event is handed to the client once and stays there: the client sends it again after a reconnect
    (QoS 1), and nobody else does. What stands at the broker goes with QoS 0, which the client never keeps: it
    would send it after a reconnect, later than and so over what is told anew at each connect.

    Its lock is never held while the client is called: the client calls back with locks of its own held.

    Args:
        client: of paho, with its will, credentials and TLS set.
        address: the broker's, for messages.
        on_connected: called by the client's thread at each connect, to tell all that stands.
    """

    def __init__(self, client: Any, address: str, on_connected: Callable[[], None]) -> None:
        self._client = client
        self._address = address
        self._on_connected = on_connected
        self._changed = threading.Condition()
        self._is_connected = False
        self._is_closed = False
        self._is_refused = False
        self._connected_s = -math.inf
        self._failure = f"no answer yet from the MQTT broker at {address}"
        self._logged: set[str] = set()
        # Message numbers since an event was handed over; None while none is.
        self._acknowledged: set[int] | None = None

    def start(self, host: str, port: int) -> None:
        """Begin to connect, in a thread of the client's own; returns at once.

        Raises: SinkError where this process may not use the network at all.
        """
        client = self._client
        client.on_socket_open = self._opened
        client.on_connect = self._connected
        client.on_connect_fail = self._not_connected
        client.on_disconnect = self._disconnected
        client.on_publish = self._acknowledge
        client.connect_timeout = CONNECT_WAIT_S
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        client.connect_async(host, port, keepalive=KEEPALIVE_S)
        try:
            client.loop_start()
        except OSError as error:
            raise SinkError(
                f"[mqtt] the network cannot be used ({error.strerror or error}): as a service, "
                "edge-listen install-service --network opens it"
            ) from error

    def deliver(self, topic: str, payload: str) -> None:
        """Publish an event and wait until the broker has it, across reconnects. Not for two threads at once.

        Raises: SinkError if it was not connected within `CONNECT_WAIT_S`, so that nothing was handed over, or
            is closed before the broker has acknowledged.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_connected or self._is_closed, CONNECT_WAIT_S)
            if self._is_closed or not self._is_connected:
                raise SinkError(self._failure)
            acknowledged: set[int] = set()
            self._acknowledged = acknowledged
        # If the connection breaks at this very moment, the client keeps the message all the same.
        number = self._client.publish(topic, payload, qos=1).mid
        with self._changed:
            self._changed.wait_for(lambda: number in acknowledged or self._is_closed)
            self._acknowledged = None
            if number not in acknowledged:
                raise SinkError(f"closed before the MQTT broker at {self._address} acknowledged the event")

    def retain(self, topic: str, payload: str) -> None:
        """Let a message stand at the broker, if connected; returns at once."""
        if self._is_connected:
            self._client.publish(topic, payload, qos=0, retain=True)

    def close(self, topic: str, last_word: str) -> None:
        """Let a last message stand and disconnect, within about two seconds; safe to call twice."""
        with self._changed:
            was_connected, was_closed = self._is_connected, self._is_closed
            self._is_closed = True
            self._failure = f"the connection to the MQTT broker at {self._address} was closed"
            self._changed.notify_all()
        if was_closed:
            return
        if was_connected:
            # Acknowledged, because disconnecting with an answer unread could throw away what was sent.
            said = self._client.publish(topic, last_word, qos=1, retain=True)
            if said.rc == 0:
                said.wait_for_publish(CLOSE_S)
        self._client.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: not self._is_connected, CLOSE_S)

    def _opened(self, _client: Any, _data: Any, opened: Any) -> None:
        # A label's state and its event are two small packets: the second would wait 40 ms for a delayed ACK.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _connected(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._is_refused = True
            self._fail(
                f"the MQTT broker at {self._address} refused the connection: {one_line(str(reason))}; "
                "check user and password in [mqtt], and what the broker lets them do"
            )
            return
        with self._changed:
            is_closed, self._is_connected = self._is_closed, not self._is_closed
        if is_closed:
            client.disconnect()
            return
        now_s = time.monotonic()
        if now_s - self._connected_s >= STEADY_S:
            logger.info("connected to the MQTT broker at %s", self._address)
            self._logged.clear()
        self._connected_s = now_s
        self._on_connected()
        with self._changed:
            self._changed.notify_all()

    def _not_connected(self, _client: Any, _data: Any) -> None:
        # The client calls this where it handles the error, which it doesn't pass on.
        error = sys.exc_info()[1]
        reason = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error
        self._fail(
            f"cannot reach the MQTT broker at {self._address}: {one_line(str(reason))}; "
            "is it running, and are host, port, tls and ca_file in [mqtt] right?"
        )

    def _disconnected(self, _client: Any, _data: Any, _flags: Any, _reason: Any, _properties: Any) -> None:
        with self._changed:
            was_connected, self._is_connected = self._is_connected, False
            self._changed.notify_all()
        was_refused, self._is_refused = self._is_refused, False
        if was_connected and time.monotonic() - self._connected_s < STEADY_S:
            self._fail(
                f"lost the connection to the MQTT broker at {self._address} right after it was made: does "
                "another device use the same name there? Set node in [mqtt]"
            )
        elif was_connected:
            self._fail(f"lost the connection to the MQTT broker at {self._address}; connecting again")
        elif not was_refused:
            self._fail(
                f"the MQTT broker at {self._address} ended the connection without a word; "
                "does it want tls, or another user, in [mqtt]?"
            )

    def _acknowledge(self, _client: Any, _data: Any, number: int, _reason: Any, _properties: Any) -> None:
        with self._changed:
            if self._acknowledged is not None:
                self._acknowledged.add(number)
                self._changed.notify_all()

    def _fail(self, reason: str) -> None:
        with self._changed:
            if self._is_closed:
                return
            self._failure = reason
        if reason not in self._logged:
            self._logged.add(reason)
            logger.warning("%s", reason)
