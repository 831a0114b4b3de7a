from __future__ import annotations

import builtins
import http.client
import json
import logging
import math
import re
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from edge import health_page
from edge.errors import SinkError
from edge.metrics import STALE_S, MetricsServer
from edge.output_settings import MetricsSettings
from edge.status import OutputStatus, Status

parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")

CONDITIONS = ("silent", "no_sound", "clipped")
STATUS = Status(
    source="USB Audio",
    waiting_for=None,
    labels=("dog bark", 'a "quoted" Türklingel'),
    stream_s=3600.48,
    level_dbfs=-41.5,
    hop_s=0.48,
    n_windows={"scored": 700, "quiet": 50},
    lost_s=1.25,
    scores={"dog bark": 0.31},
    n_events={"dog bark": 3},
    outputs=(
        OutputStatus("mqtt", n_delivered=5, n_waiting=2, n_lost=1, failure="refused"),
        OutputStatus("clips"),
    ),
    uptime_s=3601.0,
)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[MetricsServer]:
    with MetricsServer(MetricsSettings(port=0), "1.2.3", CONDITIONS, clock) as running:
        yield running


def ask(server: MetricsServer, path: str, method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def metrics(server: MetricsServer) -> dict[tuple[str, str], float]:
    """Value by name and the value of the only label."""
    _, body = ask(server, "/metrics")
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in parser.text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_metrics_tell_the_last_status(server: MetricsServer) -> None:
    server.tell(Status("old", None, ("dog bark",)))
    server.tell(STATUS)
    found = metrics(server)
    expected = {
        ("info", "1.2.3"): 1,
        ("events_total", "dog bark"): 3,
        ("events_total", 'a "quoted" Türklingel'): 0,
        ("score", "dog bark"): 0.31,
        ("windows_total", "scored"): 700,
        ("windows_total", "quiet"): 50,
        ("lost_seconds_total", ""): 1.25,
        ("level_dbfs", ""): -41.5,
        ("hop_seconds", ""): 0.48,
        ("waiting", ""): 0,
        ("stream_seconds", ""): 3600.48,
        ("uptime_seconds", ""): 3601,
        ("output_delivered_total", "mqtt"): 5,
        ("output_waiting", "mqtt"): 2,
        ("output_lost_total", "mqtt"): 1,
        ("output_failing", "mqtt"): 1,
        ("output_failing", "clips"): 0,
    }
    for (name, label), value in expected.items():
        assert found[f"edge_listen_{name}", label] == value, name
    assert found["edge_listen_resident_memory_bytes", ""] > 10_000_000


def test_every_condition_has_a_value_also_one_that_was_not_announced(server: MetricsServer) -> None:
    server.tell(Status("microphone", None, (), conditions=("silent", "newer")))
    found = metrics(server)
    shown = {label: value for (name, label), value in found.items() if name == "edge_listen_condition"}
    assert shown == {"silent": 1, "no_sound": 0, "clipped": 0, "newer": 1}


def test_before_the_first_status_there_is_nothing_to_tell_of_sound(server: MetricsServer) -> None:
    found = metrics(server)
    assert ("edge_listen_info", "1.2.3") in found
    assert ("edge_listen_stream_seconds", "") not in found


def test_the_level_is_absent_before_the_first_window_and_infinite_in_silence(server: MetricsServer) -> None:
    server.tell(Status("microphone", None, ()))
    assert ("edge_listen_level_dbfs", "") not in metrics(server)
    server.tell(Status("microphone", None, (), level_dbfs=-math.inf))
    assert metrics(server)["edge_listen_level_dbfs", ""] == -math.inf


def test_inference_times_fall_into_buckets(server: MetricsServer) -> None:
    for seconds in (0.0009, 0.003, 0.004, 7.0):
        server.observe_inference(seconds)
    found = metrics(server)
    buckets = {
        label: n for (name, label), n in found.items() if name == "edge_listen_inference_seconds_bucket"
    }
    assert (buckets["0.001"], buckets["0.005"], buckets["5.0"], buckets["+Inf"]) == (1, 3, 3, 4)
    assert found["edge_listen_inference_seconds_sum", ""] == pytest.approx(7.0079)


def test_nothing_is_told_of_the_interpreter(server: MetricsServer) -> None:
    server.tell(STATUS)
    assert all(name.startswith("edge_listen_") for name, _ in metrics(server))
    response, _ = ask(server, "/metrics")
    assert response.headers["Server"] == "edge-listen"


def test_health_is_200_with_the_status_while_all_is_well(server: MetricsServer) -> None:
    server.tell(STATUS)
    response, body = ask(server, "/healthz")
    assert response.status == 200
    assert json.loads(body) == json.loads(json.dumps(STATUS.as_json_object()))
    assert json.loads(body)["is_well"] is True


def test_health_is_503_with_the_reasons(server: MetricsServer) -> None:
    server.tell(Status("microphone", "microphone 'USB Audio' to come back", (), conditions=("no_sound",)))
    response, body = ask(server, "/healthz?verbose")
    assert response.status == 503
    assert json.loads(body)["reasons"] == ["waiting for microphone 'USB Audio' to come back", "no_sound"]


def test_health_is_503_before_the_first_status(server: MetricsServer) -> None:
    response, body = ask(server, "/healthz")
    assert response.status == 503
    assert json.loads(body) == {"is_well": False, "reasons": ["it does not listen yet"]}


def test_health_is_503_when_the_listening_thread_went_quiet(server: MetricsServer, clock: Clock) -> None:
    server.tell(STATUS)
    clock.now_s += STALE_S - 0.1
    assert ask(server, "/healthz")[0].status == 200
    clock.now_s += 1
    response, body = ask(server, "/healthz")
    assert response.status == 503
    assert json.loads(body)["is_well"] is False
    assert "31 s" in json.loads(body)["reasons"][0]
    server.tell(STATUS)
    assert ask(server, "/healthz")[0].status == 200


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/healthz/x"])
def test_other_pages_are_not_found(server: MetricsServer, path: str) -> None:
    assert ask(server, path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_refused(server: MetricsServer, method: str) -> None:
    assert ask(server, "/metrics", method)[0].status == 501


def test_head_has_no_body(server: MetricsServer) -> None:
    response, body = ask(server, "/metrics", "HEAD")
    assert response.status == 200
    assert int(response.headers["Content-Length"]) > 100
    assert body == b""


def test_a_taken_port_is_one_line_that_says_what_to_do(server: MetricsServer) -> None:
    with pytest.raises(SinkError, match=rf"port {server.port} .*in use.*\[metrics\]") as error:
        MetricsServer(MetricsSettings(port=server.port), "1", CONDITIONS)
    assert "\n" not in str(error.value)


def test_a_host_that_is_not_this_machine_is_one_line() -> None:
    with pytest.raises(SinkError, match=r"192\.0\.2\.1"):
        MetricsServer(MetricsSettings(host="192.0.2.1", port=0), "1", CONDITIONS)


@pytest.mark.parametrize(("host", "warned"), [("0.0.0.0", True), ("127.0.0.1", False), ("localhost", False)])  # noqa: S104
def test_it_warns_when_others_can_read(host: str, *, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), MetricsServer(MetricsSettings(host, port=0), "1", CONDITIONS):
        pass
    assert bool(re.search("anyone in the network", caplog.text)) == warned


def test_it_serves_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    with MetricsServer(MetricsSettings("::1", port=0), "1", CONDITIONS) as server:
        connection = http.client.HTTPConnection("::1", server.port, timeout=10)
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 200


def is_cut_off(client: socket.socket) -> bool:
    """Send a byte, and wait a little for the connection to end."""
    try:
        client.sendall(b"X")
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_clients_that_hang_get_few_threads_and_are_cut_off(
    server: MetricsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_page, "MAX_CONNECTION_S", 3.0)
    before = threading.active_count()
    hung = {socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(20)}
    while len(hung) > health_page.MAX_CONNECTIONS:
        ended, _, _ = select.select(hung, [], [], 10)
        assert ended, "more connections are held than there may be"
        hung -= set(ended)
    assert threading.active_count() <= before + health_page.MAX_CONNECTIONS
    while hung:
        ended, _, _ = select.select(hung, [], [], 10)
        assert ended, "a client that says nothing is never cut off"
        hung -= set(ended)
    assert ask(server, "/metrics")[0].status == 200


def test_a_client_that_drips_is_cut_off(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_page, "MAX_CONNECTION_S", 1.0)
    with socket.create_connection(("127.0.0.1", server.port), timeout=0.2) as client:
        assert any(is_cut_off(client) for _ in range(50))


def test_it_is_closed_twice_and_frees_its_port() -> None:
    server = MetricsServer(MetricsSettings(port=0), "1", CONDITIONS)
    port = server.port
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    with MetricsServer(MetricsSettings(port=port), "1", CONDITIONS) as again:
        assert ask(again, "/metrics")[0].status == 200


def test_without_prometheus_client_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("prometheus_client"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SinkError, match=r'pip install "edge-listen\[prometheus\]"'):
        MetricsServer(MetricsSettings(port=0), "1", CONDITIONS)
