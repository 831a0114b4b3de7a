from __future__ import annotations

import json
import logging
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paho.mqtt.enums", reason="paho-mqtt is not installed (pip install paho-mqtt)")

from mosquitto import Broker, Observer, Relay, free_port, retained
from program import ENVIRONMENT

from edge.errors import ConfigError, SinkError
from edge.events import EventRecord, HealthRecord
from edge.outbox import Outbox
from edge.output_settings import MqttSettings
from edge.sinks.home_assistant import discovery
from edge.sinks.mqtt import MqttSink
from edge.sinks.mqtt_topics import label_slug, topics_of
from edge.status import Status

LABELS = ("dog bark", "Tür & 门")
BASE = "edge-listen/yard"
KINDS = ("onset", "offset", "health")
PASSWORD = "open, sesame"  # noqa: S105 - of a broker that lives for seconds


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def sinks() -> Iterator[Callable[..., MqttSink]]:
    """Makes sinks and closes them."""
    made: list[MqttSink] = []

    def make(
        port: int,
        labels: tuple[str, ...] = LABELS,
        set_labels: Callable[[tuple[str, ...]], None] | None = None,
        host: str = "localhost",
        **settings: Any,
    ) -> MqttSink:
        table = MqttSettings(host=host, port=port, node="yard", **settings)
        made.append(MqttSink(table, labels, set_labels, "1.2.3"))
        return made[-1]

    yield make
    for sink in made:
        sink.close()


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors that the first try to connect brings come after 2 s and not 5."""
    monkeypatch.setattr("edge.sinks.mqtt_connection.CONNECT_WAIT_S", 2.0)


@pytest.fixture
def observer(broker: Broker) -> Iterator[Observer]:
    observer = Observer(broker.port)
    yield observer
    observer.close()


def sound(label: str = "dog bark", duration_s: float | None = None, number: int = 1) -> EventRecord:
    return EventRecord(
        event="onset" if duration_s is None else "offset", event_id=f"12ab34cd-{number}", label=label,
        score=0.8, threshold=0.6, source="microphone", bundle="ab" * 32, stream_s=1.0, time=None,
        clock_synchronised=None, duration_s=duration_s,
    )  # fmt: skip


def status(labels: tuple[str, ...] = LABELS, level_dbfs: float = -30.0) -> Status:
    return Status("microphone", None, labels, level_dbfs=level_dbfs)


def test_a_record_arrives_as_json_with_qos_1_and_does_not_stand(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(broker.port)
    sink.emit(sound())
    ill = HealthRecord("health", "silent", "begun", "digital silence", "microphone", 2.0, None, None)
    sink.emit(ill)
    heard = observer.wait_for(f"{BASE}/event", json.dumps(sound().as_json_object()))
    assert (heard.qos, heard.retain) == (1, False)
    observer.wait_for_count(f"{BASE}/event", 2)
    assert [json.loads(text) for text in observer.texts(f"{BASE}/event")][1:] == [ill.as_json_object()]
    assert f"{BASE}/event" not in retained(broker.port)


def test_what_stands_at_the_broker_is_what_home_assistant_is_to_find(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(broker.port)
    observer.wait_for(f"{BASE}/availability", "online")
    sink.tell(status())
    observer.wait_for(f"{BASE}/level")
    odd = label_slug("Tür & 门")
    standing = retained(broker.port)
    announced = {topic: text for topic, text in standing.items() if topic.startswith("homeassistant/")}
    assert announced == discovery(topics_of(MqttSettings("x", node="yard")), LABELS, "1.2.3")
    assert {topic: text for topic, text in standing.items() if topic not in announced} == {
        f"{BASE}/availability": "online",
        f"{BASE}/labels": json.dumps(LABELS),
        f"{BASE}/label/dog_bark": "OFF",
        f"{BASE}/label/{odd}": "OFF",
        f"{BASE}/health": json.dumps({"problem": "OFF", "conditions": [], "waiting_for": None}),
        f"{BASE}/level": "-30.0",
    }
    door = json.loads(announced[f"homeassistant/binary_sensor/yard/{odd}/config"])
    assert (door["name"], door["state_topic"]) == ("Tür & 门", f"{BASE}/label/{odd}")
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", odd)


def test_without_discovery_nothing_is_announced(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    sinks(broker.port, discovery=False)
    observer.wait_for(f"{BASE}/availability", "online")
    assert [topic for topic in retained(broker.port) if topic.startswith("homeassistant")] == []


def test_a_label_stands_on_until_its_offset_even_if_offsets_are_not_sent(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(broker.port, events=("onset",))
    sink.emit(sound())
    assert retained(broker.port)[f"{BASE}/label/dog_bark"] == "ON"
    sink.emit(sound(duration_s=1.0))
    observer.wait_for(f"{BASE}/label/dog_bark", "OFF")
    sink.emit(sound(number=2))
    observer.wait_for_count(f"{BASE}/event", 2)
    assert observer.texts(f"{BASE}/label/dog_bark")[-3:] == ["ON", "OFF", "ON"]
    kinds = [json.loads(text)["event"] for text in observer.texts(f"{BASE}/event")]
    assert kinds == ["onset", "onset"]


CRASHING = """
import json, sys
from edge.events import EventRecord
from edge.output_settings import MqttSettings
from edge.sinks.mqtt import MqttSink
settings = MqttSettings(host="localhost", port=int(sys.argv[1]), node="yard")
sink = MqttSink(settings, ("dog bark", "siren"), None, "1.2.3")
for label in ("dog bark", "siren"):
    sink.emit(EventRecord("onset", "1-1", label, 0.8, 0.6, "microphone", "ab", 1.0, None, None, None))
