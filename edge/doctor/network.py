"""What outputs need of the network: whether each can be reached, within 5 s. Nothing is sent but a login."""

from __future__ import annotations

import errno
import http.client
import os
import queue
import secrets
import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from edge.doctor.check import Check, Subject
from edge.doctor.time_limit import within
from edge.errors import ConfigError, first_line, one_line
from edge.output_settings import MqttSettings
from edge.secret import read_secret

PROBE_S = 5.0


def broker(subject: Subject) -> Iterator[Check]:
    """Connection, certificate, and whether the broker takes user and password."""
    settings = subject.config.mqtt
    if settings is None:
        return
    port = settings.port or (8883 if settings.tls else 1883)
    where = f"the broker at {settings.host}:{port}"
    try:
        tls = ssl.create_default_context(cafile=settings.ca_file) if settings.tls else None
        how = within(PROBE_S, lambda: reach(settings.host, port, tls))
    except OSError as error:
        remedy = "is it running, and are host, port, tls and ca_file in [mqtt] right?"
        yield Check("mqtt", "fail", f"{where}: {reason_of(error)}", remedy)
        return
    try:
        password = read_secret("the password", settings.password_file, settings.password_credential)
    except ConfigError:  # of which the line on secrets tells
        yield Check(
            "mqtt", "warn", f"{where} can be reached ({how}); no login, for its password can't be read"
        )
        return
    refusal = within(2 * PROBE_S, lambda: log_in(settings, port, password, tls))
    if refusal is None:
        yield Check(
            "mqtt", "ok", f"{where} takes the login of {settings.user or 'nobody in particular'} ({how})"
        )
    else:
        yield Check("mqtt", "fail", f"{where} refuses: {refusal}", "check user and password in [mqtt]")


def log_in(settings: MqttSettings, port: int, password: str | None, tls: ssl.SSLContext | None) -> str | None:
    """Why the broker refuses, None if it doesn't. Raises: OSError; ModuleNotFoundError without paho-mqtt."""
    from paho.mqtt.client import Client, MQTTv311  # noqa: PLC0415 - an extra of its own
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

    answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def connected(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        answers.put(one_line(str(reason)) if reason.is_failure else None)

    # Not the id of the program itself, whose connection the broker would end.
    client = Client(
        CallbackAPIVersion.VERSION2, f"edge-listen-doctor-{secrets.token_hex(4)}", protocol=MQTTv311
    )
    client.on_connect = connected
    client.on_disconnect = lambda *_: answers.put("it ended the connection without a word")
    client.connect_timeout = PROBE_S
    if settings.user is not None:
        client.username_pw_set(settings.user, password)
    if tls is not None:
        client.tls_set_context(tls)
    client.connect(settings.host, port)
    client.loop_start()
    try:
        return answers.get(timeout=PROBE_S)
    except queue.Empty:
        return f"no answer within {PROBE_S:g} s"
    finally:
        client.disconnect()
        client.loop_stop()


def webhook(subject: Subject) -> Iterator[Check]:
    """Connection and certificate; nothing is posted."""
    if subject.config.webhook is None:
        return
    parts = urlsplit(subject.config.webhook.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield Check("webhook", "fail", "url is no address of the web", "write it as https://example.org/path")
        return
    host, tls = parts.hostname, ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (80 if tls is None else 443)
    where = f"{parts.scheme}://{host}:{port}"  # without the path, which often holds a token
    try:
        how = within(PROBE_S, lambda: reach(host, port, tls))
    except OSError as error:
        yield Check("webhook", "fail", f"{where}: {reason_of(error)}", "is it running, and is its url right?")
    else:
        yield Check("webhook", "ok", f"{where} can be reached ({how}); nothing was posted")


def metrics(subject: Subject) -> Iterator[Check]:
    """Whether the port is free, or taken by the edge-listen that runs."""
    settings = subject.config.metrics
    if settings is None:
        return
    where = f"port {settings.port} of {settings.host}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        socket.create_server((settings.host, settings.port), family=family).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            remedy = "choose another host or port in [metrics]"
            yield Check("metrics", "fail", f"{where} cannot be used: {reason_of(error)}", remedy)
        elif within(PROBE_S, lambda: is_ours(settings.host, settings.port)):
            yield Check("metrics", "ok", f"{where} is served by the edge-listen that runs")
        else:
            yield Check(
                "metrics", "fail", f"{where} is taken by another program", "choose another port in [metrics]"
            )
    else:
        yield Check("metrics", "ok", f"{where} is free")


def is_ours(host: str, port: int) -> bool:
    """Whether edge-listen's metrics are served there."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    connection = http.client.HTTPConnection(reachable, port, timeout=PROBE_S - 1.0)
    try:
        connection.request("GET", "/metrics")
        return b"edge_listen_" in connection.getresponse().read(1 << 20)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def reach(host: str, port: int, tls: ssl.SSLContext | None) -> str:
    """Connect and shake hands. Returns: how it is encrypted. Raises: OSError."""
    with socket.create_connection((host, port), timeout=PROBE_S) as connection:
        if tls is None:
            return "not encrypted"
        with tls.wrap_socket(connection, server_hostname=host) as secured:
            return secured.version() or "TLS"


def reason_of(error: OSError) -> str:
    """Why it failed, in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return f"no answer within {PROBE_S:g} s"
    if error.errno is not None and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(error.errno)
    return one_line(error.strerror or first_line(error))
