from __future__ import annotations

import json
import shlex
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from event_records import event_record, health_record

from edge import output_makers
from edge import outputs as outputs_module
from edge.config import ListenConfig
from edge.errors import ConfigError
from edge.events import Record
from edge.outbox import Outbox
from edge.output_makers import Output, Surroundings
from edge.output_settings import (
    ClipsSettings,
    CommandSettings,
    EventFileSettings,
    MetricsSettings,
    MqttSettings,
    WebhookSettings,
)
from edge.outputs import Outputs
from edge.status import Status
from edge.types import AudioBlock

RATE = 16000
AT_ONCE_S = 0.05
PATIENCE_S = 10.0
STATUS = Status("microphone", None, ("dog bark",), stream_s=12.5)


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(
        version="1.2.3",
        sample_rate_hz=RATE,
        state_directory=tmp_path,
        speech_places=(),
        waits=False,
        labels=("dog bark",),
        set_labels=lambda _labels: None,
    )


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def events_file(path: Path) -> ListenConfig:
    return ListenConfig(events_file=EventFileSettings(path))


def slow_copy(path: Path) -> CommandSettings:
    """A program that takes its time to append what it is given."""
    script = f"""sleep 0.05; printf '%s\\n' "$EDGE_LISTEN_JSON" >> {shlex.quote(str(path))}"""
    return CommandSettings(f"sh -c {shlex.quote(script)}")


def ids_in(path: Path) -> list[str]:
    return [json.loads(line)["event_id"] for line in path.read_text().splitlines()]


def ids(*numbers: int) -> list[str]:
    return [f"12ab34cd-{number}" for number in numbers]


def await_retired() -> None:
    for thread in threading.enumerate():
        if thread.name == "output closing":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


class Threads:
    """Those of outputs that were begun in this test."""

    def __init__(self) -> None:
        self._before = set(threading.enumerate())

    @property
    def names(self) -> list[str]:
        begun = set(threading.enumerate()) - self._before
        return sorted(thread.name for thread in begun if thread.name.startswith("output "))


@pytest.fixture(autouse=True)
def threads() -> Iterator[Threads]:
    threads = Threads()
    yield threads
    await_retired()
    assert threads.names == []


def test_without_tables_there_is_no_output(around: Surroundings) -> None:
    outputs = Outputs(ListenConfig(), around)
    outputs.emit(event_record())
    assert (outputs.names, outputs.statuses) == ((), ())
    outputs.close()


def test_each_table_that_there_is_gets_every_record(around: Surroundings, tmp_path: Path) -> None:
    config = replace(events_file(tmp_path / "events"), command=slow_copy(tmp_path / "copies"))
    outputs = Outputs(config, around)
    assert outputs.names == ("events_file", "command")
    for number in (1, 2):
        outputs.emit(event_record(number=number))
    outputs.close()
    assert ids_in(tmp_path / "events") == ids(1, 2)
    assert ids_in(tmp_path / "copies") == ids(1, 2)


def test_an_output_is_given_the_kinds_that_its_table_names(around: Surroundings, tmp_path: Path) -> None:
    settings = EventFileSettings(tmp_path / "events", events=("offset", "health"))
    outputs = Outputs(ListenConfig(events_file=settings), around)
    for record in (event_record(), event_record(duration_s=1.0), health_record()):
        outputs.emit(record)
    outputs.close()
    lines = (tmp_path / "events").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["offset", "health"]


def running(outputs: Outputs, config: ListenConfig, table: str) -> Output:
    """One that runs, as an unchanged configuration finds it."""
    return outputs.prepare(config)[table]


def box_of(outputs: Outputs, config: ListenConfig, table: str) -> Outbox:
    sink = running(outputs, config, table).sink
    assert isinstance(sink, Outbox)
    return sink


