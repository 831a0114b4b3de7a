"""The control socket: other processes ask the running program for its status, or to reload.

A request is one line of JSON, {"command": "status", "arguments": {}}; so is the answer,
{"ok": true, "answer": {...}} or {"ok": false, "error": "..."}.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import threading
from concurrent.futures import TimeoutError as NoAnswerError
from pathlib import Path
from types import TracebackType

from edge.errors import ConfigError, SoundError
from edge.requests import RequestQueue

MAX_REQUEST_BYTES = 16 * 2**20
"""Room for the clips of an own sound."""
READ_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 900.0
"""Long, since a new label may take its time to be made."""
MAX_CLIENTS = 8


class ControlServer:
    """Listens on a Unix-domain socket that its owner and group may use.

    Args:
        path: of the socket; its directory must exist. A socket that nobody listens on is replaced.
        requests: where requests go.

    Raises: ConfigError if another program listens there, or it cannot be made.
    """

    def __init__(self, path: Path, requests: RequestQueue) -> None:
        self.path = path
        _clear_stale(path)
        before = os.umask(0o117)
        try:
            self._server = _Server(str(path), requests)
        except OSError as error:
            raise ConfigError(
                f"the control socket {path} cannot be made: {error.strerror or error}"
            ) from error
        finally:
            os.umask(before)
        self._inode = path.stat().st_ino
        self._thread = threading.Thread(target=self._server.serve_forever, name="control", daemon=True)

    def __enter__(self) -> ControlServer:  # noqa: PYI034 - not meant to be inherited from
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Take the socket away."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        with contextlib.suppress(OSError):
            # Not one that another program has put in its place.
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False
    # Where it is full, Linux refuses who asks instead of letting them wait.
    request_queue_size = 128

    def __init__(self, path: str, requests: RequestQueue) -> None:
        self.requests = requests
        self.places = threading.BoundedSemaphore(MAX_CLIENTS)
        super().__init__(path, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error."""


class _Handler(socketserver.StreamRequestHandler):
    timeout = READ_TIMEOUT_S
    server: _Server

    def handle(self) -> None:
        if not self.server.places.acquire(blocking=False):
            self._reply({"ok": False, "error": "too many ask at once: try again"})
            return
        try:
            self._reply(self._answer())
        finally:
            self.server.places.release()

    def _answer(self) -> dict[str, object]:
        try:
            plain = json.loads(self.rfile.readline(MAX_REQUEST_BYTES))
        except (ValueError, RecursionError):  # the latter of what is nested too deep
            plain = None
        command = plain.get("command") if isinstance(plain, dict) else None
        arguments = plain.get("arguments", {}) if isinstance(plain, dict) else None
        if not isinstance(command, str) or not isinstance(arguments, dict):
            return {"ok": False, "error": 'a request is a line such as {"command": "status"}'}
        request = self.server.requests.put(command, arguments)
        try:
            return {"ok": True, "answer": request.answer.result(ANSWER_TIMEOUT_S)}
        except SoundError as error:
            return {"ok": False, "error": str(error), "exit_code": error.exit_code}
        except NoAnswerError:
            return {"ok": False, "error": "it took too long"}

    def _reply(self, reply: dict[str, object]) -> None:
        self.wfile.write(json.dumps(reply).encode() + b"\n")


def _clear_stale(path: Path) -> None:
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise ConfigError(
                f"the control socket {path} cannot be used: {error.strerror or error}"
            ) from error
    raise ConfigError(f"another edge-listen runs already and answers at {path}")
