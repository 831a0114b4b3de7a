"""One POST by HTTP that is over when its time is."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from edge.errors import first_line, one_line

_REASON_BYTES = 1000


@dataclass(frozen=True)
class HttpTarget:
    """Where to post to.

    Attributes:
        tls: what an https server's certificate is verified with; None for http.
        host: name or address, in ASCII.
        port: TCP port.
        host_header: host and port as the URL has them.
        path: path and query.
    """

    tls: ssl.SSLContext | None
    host: str
    port: int
    host_header: str
    path: str

    @property
    def name(self) -> str:
        """For messages: without the path, which often holds a token."""
        return f"{'http' if self.tls is None else 'https'}://{self.host_header}"


class HttpPost:
    """One request, in a thread of its own that is left behind when nobody waits any longer.

    A time-out of the socket bounds neither a name's look-up nor a handshake or an answer that dribbles.

    Attributes:
        over: set when it has ended, in whichever way.
        status: the answer's, as soon as there is one.
        reason: the first line that the answer gave as its reason.
        failure: why there is no status.
    """

    def __init__(self, target: HttpTarget, body: bytes, headers: dict[str, str], timeout_s: float) -> None:
        self.over = threading.Event()
        self.status: int | None = None
        self.reason = ""
        self.failure = "failed"
        self._target = target
        self._body = body
        self._headers = headers | {"Host": target.host_header, "Connection": "close"}
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="http-post", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def has_ended(self, within_s: float) -> bool:
        """Whether its thread has ended by then, which one left behind at a look-up may take minutes to do."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def abandon(self) -> None:
        """Wake whoever waits; what hasn't been sent never is."""
        with self._lock:
            self._is_abandoned = True
            if self._socket is not None:
                with suppress(OSError):  # the other end may have gone
                    # The plain socket's method wakes a thread that reads; TLS's own drops its state first.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        self.over.set()

    def _run(self) -> None:
        try:
            with ExitStack() as stack:
                self._talk(self._connected(stack))
        except ssl.SSLCertVerificationError as error:
            self.failure = f"its certificate is not trusted: {error.verify_message}"
        except TimeoutError:
            self.failure = f"no answer within {self._timeout_s:g} s"
        except (OSError, http.client.HTTPException) as error:
            self.failure = getattr(error, "strerror", None) or one_line(first_line(error))
        finally:
            self.over.set()

    def _connected(self, stack: ExitStack) -> socket.socket:
        target = self._target
        connected = stack.enter_context(
            socket.create_connection((target.host, target.port), timeout=self._timeout_s)
        )
        if target.tls is None:
            self._hold(connected)
            return connected
        secured = stack.enter_context(
            target.tls.wrap_socket(connected, server_hostname=target.host, do_handshake_on_connect=False)
        )
        self._hold(secured)
        secured.do_handshake()
        return secured

    def _hold(self, connected: socket.socket) -> None:
        with self._lock:
            if self._is_abandoned:
                raise OSError("given up before it was sent")
            self._socket = connected

    def _talk(self, connected: socket.socket) -> None:
        connection = http.client.HTTPConnection(self._target.host, self._target.port)
        connection.sock = connected
        connection.request("POST", self._target.path, self._body, self._headers)
        with connection.getresponse() as response:
            self.reason = one_line(response.reason)
            self.status = response.status
            if response.status < 400:
                return
            with suppress(OSError, http.client.HTTPException):  # the status line has told enough
                # One read of what is there: not the whole of a body that has no end.
                said = response.read1(_REASON_BYTES).decode(errors="replace").strip()
                self.reason = one_line(said.splitlines()[0]) if said else self.reason
