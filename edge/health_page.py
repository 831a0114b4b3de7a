"""A small HTTP server of a few pages, made so that no client can hold it up."""

from __future__ import annotations

import ipaddress
import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from edge.errors import SinkError

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 8
"""More at a time are closed at once."""
MAX_CONNECTION_S = 10.0
"""A connection is closed after this long, whatever it is about."""


class Page(NamedTuple):
    """An answer.

    Attributes:
        status: HTTP status code.
        content_type: its MIME type.
        body: its content.
    """

    status: int
    content_type: str
    body: bytes


class PageServer(ThreadingHTTPServer):
    """Serves pages by GET and HEAD on threads of its own, until closed.

    Args:
        host: name or address to listen on.
        port: port to listen on; 0 lets the system choose.
        pages: path → makes the page; called for each request, on any thread.

    Raises:
        SinkError: if the address is not this machine's or the port is taken.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
        self.pages = pages
        self._since_s: dict[Any, float] = {}
        self._lock = threading.Lock()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
            self.address_family = found[0]
            super().__init__((str(found[4][0]), port), _Handler)
        except OSError as error:
            raise SinkError(
                f"metrics cannot be served at {host}, port {port} ({error.strerror or error}): "
                "set another host or port under [metrics]"
            ) from error
        self._thread = threading.Thread(target=self.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(str(self.server_address[0]).partition("%")[0]).is_loopback

    def close(self) -> None:
        """Stop serving; safe to call twice."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def server_bind(self) -> None:
        """Bind without asking for the host's name, as the base does: a name server may be slow."""
        socketserver.TCPServer.server_bind(self)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base's signature
        """Whether a new connection is taken."""
        with self._lock:
            if len(self._since_s) >= MAX_CONNECTIONS:
                return False
            self._since_s[request] = time.monotonic()
            return True

    def service_actions(self) -> None:
        """End connections that last too long; the base calls this twice a second."""
        oldest_s = time.monotonic() - MAX_CONNECTION_S
        with self._lock:
            for request, since_s in self._since_s.items():
                if since_s < oldest_s:
                    _hang_up(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and free its place."""
        with self._lock:
            self._since_s.pop(request, None)
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's signature
        """Log what went wrong with a client, instead of printing it."""
        logger.debug("request from %s failed: %r", client_address, sys.exc_info()[1])


def _hang_up(request: socket.socket) -> None:
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("a connection was closed by its client just now")


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = MAX_CONNECTION_S

    def do_GET(self) -> None:
        make = self.server.pages.get(self.path.partition("?")[0])
        page = Page(404, "text/plain; charset=utf-8", b"not found\n") if make is None else make()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def version_string(self) -> str:
        return "edge-listen"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's signature
        logger.debug("%s: %s", self.address_string(), format % args)