def test_mqtt_is_given_every_kind_as_its_sensors_follow_them_all(
    around: Surroundings, taken_port: int
) -> None:
    pytest.importorskip("paho.mqtt")
    config = ListenConfig(mqtt=MqttSettings("127.0.0.1", taken_port, events=("health",)))
    outputs = Outputs(config, around)
    outputs.emit(event_record())  # not to be sent, so that it needs no broker
    box = box_of(outputs, config, "mqtt")
    outputs.close()
    assert (box.status.n_delivered, box.status.n_waiting) == (1, 0)


def test_a_server_that_never_answers_delays_nobody(
    around: Surroundings, taken_port: int, tmp_path: Path
) -> None:
    webhook = WebhookSettings(f"http://127.0.0.1:{taken_port}/", timeout_s=60.0)
    config = replace(events_file(tmp_path / "events"), webhook=webhook)
    outputs = Outputs(config, around)
    for number in range(20):
        began_s = time.perf_counter()
        outputs.emit(event_record(number=number))
        assert time.perf_counter() - began_s < AT_ONCE_S
    box_of(outputs, config, "events_file").finish(PATIENCE_S)
    assert ids_in(tmp_path / "events") == ids(*range(20))
    by_name = {status.name: status for status in outputs.statuses}
    assert (by_name["webhook"].n_delivered, by_name["webhook"].n_waiting) == (0, 20)
    box_of(outputs, config, "webhook").finish(0.0)
    outputs.close()


def test_for_a_file_a_full_queue_waits_and_loses_nothing(around: Surroundings, tmp_path: Path) -> None:
    settings = replace(slow_copy(tmp_path / "copies"), queue=1)
    outputs = Outputs(ListenConfig(command=settings), replace(around, waits=True))
    for number in range(6):
        outputs.emit(event_record(number=number))
    outputs.close()
    assert ids_in(tmp_path / "copies") == ids(*range(6))


def test_a_table_that_stays_as_it_was_keeps_its_very_output(around: Surroundings, tmp_path: Path) -> None:
    before = replace(events_file(tmp_path / "events"), command=slow_copy(tmp_path / "a"))
    outputs = Outputs(before, around)
    kept, changed = running(outputs, before, "events_file"), running(outputs, before, "command")
    after = replace(before, command=slow_copy(tmp_path / "b"))
    prepared = outputs.prepare(after)
    outputs.change(prepared)
    assert prepared["events_file"] is kept
    assert prepared["command"] is not changed
    for number in (1, 2):
        outputs.emit(event_record(number=number))
    outputs.close()
    assert ids_in(tmp_path / "events") == ids(1, 2)
    assert not (tmp_path / "a").exists()
    assert ids_in(tmp_path / "b") == ids(1, 2)


def test_one_that_is_replaced_delivers_what_it_holds(around: Surroundings, tmp_path: Path) -> None:
    outputs = Outputs(ListenConfig(command=slow_copy(tmp_path / "old")), around)
    for number in range(5):
        outputs.emit(event_record(number=number))
    prepared = outputs.prepare(ListenConfig(command=slow_copy(tmp_path / "new")))
    outputs.change(prepared)
    outputs.emit(event_record(number=5))
    await_retired()
    outputs.close()
    assert ids_in(tmp_path / "old") == ids(0, 1, 2, 3, 4)
    assert ids_in(tmp_path / "new") == ids(5)


