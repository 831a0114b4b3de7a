from __future__ import annotations

import http.server
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("paho.mqtt.enums", reason="paho-mqtt is not installed (pip install paho-mqtt)")

from daemon.mosquitto import Broker, free_port

from edge.config import ListenConfig
from edge.doctor import network
from edge.doctor.check import Check, Subject
from edge.output_settings import MetricsSettings, MqttSettings, WebhookSettings

PASSWORD = "open, sesame"  # noqa: S105 - of a broker that lives for seconds


def only(checks: Iterable[Check]) -> Check:
    (check,) = checks
    return check


def asked(settings: MqttSettings) -> Check:
    return only(network.broker(Subject(ListenConfig(mqtt=settings))))


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Broker]:
    """A broker that knows one user."""
    passwords = tmp_path / "passwords"
    broker = Broker(tmp_path, f"allow_anonymous false\npassword_file {passwords}")
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", passwords, "me", PASSWORD], check=True, capture_output=True
    )
    broker.start()
    yield broker
    broker.kill()


def secret(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_broker_takes_the_right_password(guarded: Broker, tmp_path: Path) -> None:
    found = asked(
        MqttSettings("localhost", guarded.port, user="me", password_file=secret(tmp_path, PASSWORD))
    )
    assert found.verdict == "ok", found
    assert "takes the login of me (not encrypted)" in found.text


@pytest.mark.parametrize("user", ["me", "you", None])
def test_a_broker_that_refuses_fails(guarded: Broker, tmp_path: Path, user: str | None) -> None:
    wrong = secret(tmp_path, "wrong") if user else None
    found = asked(MqttSettings("localhost", guarded.port, user=user, password_file=wrong))
    assert found.verdict == "fail"
    assert "refuses: Not authorized" in found.text


def test_a_password_that_cannot_be_read_is_not_tried(guarded: Broker, tmp_path: Path) -> None:
    found = asked(MqttSettings("localhost", guarded.port, user="me", password_file=tmp_path / "absent"))
    assert (found.verdict, "no login" in found.text) == ("warn", True)


def test_a_broker_that_is_not_there_fails() -> None:
    found = asked(MqttSettings("localhost", free_port()))
    assert found.verdict == "fail"
    assert "Connection refused" in found.text


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of someone who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("tls", [False, True])
def test_one_that_says_nothing_is_given_up(mute: int, monkeypatch: pytest.MonkeyPatch, *, tls: bool) -> None:
    monkeypatch.setattr(network, "PROBE_S", 0.3)
    began_s = time.monotonic()
    found = asked(MqttSettings("127.0.0.1", mute, tls=tls))
    assert found.verdict == "fail"
    assert "no answer within 0.3 s" in found.text
    assert time.monotonic() - began_s < 5.0


def certified(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
         "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def test_a_certificate_is_checked_for_broker_and_webhook(tmp_path: Path) -> None:
    certificate, key = certified(tmp_path)
    broker = Broker(tmp_path, f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}")
    broker.start()
    try:
        trusted = asked(MqttSettings("localhost", broker.port, tls=True, ca_file=certificate))
        assert trusted.verdict == "ok", trusted
        assert "TLSv1.3" in trusted.text
        other_name = asked(MqttSettings("127.0.0.1", broker.port, tls=True, ca_file=certificate))
        assert other_name.verdict == "fail"
        unknown = asked(MqttSettings("localhost", broker.port, tls=True))
        assert "certificate is not trusted (self" in unknown.text
        hook = Subject(ListenConfig(webhook=WebhookSettings(f"https://localhost:{broker.port}/token")))
        assert "certificate is not trusted" in only(network.webhook(hook)).text
    finally:
        broker.kill()


def test_a_webhook_is_reached_without_a_request() -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(1000))

        thread = threading.Thread(target=take)
        thread.start()
        url = f"http://localhost:{server.getsockname()[1]}/secret-token"
        found = only(network.webhook(Subject(ListenConfig(webhook=WebhookSettings(url)))))
        thread.join(timeout=10)
    assert heard == [b""]
    assert found.verdict == "ok"
    assert "secret-token" not in found.line


@pytest.mark.parametrize("url", ["ftp://x/", "example.org/hook", "https:///hook"])
def test_a_url_that_is_none_fails(url: str) -> None:
    assert only(network.webhook(Subject(ListenConfig(webhook=WebhookSettings(url))))).verdict == "fail"


def metrics_at(port: int, host: str = "127.0.0.1") -> Check:
    return only(network.metrics(Subject(ListenConfig(metrics=MetricsSettings(host, port)))))


@pytest.mark.parametrize(
    ("page", "verdict"), [(b"edge_listen_uptime_seconds 3\n", "ok"), (b"other_metric 1\n", "fail")]
)
def test_a_port_that_is_taken_is_only_all_right_if_it_is_ours(page: bytes, verdict: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        assert metrics_at(server.server_address[1]).verdict == verdict
        server.shutdown()
        thread.join()


def test_a_port_that_is_free_is_left_free() -> None:
    port = free_port()
    assert metrics_at(port).verdict == "ok"
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_an_address_of_another_machine_fails() -> None:
    assert metrics_at(free_port(), "192.0.2.1").verdict == "fail"


def test_what_is_not_configured_is_not_looked_for() -> None:
    nothing = Subject(ListenConfig())
    assert [*network.broker(nothing), *network.webhook(nothing), *network.metrics(nothing)] == []


def test_a_name_that_nobody_has_fails() -> None:
    found = asked(MqttSettings("no-such-host.invalid"))
    assert found.verdict == "fail"
