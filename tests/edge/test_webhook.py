from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from event_records import event_record, health_record

from edge.errors import ConfigError, RefusedError, SinkError
from edge.events import Record
from edge.output_settings import WebhookSettings
from edge.sinks.webhook import WebhookSink

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = "key with ümlaut"
RECORDS = [event_record(), event_record(duration_s=3.24), health_record()]
OPENSSL = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost"
SOON_S = 3.0
"""Far more than what is to come at once needs on a busy machine, far less than the time-outs here."""


@dataclass
class Receiver:
    """A web server that gives the answers it was told, in order, then 204."""

    answers: list[tuple[int, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.paths.append(self.path)
                receiver.headers.append(dict(self.headers.items()))
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = receiver.answers.pop(0) if receiver.answers else (204, b"")
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", receiver.url + "elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@contextmanager
def serving(receiver: Receiver, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), receiver.handler())
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    receiver.url = f"{scheme}://localhost:{server.server_address[1]}/hook?room=hall"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with serving(Receiver()) as running:
        yield running


@contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server whose every connection is handled by `talk`, with an event that tells it to end."""
    stop = threading.Event()
    threads = []

    def accept() -> None:
        while True:
            connection, _ = listening.accept()
            if stop.is_set():
                connection.close()
                return
            thread = threading.Thread(target=talk_and_close, args=(connection,))
            thread.start()
            threads.append(thread)

    def talk_and_close(connection: socket.socket) -> None:
        connection.settimeout(SOON_S)
        with connection, suppress(OSError):
            talk(connection, stop)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            stop.set()
            socket.create_connection(("127.0.0.1", port)).close()
            for thread in (accepting, *threads):
                thread.join()


def sink_for(url: str, timeout_s: float = 20.0) -> WebhookSink:
    return WebhookSink(WebhookSettings(url, timeout_s=timeout_s), "1.2.3")


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.event)
def test_a_record_arrives_as_json_with_what_it_is_in_the_headers(receiver: Receiver, record: Record) -> None:
    sink_for(receiver.url).emit(record)
    assert json.loads(receiver.bodies[0]) == record.as_json_object()
    assert receiver.paths == ["/hook?room=hall"]
    headers = receiver.headers[0]
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "edge-listen/1.2.3"
    assert headers["X-Edge-Listen-Event"] == record.event
    assert headers["Host"] == receiver.url.split("/")[2]
    assert "X-Edge-Listen-Signature" not in headers


def test_the_signature_is_the_hmac_of_the_body_under_the_key_of_the_file(
    receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(KEY + "\n", encoding="utf-8")
    (tmp_path / "key").chmod(0o600)
    sink = WebhookSink(WebhookSettings(receiver.url, secret_file=tmp_path / "key"), "1")
    sink.emit(event_record(label="Türklingel"))
    expected = hmac.new(KEY.encode(), receiver.bodies[0], hashlib.sha256).hexdigest()
    signature = receiver.headers[0]["X-Edge-Listen-Signature"]
    assert signature == f"sha256={expected}"
    is_genuine = documented_check()
    assert is_genuine(receiver.bodies[0], signature, KEY)
    assert not is_genuine(receiver.bodies[0], signature, KEY + "x")
    assert not is_genuine(receiver.bodies[0] + b" ", signature, KEY)


def documented_check() -> Callable[[bytes, str, str], bool]:
    """What docs/outputs.md gives a receiver."""
    text = (REPOSITORY / "docs" / "outputs.md").read_text(encoding="utf-8")
    names: dict[str, Callable[[bytes, str, str], bool]] = {}
    exec(text.partition("```python\n")[2].partition("```")[0], names)  # noqa: S102 - our own page
    return names["is_genuine"]


def test_a_key_that_cannot_be_read_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the key of \[webhook\] cannot be read"):
        WebhookSink(WebhookSettings("http://localhost/", secret_file=tmp_path / "absent"), "1")


def test_a_record_sent_again_has_the_same_idempotency_key_and_no_other_record_has_it(
    receiver: Receiver,
) -> None:
    others = [event_record(number=2), health_record(stream_s=11.0)]
    sink = sink_for(receiver.url)
    for record in [*RECORDS, *others, *RECORDS, *others]:
        sink.emit(record)
    keys = [headers["Idempotency-Key"] for headers in receiver.headers]
    assert keys[:5] == keys[5:]
    assert len(set(keys)) == 5
    sink_for(receiver.url).emit(health_record())
    assert receiver.headers[-1]["Idempotency-Key"] not in keys


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_an_answer_of_success_is_delivered(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, b"")]
    sink_for(receiver.url).emit(event_record())
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_an_answer_of_later_is_to_be_tried_again(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, b"try later\nor never")]
    sink = sink_for(receiver.url)
    with pytest.raises(SinkError, match=f"answered {status} try later$") as caught:
        sink.emit(event_record())
    assert not isinstance(caught.value, RefusedError)
    sink.emit(event_record())
    assert receiver.bodies[0] == receiver.bodies[1]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_an_answer_of_never_is_a_refusal_that_tells_the_reason_but_not_the_path(
    receiver: Receiver, status: int
) -> None:
    receiver.answers = [(status, b"no such hook\x1b[2J")]
    with pytest.raises(RefusedError, match=rf"answered {status} no such hook\\x1b") as caught:
        sink_for(receiver.url).emit(event_record())
    assert "room" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_refusal_and_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answers = [(status, b"")]
    with pytest.raises(RefusedError, match="redirects are not followed"):
        sink_for(receiver.url).emit(event_record())
    assert len(receiver.paths) == 1


def test_without_a_server_it_is_to_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SinkError, match="Connection refused") as caught:
        sink_for(f"http://127.0.0.1:{port}/secret-path").emit(event_record())
    assert not isinstance(caught.value, RefusedError)
    assert "secret-path" not in str(caught.value)


def test_a_host_without_an_address_is_to_be_tried_again() -> None:
    with pytest.raises(SinkError) as caught:
        sink_for("http://no-such-host.invalid/").emit(event_record())
    assert not isinstance(caught.value, RefusedError)


def hang(connection: socket.socket, stop: threading.Event) -> None:
    connection.recv(1)
    stop.wait()


def drip(connection: socket.socket, stop: threading.Event) -> None:
    """An answer whose every byte comes well within any time-out of a single read."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Filler: " + b"x" * 10_000:
        connection.sendall(bytes([byte]))
        if stop.wait(0.02):
            return


def go_on_for_ever(connection: socket.socket, stop: threading.Event) -> None:
    connection.settimeout(1.0)  # its send may wait long for one who has hung up
    while not stop.is_set():
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


@pytest.mark.parametrize("talk", [hang, drip, go_on_for_ever])
def test_the_whole_takes_no_longer_than_its_time(
    talk: Callable[[socket.socket, threading.Event], None],
) -> None:
    with raw_server(talk) as url:
        sink = sink_for(url, timeout_s=0.5)
        for _ in range(2):
            begin_s = time.monotonic()
            with pytest.raises(SinkError, match=r"no answer within 0\.5 s") as caught:
                sink.emit(event_record())
            assert time.monotonic() - begin_s < 0.5 + SOON_S
            assert not isinstance(caught.value, RefusedError)
    assert not [thread for thread in threading.enumerate() if thread.name == "http-post"]


def test_a_name_that_takes_for_ever_to_look_up_keeps_to_the_time_and_one_thread(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    look_up = socket.getaddrinfo

    def slow_look_up(*arguments: object, **options: object) -> object:
        goes_on.wait()
        return look_up(*arguments, **options)  # type: ignore[call-overload, arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow_look_up)
    sink = sink_for(receiver.url, timeout_s=0.2)
    with pytest.raises(SinkError, match=r"no answer within 0\.2 s"):
        sink.emit(event_record())
    with pytest.raises(SinkError, match="still waits"):
        sink.emit(event_record())
    left = [thread for thread in threading.enumerate() if thread.name == "http-post"]
    goes_on.set()
    assert len(left) == 1
    left[0].join()
    assert receiver.bodies == []  # what was given up isn't sent behind the back of a later try


def reset(connection: socket.socket, _: threading.Event) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say(answer: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def talk(connection: socket.socket, _: threading.Event) -> None:
        connection.recv(100_000)
        connection.sendall(answer)

    return talk


@pytest.mark.parametrize(
    "talk",
    [
        reset,
        say(b""),
        say(b"220 mail.example.org ESMTP\r\n"),
        say(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200),
    ],
    ids=["reset", "closed", "another protocol", "too many headers"],
)
def test_what_is_no_answer_is_to_be_tried_again(
    talk: Callable[[socket.socket, threading.Event], None],
) -> None:
    with raw_server(talk) as url, pytest.raises(SinkError) as caught:
        sink_for(url).emit(event_record())
    assert not isinstance(caught.value, RefusedError)


def test_a_status_counts_though_its_body_never_ends() -> None:
    def talk(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(100_000)
        status = next(statuses)
        connection.sendall(b"HTTP/1.1 %d So\r\nTransfer-Encoding: chunked\r\n\r\n" % status)
        while not stop.is_set():
            connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    statuses = iter([200, 404])
    with raw_server(talk) as url:
        begin_s = time.monotonic()
        sink_for(url).emit(event_record())
        with pytest.raises(RefusedError, match="404"):
            sink_for(url).emit(event_record())
        assert time.monotonic() - begin_s < SOON_S


def test_closing_ends_a_post_that_waits() -> None:
    has_begun = threading.Event()

    def begin_and_hang(connection: socket.socket, stop: threading.Event) -> None:
        connection.recv(1)
        has_begun.set()
        stop.wait()

    def close_once_begun() -> None:
        has_begun.wait()
        sink.close()
        sink.close()

    with raw_server(begin_and_hang) as url:
        sink = sink_for(url)
        threading.Thread(target=close_once_begun).start()
        begin_s = time.monotonic()
        with pytest.raises(SinkError, match="stopped"):
            sink.emit(event_record())
        assert time.monotonic() - begin_s < SOON_S
        with pytest.raises(SinkError, match="stopped"):
            sink.emit(event_record())


def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    sink_for(receiver.url).emit(event_record())
    assert len(receiver.bodies) == 1


@pytest.fixture
def own_certificate(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    path = tmp_path / "both.pem"
    subprocess.run(
        [*OPENSSL.split(), "-keyout", str(path), "-out", str(tmp_path / "crt")],
        check=True,
        capture_output=True,
    )
    with path.open("ab") as stream:
        stream.write((tmp_path / "crt").read_bytes())
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_of_its_own_making_is_not_trusted_and_nothing_is_sent(own_certificate: Path) -> None:
    with serving(Receiver(), server_tls(own_certificate)) as receiver:
        with pytest.raises(SinkError, match="certificate is not trusted: self") as caught:
            sink_for(receiver.url).emit(event_record())
        assert receiver.bodies == []
    assert not isinstance(caught.value, RefusedError)  # a clock that isn't set yet has this effect too


def test_https_works_where_the_system_trusts_the_certificate(
    own_certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(own_certificate))
    with serving(Receiver(), server_tls(own_certificate)) as receiver:
        sink_for(receiver.url).emit(event_record())
        assert len(receiver.bodies) == 1
        address = receiver.url.replace("localhost", "127.0.0.1")
        with pytest.raises(SinkError, match=r"certificate is not trusted.*127"):
            sink_for(address).emit(event_record())


def test_a_tls_handshake_that_hangs_keeps_to_the_time() -> None:
    with raw_server(hang) as url, pytest.raises(SinkError, match=r"no answer within 0\.3 s"):
        sink_for(url.replace("http:", "https:"), timeout_s=0.3).emit(event_record())


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "must be one such as"),
        ("localhost/hook", "must be one such as"),
        ("ftp://localhost/", "must be one such as"),
        ("http:///hook", "must be one such as"),
        ("http://localhost:0/", "must be one such as"),
        ("http://localhost:99999/", "malformed"),
        ("http://[::1/", "malformed"),
        ("http://a..b/", "malformed"),
        ("http://localhost/a b", "a blank or a character beyond ASCII"),
        ("http://localhost/a\r\nX: y", "a blank or a character beyond ASCII"),
        ("http://tür.example/", "a blank or a character beyond ASCII"),
        ("https://user:hunter2@localhost/", "user name or password"),
        ("https://user@localhost/", "user name or password"),
    ],
)
def test_a_url_that_cannot_work_is_refused_at_the_start(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        sink_for(url)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