def test_a_change_does_not_wait_until_what_is_replaced_has_closed(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_close, closed = threading.Event(), threading.Event()

    def close() -> None:
        assert may_close.wait(PATIENCE_S)
        closed.set()

    monkeypatch.setitem(
        output_makers._MAKERS, "command", lambda settings, _around: Output(settings, None, None, close)
    )
    outputs = Outputs(ListenConfig(command=CommandSettings("true")), around)
    began_s = time.perf_counter()
    outputs.change({})
    assert time.perf_counter() - began_s < AT_ONCE_S
    may_close.set()
    assert closed.wait(PATIENCE_S)


def test_a_table_that_is_gone_ends_its_output(around: Surroundings, tmp_path: Path) -> None:
    outputs = Outputs(events_file(tmp_path / "events"), around)
    outputs.emit(event_record(number=1))
    outputs.change(outputs.prepare(ListenConfig()))
    outputs.emit(event_record(number=2))
    await_retired()
    assert outputs.names == ()
    assert ids_in(tmp_path / "events") == ids(1)


NO_CLIPS = ClipsSettings(before_s=3.0, longest_s=2.0)
"""Refused, since no clip would hold its event; it is made last."""


def test_a_change_that_cannot_be_made_leaves_all_as_it_was(
    around: Surroundings, tmp_path: Path, threads: Threads
) -> None:
    before = events_file(tmp_path / "a")
    outputs = Outputs(before, around)
    running_before = running(outputs, before, "events_file")
    wanted = replace(events_file(tmp_path / "b"), command=CommandSettings("true"), clips=NO_CLIPS)
    with pytest.raises(ConfigError, match="longest_s"):
        outputs.prepare(wanted)
    assert running(outputs, before, "events_file") is running_before
    assert threads.names == ["output events_file"]
    outputs.emit(event_record(number=1))
    outputs.close()
    assert ids_in(tmp_path / "a") == ids(1)
    assert ids_in(tmp_path / "b") == []


def test_if_one_is_set_up_wrongly_at_the_start_none_runs(
    around: Surroundings, tmp_path: Path, threads: Threads
) -> None:
    with pytest.raises(ConfigError, match="longest_s"):
        Outputs(replace(events_file(tmp_path / "a"), clips=NO_CLIPS), around)
    assert threads.names == []


def test_what_was_prepared_in_vain_is_closed_and_what_runs_is_not(
    around: Surroundings, tmp_path: Path, threads: Threads
) -> None:
    before = events_file(tmp_path / "events")
    outputs = Outputs(before, around)
    outputs.discard(outputs.prepare(replace(before, command=slow_copy(tmp_path / "copies"))))
    assert threads.names == ["output events_file"]
    outputs.emit(event_record(number=1))
    outputs.close()
    assert ids_in(tmp_path / "events") == ids(1)


def await_mending(outputs: Outputs) -> None:
    """Tell the status until what is tried again meanwhile has been tried."""
    outputs.tell(STATUS)
    for thread in threading.enumerate():
        if thread.name == "mend":
            thread.join(PATIENCE_S)
    outputs.tell(STATUS)


def test_one_that_misses_something_is_run_without_and_made_once_that_is_there(
    around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outputs_module, "MEND_EVERY_S", 0.0)
    config = replace(events_file(tmp_path / "disk" / "events"), command=slow_copy(tmp_path / "copies"))
    outputs = Outputs(config, around)
    by_name = {status.name: status for status in outputs.statuses}
    assert "there is no directory" in str(by_name["events_file"].failure)
    outputs.emit(event_record(number=1))
    await_mending(outputs)
    assert outputs.statuses[0].failure is not None
    (tmp_path / "disk").mkdir()
    await_mending(outputs)
    outputs.emit(event_record(number=2))
    outputs.close()
    assert ids_in(tmp_path / "disk" / "events") == ids(2)
    assert ids_in(tmp_path / "copies") == ids(1, 2)
    failed, works = [message for message in caplog.messages if message.startswith("events_file")]
    assert failed.startswith("events_file does not work, and is tried again each minute: ")
    assert f"there is no directory {tmp_path / 'disk'}" in failed
    assert works == "events_file works now"


def test_it_is_not_tried_again_at_once(around: Surroundings, tmp_path: Path) -> None:
    outputs = Outputs(events_file(tmp_path / "disk" / "events"), around)
    (tmp_path / "disk").mkdir()
    await_mending(outputs)
    assert outputs.statuses[0].failure is not None
    outputs.close()


def test_one_that_is_not_wanted_any_more_when_it_could_be_made_is_closed(
    around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs_module, "MEND_EVERY_S", 0.0)
    outputs = Outputs(events_file(tmp_path / "disk" / "events"), around)
    (tmp_path / "disk").mkdir()
    outputs.tell(STATUS)  # which begins to try again
    outputs.change(outputs.prepare(ListenConfig()))
    await_mending(outputs)
    assert outputs.names == ()
    outputs.close()


def test_all_are_closed_side_by_side(
    around: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2)
    met: list[int] = []

    def make(settings: object, _around: Surroundings) -> Output:
        return Output(settings, None, None, lambda: met.append(together.wait(PATIENCE_S)))

    for table in ("events_file", "command"):
        monkeypatch.setitem(output_makers._MAKERS, table, make)
    config = replace(events_file(tmp_path / "events"), command=CommandSettings("true"))
    outputs = Outputs(config, around)
    outputs.close()
    assert sorted(met) == [0, 1]
    outputs.close()  # a second time, there is nothing left to close


def test_metrics_are_told_the_status_and_how_long_the_encoder_took(around: Surroundings) -> None:
    pytest.importorskip("prometheus_client")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    outputs = Outputs(ListenConfig(metrics=MetricsSettings("127.0.0.1", port)), around)
    outputs.tell(STATUS)
    outputs.inferred(0.02)
    outputs.emit(event_record())  # none of its business
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as page:
        text = page.read().decode()
    outputs.close()
    assert "inference_seconds_count 1.0" in text
    assert "12.5" in text
    assert outputs.statuses == ()


def test_clips_are_given_blocks_and_records(around: Surroundings, tmp_path: Path) -> None:
    config = ListenConfig(clips=ClipsSettings(tmp_path / "clips", before_s=0.5, after_s=0.5))
    outputs = Outputs(config, around)
    sound = (0.3 * np.sin(np.arange(RATE) * 0.2)).astype(np.float32)
    records: dict[int, Record] = {
        1: replace(event_record(), stream_s=1.0),
        2: replace(event_record(duration_s=1.0), stream_s=2.0),
    }
    for second in range(4):
        outputs.took(AudioBlock(sound, second * RATE, 1714564951.0 + second))
        if second in records:
            outputs.emit(records[second])
    outputs.close()
    (clip,) = (tmp_path / "clips").glob("**/*.flac")
    assert soundfile.info(clip).duration == pytest.approx(2.0)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_metrics_that_a_refused_change_had_closed_serve_again(around: Surroundings) -> None:
    pytest.importorskip("prometheus_client")
    before = ListenConfig(metrics=MetricsSettings("127.0.0.1", free_port()))
    outputs = Outputs(before, around)
    wanted = ListenConfig(metrics=MetricsSettings("127.0.0.1", free_port()), clips=NO_CLIPS)
    with pytest.raises(ConfigError, match="longest_s"):
        outputs.prepare(wanted)
    outputs.tell(STATUS)
    assert before.metrics is not None
    with urllib.request.urlopen(
        f"http://127.0.0.1:{before.metrics.port}/metrics", timeout=PATIENCE_S
    ) as page:
        assert b"edge_listen_info" in page.read()
    outputs.close()


def test_a_secret_that_has_changed_is_another_setting(around: Surroundings, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old")
    secret.chmod(0o600)
    config = ListenConfig(webhook=WebhookSettings("http://127.0.0.1:9/", secret_file=secret))
    outputs = Outputs(config, around)
    kept = outputs.prepare(config)["webhook"]
    assert outputs.prepare(config)["webhook"] is kept
    secret.write_text("another")
    changed = outputs.prepare(config)
    assert changed["webhook"] is not kept
    outputs.discard(changed)
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod"):
        outputs.prepare(config)
    outputs.close()


def test_what_waits_for_a_broker_is_handed_to_the_one_that_takes_its_place(around: Surroundings) -> None:
    pytest.importorskip("paho.mqtt")
    before = ListenConfig(mqtt=MqttSettings("127.0.0.1", port=free_port(), discovery=False))
    outputs = Outputs(before, around)
    for number in range(3):
        outputs.emit(event_record(number=number))
    outputs.change(outputs.prepare(ListenConfig(mqtt=MqttSettings("127.0.0.1", port=free_port()))))
    (status,) = outputs.statuses
    assert (status.n_waiting, status.n_lost) == (3, 0)
    outputs.close()