print("emitted", flush=True)
sys.stdin.read()
"""


def test_a_crash_is_told_by_the_last_will_and_the_next_start_sets_all_right(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    crashing = subprocess.Popen(
        [sys.executable, "-c", CRASHING, str(broker.port)],
        env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert crashing.stdout is not None
    assert crashing.stdout.readline() == b"emitted\n"
    crashing.kill()
    crashing.communicate(timeout=10)
    observer.wait_for(f"{BASE}/availability", "offline")
    standing = retained(broker.port)
    assert standing[f"{BASE}/availability"] == "offline"
    assert standing[f"{BASE}/label/dog_bark"] == standing[f"{BASE}/label/siren"] == "ON"

    observer.forget()
    sinks(broker.port, ("dog bark",))
    observer.wait_for("homeassistant/binary_sensor/yard/siren/config", "")
    observer.wait_for(f"{BASE}/label/siren", "")
    observer.wait_for(f"{BASE}/availability", "online")
    standing = retained(broker.port)
    assert standing[f"{BASE}/label/dog_bark"] == "OFF"
    assert f"{BASE}/label/siren" not in standing
    assert "homeassistant/binary_sensor/yard/siren/config" not in standing


def test_a_program_that_is_closed_is_offline_at_once(broker: Broker, sinks: Callable[..., MqttSink]) -> None:
    sink = sinks(broker.port)
    sink.emit(sound())
    began_s = time.monotonic()
    sink.close()
    sink.close()
    assert time.monotonic() - began_s < 2
    assert retained(broker.port)[f"{BASE}/availability"] == "offline"
    with pytest.raises(SinkError, match="was closed"):
        sink.emit(sound())


@pytest.fixture
def relay(broker: Broker) -> Iterator[Relay]:
    relay = Relay(broker.port)
    yield relay
    relay.close()


def power_cut(broker: Broker, relay: Relay, observer: Observer) -> None:
    """The broker is killed and forgets all; the observer is back before the sink, and so misses nothing."""
    broker.kill()
    relay.shut()
    broker.start()
    observer.wait_until_listening()
    relay.open()


def test_no_event_is_lost_or_out_of_order_when_the_broker_is_killed_and_comes_back(
    broker: Broker, relay: Relay, sinks: Callable[..., MqttSink]
) -> None:
    observer = Observer(broker.port, qos=0)
    outbox = Outbox("mqtt", sinks(relay.port), 1000, KINDS)
    records = [sound(duration_s=None if i % 2 == 0 else 1.0, number=i // 2) for i in range(50)]
    feeding = threading.Thread(target=feed, args=(outbox, records))
    feeding.start()
    for n_heard in (5, 15):
        observer.wait_for_count(f"{BASE}/event", n_heard)
        power_cut(broker, relay, observer)
    feeding.join()
    wanted = [json.dumps(record.as_json_object()) for record in records]
    observer.wait_for(f"{BASE}/event", wanted[-1])
    heard = observer.texts(f"{BASE}/event")
    print(f"{len(heard)} messages of {len(records)} records")
    assert list(dict.fromkeys(heard)) == wanted
    assert len(heard) <= len(records) + 2  # QoS 1: the one on its way at each power cut may come twice
    outbox.finish(5)
    observer.close()
    assert (outbox.status.n_delivered, outbox.status.n_lost) == (50, 0)


def feed(outbox: Outbox, records: list[EventRecord]) -> None:
    for record in records:
        outbox.emit(record)
        time.sleep(0.05)  # so that power cuts come between and during deliveries


def test_a_record_handed_over_before_the_connection_broke_is_delivered_once(
    broker: Broker, relay: Relay, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(relay.port)
    sink.emit(sound(number=1))
    broker.halt()
    emitting = Emitting(sink, sound(number=2))
    assert not emitting.wait(0.3)
    power_cut(broker, relay, observer)
    assert emitting.wait(10)
    assert emitting.error is None
    sink.emit(sound(number=3))
    observer.wait_for(f"{BASE}/event", json.dumps(sound(number=3).as_json_object()))
    ids = [json.loads(text)["event_id"][-1] for text in observer.texts(f"{BASE}/event")]
    assert ids == ["1", "2", "3"]


class Emitting(threading.Thread):
    """An emit in a thread of its own."""

    def __init__(self, sink: MqttSink, record: EventRecord) -> None:
        super().__init__(daemon=True)
        self._sink, self._record = sink, record
        self.error: SinkError | None = None
        self.start()

    def run(self) -> None:
        try:
            self._sink.emit(self._record)
        except SinkError as error:
            self.error = error

    def wait(self, timeout_s: float) -> bool:
        self.join(timeout_s)
        return not self.is_alive()


def test_a_broker_that_forgot_all_is_told_the_true_state(
    broker: Broker, relay: Relay, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(relay.port)
    sink.emit(sound())
    sink.tell(status())
    power_cut(broker, relay, observer)
    observer.forget()
    observer.wait_for(f"{BASE}/availability", "online")
    standing = retained(broker.port)
    assert standing[f"{BASE}/label/dog_bark"] == "ON"
    assert standing[f"{BASE}/level"] == "-30.0"
    assert "homeassistant/binary_sensor/yard/dog_bark/config" in standing


def test_what_changed_while_the_connection_was_down_is_told_when_it_is_back(
    broker: Broker, relay: Relay, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(relay.port)
    sink.emit(sound())
    relay.shut()
    observer.wait_for(f"{BASE}/availability", "offline")
    sink.tell(status(labels=("siren",)))
    relay.open()
    observer.wait_for(f"{BASE}/label/siren", "OFF")
    standing = retained(broker.port)
    assert json.loads(standing[f"{BASE}/labels"]) == ["siren"]
    assert f"{BASE}/label/dog_bark" not in standing
    assert "homeassistant/binary_sensor/yard/dog_bark/config" not in standing


def test_close_ends_an_emit_that_waits_for_a_broker_which_answers_nothing(
    broker: Broker, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(broker.port)
    sink.emit(sound())
    broker.halt()
    emitting = Emitting(sink, sound(number=2))
    assert not emitting.wait(0.3)
    began_s = time.monotonic()
    sink.tell(status(level_dbfs=-10.0))
    assert time.monotonic() - began_s < 0.1
    sink.close()
    assert time.monotonic() - began_s < 2.5
    assert emitting.wait(1)
    assert "before the MQTT broker" in str(emitting.error)
    broker.go_on()


def test_a_broker_that_is_not_there_at_the_start_is_awaited(
    tmp_path: Path, sinks: Callable[..., MqttSink], caplog: pytest.LogCaptureFixture
) -> None:
    broker = Broker(tmp_path)
    began_s = time.monotonic()
    sink = sinks(broker.port)
    sink.tell(status())
    assert time.monotonic() - began_s < 1
    with pytest.raises(SinkError, match=rf"localhost:{broker.port}: Connection refused; is it running"):
        sink.emit(sound())
    assert 4 < time.monotonic() - began_s < 8
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    broker.start()
    observer = Observer(broker.port)
    outbox = Outbox("mqtt", sink, 10, KINDS)
    outbox.emit(sound())
    observer.wait_for(f"{BASE}/event")
    assert len(observer.texts(f"{BASE}/event")) == 1
    outbox.finish(5)
    observer.close()
    broker.kill()


@pytest.mark.usefixtures("short_wait")
def test_an_unknown_host_is_named_in_the_error(sinks: Callable[..., MqttSink]) -> None:
    sink = sinks(1883, host="no-such-broker.invalid")
    with pytest.raises(
        SinkError, match=r"^cannot reach the MQTT broker at no-such-broker\.invalid:1883: .*host"
    ):
        sink.emit(sound())


def write_secret(path: Path, secret: str) -> Path:
    path.write_text(secret + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Iterator[Broker]:
    """One that lets in "ears" only."""
    passwords = tmp_path / "passwords"
    broker = Broker(tmp_path, f"allow_anonymous false\npassword_file {passwords}")
    made = ["mosquitto_passwd", "-b", "-c", str(passwords), "ears", PASSWORD]
    subprocess.run(made, check=True, capture_output=True)
    broker.start()
    yield broker
    broker.kill()


def test_the_right_password_is_let_in(
    guarded_broker: Broker, tmp_path: Path, sinks: Callable[..., MqttSink]
) -> None:
    password_file = write_secret(tmp_path / "right", PASSWORD)
    sinks(guarded_broker.port, user="ears", password_file=password_file).emit(sound())
    standing = retained(guarded_broker.port, lambda client: client.username_pw_set("ears", PASSWORD))
    assert standing[f"{BASE}/availability"] == "online"


@pytest.mark.usefixtures("short_wait")
def test_a_wrong_password_is_a_sink_error_that_says_what_to_check(
    guarded_broker: Broker, tmp_path: Path, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(guarded_broker.port, user="ears", password_file=write_secret(tmp_path / "wrong", "guess"))
    with pytest.raises(
        SinkError, match=r"refused the connection: Not authorized; check user and password"
    ) as error:
        sink.emit(sound())
    assert "\n" not in str(error.value)
    assert "guess" not in str(error.value)


def test_a_password_that_would_go_unencrypted_is_warned_of_once(
    tmp_path: Path, sinks: Callable[..., MqttSink], caplog: pytest.LogCaptureFixture
) -> None:
    secret = {"user": "ears", "password_file": write_secret(tmp_path / "password", PASSWORD)}
    for host in ("localhost", "127.0.0.9", "::1"):
        sinks(free_port(), host=host, **secret)
    assert "unencrypted" not in caplog.text
    sinks(free_port(), host="192.0.2.1", **secret)
    assert caplog.text.count("unencrypted") == 1
    assert PASSWORD not in caplog.text


def certify(directory: Path, names: str) -> tuple[Path, Path, Path]:
    """A certificate authority, and a certificate by it for these names with its key."""
    ca, ca_key, key, request, certificate, extensions = (
        directory / name
        for name in ("ca.pem", "ca.key", "server.key", "server.csr", "server.pem", "extensions")
    )
    extensions.write_text(f"subjectAltName={names}\n")
    new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    of_ca = ["-addext", "keyUsage=critical,keyCertSign"]
    for command in (
        [*new, "-x509", "-days", "2", "-subj", "/CN=Test CA", *of_ca, "-keyout", ca_key, "-out", ca],
        [*new, "-subj", "/CN=broker", "-keyout", key, "-out", request],
        ["openssl", "x509", "-req", "-days", "2", "-in", request, "-CA", ca, "-CAkey", ca_key,
         "-CAcreateserial", "-extfile", extensions, "-out", certificate],
    ):  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
    return ca, certificate, key


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[tuple[Broker, Path]]:
    """One that speaks TLS only and is called localhost, and its certificate authority."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed (apt install openssl)")
    ca, certificate, key = certify(tmp_path, "DNS:localhost")
    broker = Broker(tmp_path, f"allow_anonymous true\ncertfile {certificate}\nkeyfile {key}")
    broker.start()
    yield broker, ca
    broker.kill()


def test_events_go_over_tls_to_a_broker_with_the_right_certificate(
    tls_broker: tuple[Broker, Path], sinks: Callable[..., MqttSink]
) -> None:
    broker, ca = tls_broker
    observer = Observer(broker.port, lambda client: client.tls_set(str(ca)))
    sinks(broker.port, tls=True, ca_file=ca).emit(sound())
    observer.wait_for(f"{BASE}/event")
    observer.close()


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("ca", "certificate;"),
        ("system", "certificate;"),
        ("host", "IP address mismatch"),
    ],
)
def test_a_broker_whose_certificate_does_not_hold_is_not_spoken_to(
    wrong: str, reason: str, tls_broker: tuple[Broker, Path], tmp_path: Path, sinks: Callable[..., MqttSink]
) -> None:
    broker, ca = tls_broker
    if wrong == "ca":
        other = tmp_path / "other"
        other.mkdir()
        ca, _, _ = certify(other, "DNS:localhost")
    host = "127.0.0.1" if wrong == "host" else "localhost"
    sink = sinks(broker.port, host=host, tls=True, ca_file=None if wrong == "system" else ca)
    with pytest.raises(SinkError, match=rf"cannot reach the MQTT broker .*{reason}.*ca_file in \[mqtt\]"):
        sink.emit(sound())


