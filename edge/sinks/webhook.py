"""Events by HTTP POST, signed if a key is given."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import ssl
import threading
import time
from urllib.parse import urlsplit

from edge.errors import ConfigError, RefusedError, SinkError
from edge.events import EventRecord, Record
from edge.output_settings import WebhookSettings
from edge.secret import read_secret
from edge.sinks.http_post import HttpPost, HttpTarget

RETRIED_STATUSES = frozenset({408, 425, 429})
"""Answers below 500 that mean "later": RFC 9110, RFC 8470, RFC 6585."""


class WebhookSink:
    """Posts each record as JSON. Redirects are not followed, and proxies of the environment not used.

    With a key, `X-Edge-Listen-Signature` is "sha256=" and the body's HMAC-SHA256 (RFC 2104) in hexadecimal.
    `Idempotency-Key` is the same whenever the same record is sent, and another for every other record.

    Args:
        settings: the table [webhook].
        version: this program's, for `User-Agent`.

    Raises:
        ConfigError: the URL is not one of http or https, or holds a password; the key cannot be read.
    """

    def __init__(self, settings: WebhookSettings, version: str) -> None:
        self._target = _target(settings.url)
        key = read_secret("the key of [webhook]", settings.secret_file, settings.secret_credential)
        self._key = None if key is None else key.encode()
        self._user_agent = f"edge-listen/{version}"
        self._timeout_s = settings.timeout_s
        self._run_id = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._is_closed = False
        self._post: HttpPost | None = None

    def emit(self, record: Record) -> None:
        """Post one and wait for the answer, at most `timeout_s` in all.

        Raises:
            SinkError: no connection, no answer in time, or one that says "later": 408, 425, 429, 5xx.
            RefusedError: any other answer but 2xx.
        """
        deadline_s = time.monotonic() + self._timeout_s
        body = json.dumps(record.as_json_object()).encode("ascii")
        post = self._begin(HttpPost(self._target, body, self._headers(record, body), self._timeout_s))
        is_late = not post.over.wait(deadline_s - time.monotonic())
        post.abandon()
        if post.status is not None:
            self._judge(post.status, post.reason)
        elif self._is_closed:
            raise SinkError(f"webhook {self._target.name}: stopped while it waited for an answer")
        else:
            why = f"no answer within {self._timeout_s:g} s" if is_late else post.failure
            raise SinkError(f"webhook {self._target.name}: {why}")

    def close(self) -> None:
        """End a post that is under way; safe to call twice."""
        with self._lock:
            self._is_closed = True
            if self._post is not None:
                self._post.abandon()

    def _begin(self, post: HttpPost) -> HttpPost:
        # Looking up a name cannot be broken off: without this, every try meanwhile would leave a thread.
        if self._post is not None and not self._post.has_ended(within_s=min(1.0, self._timeout_s)):
            raise SinkError(f"webhook {self._target.name}: the try before still waits for a connection")
        with self._lock:
            if self._is_closed:
                raise SinkError(f"webhook {self._target.name}: stopped")
            self._post = post
            post.start()
        return post

    def _headers(self, record: Record, body: bytes) -> dict[str, str]:
        if isinstance(record, EventRecord):
            key = f"{record.event_id}-{record.event}"
        else:
            key = f"{self._run_id}-{record.condition}-{record.state}-{record.stream_s:.3f}"
        headers = {
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "X-Edge-Listen-Event": record.event,
            "Idempotency-Key": key,
        }
        if self._key is not None:
            digest = hmac.new(self._key, body, hashlib.sha256).hexdigest()
            headers["X-Edge-Listen-Signature"] = f"sha256={digest}"
        return headers

    def _judge(self, status: int, reason: str) -> None:
        if 200 <= status < 300:
            return
        message = f"webhook {self._target.name} answered {status} {reason}".rstrip()
        if status in RETRIED_STATUSES or status >= 500:
            raise SinkError(message)
        if 300 <= status < 400:
            raise RefusedError(f"{message}; redirects are not followed: set url to where it leads")
        raise RefusedError(message)


def _target(url: str) -> HttpTarget:
    """Take a URL apart. Raises: ConfigError, which doesn't repeat the URL and what is secret in it."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigError("[webhook] url holds a blank or a character beyond ASCII: write it percent-encoded")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        raise ConfigError("[webhook] url is malformed: check its host and port") from None
    if "@" in parts.netloc:
        raise ConfigError(
            "[webhook] url holds a user name or password, which would end up in logs: sign with secret_file"
        )
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise ConfigError("[webhook] url must be one such as https://example.org/path")
    is_https = parts.scheme == "https"
    return HttpTarget(
        tls=ssl.create_default_context() if is_https else None,
        host=host,
        port=port or (443 if is_https else 80),
        host_header=parts.netloc.removesuffix(":"),
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )
