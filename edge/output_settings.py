"""The tables of a configuration file that say where else events go, and how health is kept.

A table's keys are its dataclass's fields: type, default, range and meaning stand in one place. A table that
is absent switches its output off.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from edge.settings import Setting

RECORD_KINDS = ("onset", "offset", "health")


def _key(setting: Setting, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"setting": setting})


def _text(meaning: str, metavar: str = "") -> Setting:
    return Setting("", "text", meaning, metavar)


def _path(meaning: str) -> Setting:
    return Setting("", "path", meaning)


def _number(meaning: str, low: float, high: float) -> Setting:
    return Setting("", "number", meaning, range=(low, high))


def _whole(meaning: str, low: int, high: int) -> Setting:
    return Setting("", "whole", meaning, range=(low, high))


def _switch(meaning: str) -> Setting:
    return Setting("", "switch", meaning)


_EVENTS = Setting("", "words", "which to send: any of onset, offset and health", choices=RECORD_KINDS)
_QUEUE = _whole("how many events may wait while it cannot be reached; the oldest make room", 1, 1_000_000)
_TIMEOUT = _number("seconds to wait for an answer", 0.1, 600)


@dataclass(frozen=True)
class EventFileSettings:
    """[events_file]: events as JSON lines in a file that is rotated."""

    path: Path = _key(_path("the file; its directory must exist"))
    max_mb: float = _key(_number("size in MB at which a new file is begun", 0.01, 10_000), 10.0)
    keep: int = _key(_whole("how many full files are kept beside it, as .1, .2, ...", 0, 1000), 4)
    events: tuple[str, ...] = _key(_EVENTS, RECORD_KINDS)


@dataclass(frozen=True)
class MqttSettings:
    """[mqtt]: an MQTT broker, and Home Assistant through it."""

    host: str = _key(_text("the broker's name or address"))
    port: int | None = _key(_whole("the broker's port; 1883, or 8883 with tls", 1, 65535), None)
    tls: bool = _key(_switch("encrypt, and verify the broker's certificate"), False)
    ca_file: Path | None = _key(
        _path("certificate authority to verify it with, PEM; the system's if not set"), None
    )
    user: str | None = _key(_text("user name"), None)
    password_file: Path | None = _key(_path("file with the password, not readable by others"), None)
    password_credential: str | None = _key(_text("name of the systemd credential with the password"), None)
    topic: str = _key(_text("first part of all topics"), "edge-listen")
    node: str | None = _key(_text("this device's part of all topics; its host name if not set"), None)
    discovery: bool = _key(_switch("announce sensors to Home Assistant"), True)
    discovery_prefix: str = _key(_text("Home Assistant's discovery prefix"), "homeassistant")
    commands: bool = _key(_switch("let labels be changed by messages to <topic>/<node>/labels/set"), False)
    events: tuple[str, ...] = _key(_EVENTS, RECORD_KINDS)
    queue: int = _key(_QUEUE, 1000)


@dataclass(frozen=True)
class WebhookSettings:
    """[webhook]: an HTTP POST of each event as JSON."""

    url: str = _key(_text("where to, http:// or https://"))
    secret_file: Path | None = _key(
        _path("file with the key of the HMAC signature, not readable by others"), None
    )
    secret_credential: str | None = _key(_text("name of the systemd credential with that key"), None)
    timeout_s: float = _key(_TIMEOUT, 10.0)
    events: tuple[str, ...] = _key(_EVENTS, RECORD_KINDS)
    queue: int = _key(_QUEUE, 1000)


@dataclass(frozen=True)
class CommandSettings:
    """[command]: a program run for each event."""

    run: str = _key(_text("command line, split as a shell would but run without one"))
    timeout_s: float = _key(_number("seconds after which it is ended", 0.1, 3600), 10.0)
    events: tuple[str, ...] = _key(_EVENTS, ("onset",))
    queue: int = _key(_QUEUE, 100)


@dataclass(frozen=True)
class MetricsSettings:
    """[metrics]: Prometheus metrics at /metrics and the state of health at /healthz, by HTTP."""

    host: str = _key(_text("address to listen on"), "127.0.0.1")
    port: int = _key(_whole("port to listen on", 1, 65535), 9808)


@dataclass(frozen=True)
class ClipsSettings:
    """[clips]: the seconds around each event as FLAC files."""

    directory: Path | None = _key(_path("where to; clips/ in the state directory if not set"), None)
    before_s: float = _key(_number("seconds before the onset", 0, 60), 3.0)
    after_s: float = _key(_number("seconds after the offset", 0, 60), 2.0)
    longest_s: float = _key(_number("a clip is cut at this length", 1, 600), 30.0)
    max_mb: float = _key(_number("all clips together; the oldest make room", 0.1, 1_000_000), 200.0)
    max_days: float = _key(_number("clips older than this are deleted", 0.01, 36500), 30.0)
    no_speech: bool = _key(
        _switch("keep no clip in which the bundle hears speech: an aid, no guarantee"), False
    )


@dataclass(frozen=True)
class EmbeddingLogSettings:
    """[embedding_log]: what each window sounded like, as numbers, to be searched later; no sound."""

    directory: Path | None = _key(_path("where to; embeddings/ in the state directory if not set"), None)
    max_mb: float = _key(_number("all files together; the oldest make room", 0.1, 1_000_000), 1000.0)
    file_mb: float = _key(_number("size in MB at which a new file is begun", 0.1, 10_000), 16.0)
    max_days: float = _key(_number("files older than this are deleted", 0.01, 36500), 30.0)


@dataclass(frozen=True)
class HealthSettings:
    """[health]: when not hearing is told, and what is done about it."""

    tell_after_s: float = _key(
        _number("tell when silence, a constant level, clipping or no sound has lasted this long", 0, 3600),
        10.0,
    )
    reopen_after_s: float = _key(
        _number("open the microphone anew when it has given nothing usable for this long", 5, 86400), 60.0
    )
    restart_after_s: float = _key(
        _number("as a service, start the whole program anew when that didn't help for this long", 10, 864000),
        900.0,
    )


OUTPUT_TABLES: dict[str, Any] = {
    "events_file": EventFileSettings,
    "mqtt": MqttSettings,
    "webhook": WebhookSettings,
    "command": CommandSettings,
    "metrics": MetricsSettings,
    "clips": ClipsSettings,
    "embedding_log": EmbeddingLogSettings,
    "health": HealthSettings,
}
"""Table name → what it holds. Each is a field of the same name in `ListenConfig`."""


def keys_of(table: str) -> dict[str, Setting]:
    """The settings of a table, by key."""
    return {each.name: each.metadata["setting"] for each in fields(OUTPUT_TABLES[table])}


def required_keys(table: str) -> list[str]:
    """The keys that a table must have."""
    return [each.name for each in fields(OUTPUT_TABLES[table]) if each.default is MISSING]