@pytest.mark.usefixtures("short_wait")
def test_a_broker_that_wants_tls_and_gets_none_is_a_sink_error_that_says_so(
    tls_broker: tuple[Broker, Path], sinks: Callable[..., MqttSink]
) -> None:
    with pytest.raises(SinkError, match="without a word; does it want tls"):
        sinks(tls_broker[0].port).emit(sound())


def test_labels_are_changed_by_a_message(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink], caplog: pytest.LogCaptureFixture
) -> None:
    asked: queue.Queue[tuple[str, ...]] = queue.Queue()
    sinks(broker.port, set_labels=asked.put, commands=True)
    observer.wait_for(f"{BASE}/availability", "online")
    for payload in (
        b'["siren", "dog bark"]',
        b'["siren"',
        b"a" * 100_000,
        b"\xff",
        "siren, Tür & 门".encode(),
    ):
        observer.client.publish(f"{BASE}/labels/set", payload, qos=1)
    assert asked.get(timeout=10) == ("siren", "dog bark")
    assert asked.get(timeout=10) == ("siren", "Tür & 门")
    assert asked.empty()
    assert caplog.text.count("isn't a list of labels") == 3


def test_a_retained_message_does_not_change_the_labels(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink], caplog: pytest.LogCaptureFixture
) -> None:
    asked: queue.Queue[tuple[str, ...]] = queue.Queue()
    observer.client.publish(f"{BASE}/labels/set", "siren", qos=1, retain=True)
    observer.wait_for(f"{BASE}/labels/set")
    sinks(broker.port, set_labels=asked.put, commands=True)
    observer.wait_for(f"{BASE}/availability", "online")
    observer.client.publish(f"{BASE}/labels/set", "dog bark", qos=1)
    assert asked.get(timeout=10) == ("dog bark",)
    assert asked.empty()
    assert caplog.text.count("ignored a retained message") == 1


def test_without_commands_nobody_changes_the_labels(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    asked: list[tuple[str, ...]] = []
    sink = sinks(broker.port, set_labels=asked.append)
    observer.wait_for(f"{BASE}/availability", "online")
    observer.client.publish(f"{BASE}/labels/set", "siren", qos=1)
    observer.wait_for(f"{BASE}/labels/set")
    sink.emit(sound())  # its acknowledgement comes after whatever the broker had to say before
    assert asked == []


def test_changed_labels_replace_the_sensors_of_the_old(
    broker: Broker, observer: Observer, sinks: Callable[..., MqttSink]
) -> None:
    sink = sinks(broker.port)
    observer.wait_for(f"{BASE}/availability", "online")
    sink.tell(status(labels=("dog bark", "siren")))
    sink.emit(sound("Tür & 门"))
    sink.emit(sound("siren"))
    standing = retained(broker.port)
    sensors = {topic.split("/")[-2] for topic in standing if topic.startswith("homeassistant/binary_sensor")}
    states = {topic.split("/")[-1]: text for topic, text in standing.items() if "/label/" in topic}
    assert sensors == {"dog_bark", "siren", "health"}
    assert states == {"dog_bark": "OFF", "siren": "ON"}
    observer.wait_for_count(f"{BASE}/event", 2)
    heard = [json.loads(text)["label"] for text in observer.texts(f"{BASE}/event")]
    assert heard == ["Tür & 门", "siren"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"topic": "a/#"}, "topic"),
        ({"node": "a/b"}, "node"),
        ({"discovery_prefix": "+"}, "discovery_prefix"),
        ({"host": ""}, "host ''"),
        ({"host": "a..b"}, "host 'a..b'"),
        ({"host": "mqtt://broker", "ca_file": Path("ca.pem")}, "has a ca_file but no tls"),
        (
            {"tls": True, "ca_file": Path("no-such.pem")},
            "no-such.pem cannot be used as certificate authority",
        ),
        ({"tls": True, "ca_file": Path(__file__)}, "cannot be used as certificate authority"),
    ],
)
def test_a_setting_that_cannot_work_is_a_config_error(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\[mqtt\] .*{re.escape(message)}"):
        MqttSink(MqttSettings(**{"host": "localhost", **wrong}), LABELS, None, "1.2.3")


def test_a_password_without_a_user_is_a_config_error(tmp_path: Path) -> None:
    settings = MqttSettings("localhost", password_file=write_secret(tmp_path / "password", PASSWORD))
    with pytest.raises(ConfigError, match="a password but no user"):
        MqttSink(settings, LABELS, None, "1.2.3")


def test_without_paho_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(SinkError, match=r'pip install "edge-listen\[mqtt\]"'):
        MqttSink(MqttSettings("localhost"), LABELS, None, "1.2.3")
