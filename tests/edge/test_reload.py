from __future__ import annotations

import json
import logging
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from daemon.program import ENVIRONMENT, edge_listen, start, the_error
from event_records import event_record
from synthetic_bundle import write_synthetic_bundle

from edge.cli import main
from edge.commands import reload as reload_command
from edge.config import ListenConfig, RuleSettings
from edge.config_file import load_config
from edge.control_server import ANSWER_TIMEOUT_S
from edge.errors import ConfigError, LabelError, SoundError
from edge.output_makers import Surroundings
from edge.output_settings import EventFileSettings, HealthSettings
from edge.outputs import Outputs
from edge.pipeline import Pipeline, prepare
from edge.reload import Change, Reloader
from edge.requests import Request

PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ListenConfig:
    bundle = tmp_path_factory.mktemp("reload") / "bundle"
    write_synthetic_bundle(bundle)
    return ListenConfig(labels=("siren",), bundle=bundle)


@pytest.fixture(scope="module")
def pipeline(config: ListenConfig) -> Pipeline:
    return prepare(config)


@pytest.fixture
def outputs(config: ListenConfig, tmp_path: Path) -> Iterator[Outputs]:
    around = Surroundings("1", 16000, tmp_path, (), waits=False, labels=("siren",), set_labels=print)
    with closing(Outputs(config, around)) as made:
        yield made


MakeReloader = Callable[[Callable[[], ListenConfig] | None], Reloader]


@pytest.fixture
def reloader_of(config: ListenConfig, pipeline: Pipeline, outputs: Outputs) -> MakeReloader:
    """Makes a reloader with what reads the configuration."""
    return lambda read: Reloader(config, pipeline, outputs, read)


def labels_request(*labels: str) -> Request:
    return Request("labels", {"labels": list(labels)})


def outcome(reloader: Reloader) -> Change | None:
    """The next change, once its thread is done; None if there is none."""
    change = reloader.ready()
    for thread in threading.enumerate():
        if thread.name == "reload":
            thread.join(PATIENCE_S)
    return change or reloader.ready()


def the_change(reloader: Reloader) -> Change:
    change = outcome(reloader)
    assert change is not None
    return change


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert [name for name in left if name.startswith("output ")] == []


def test_without_a_request_nothing_changes(reloader_of: MakeReloader) -> None:
    assert outcome(reloader_of(None)) is None


def test_labels_are_changed_as_asked_and_nothing_else_is(
    reloader_of: MakeReloader, config: ListenConfig, pipeline: Pipeline
) -> None:
    reloader, request = reloader_of(None), labels_request("smoke alarm", "dog bark")
    reloader.ask(request)
    change = the_change(reloader)
    assert change.request is request
    assert list(change.pipeline.rules) == ["alarm beep", "dog bark"]
    assert change.config == replace(config, labels=("smoke alarm", "dog bark"))
    assert change.pipeline.encoder is pipeline.encoder
    assert change.at_restart == ()
    assert not request.answer.done()  # that is for whoever applies it


def test_a_change_is_given_once(reloader_of: MakeReloader) -> None:
    reloader = reloader_of(None)
    reloader.ask(labels_request("dog bark"))
    the_change(reloader)
    assert outcome(reloader) is None


def test_a_label_with_a_comma_is_one_label(reloader_of: MakeReloader) -> None:
    reloader, request = reloader_of(None), labels_request("siren,dog bark")
    reloader.ask(request)
    assert outcome(reloader) is None
    with pytest.raises(LabelError, match="siren,dog bark"):
        request.answer.result(0)


def test_listening_goes_on_while_a_change_is_made_ready(
    reloader_of: MakeReloader, config: ListenConfig
) -> None:
    reading, may_go_on = threading.Event(), threading.Event()

    def read() -> ListenConfig:
        reading.set()
        assert may_go_on.wait(PATIENCE_S)
        return config

    reloader = reloader_of(read)
    reloader.ask(Request("reload"))
    assert reloader.ready() is None
    assert reading.wait(PATIENCE_S)
    assert reloader.ready() is None
    may_go_on.set()
    the_change(reloader)


def test_the_file_is_read_again(config: ListenConfig, reloader_of: MakeReloader, tmp_path: Path) -> None:
    file = tmp_path / "edge-listen.toml"
    file.write_text('[listen]\nlabels = ["dog bark"]\n[rules]\nthreshold = 0.4\n')
    reloader = reloader_of(lambda: load_config(file, {"bundle": config.bundle}))
    reloader.ask(Request("reload"))
    change = the_change(reloader)
    assert {label: rule.on_threshold for label, rule in change.pipeline.rules.items()} == {"dog bark": 0.4}
    assert change.config.rules == RuleSettings(threshold=0.4)


def test_settings_that_take_effect_at_a_restart_are_named_and_not_applied(
    reloader_of: MakeReloader, config: ListenConfig, pipeline: Pipeline
) -> None:
    health = HealthSettings(tell_after_s=3.0)
    wanted = replace(config, labels=("dog bark",), hop_s=0.24, device="USB", health=health, json=True)
    reloader = reloader_of(lambda: wanted)
    reloader.ask(Request("reload"))
    change = the_change(reloader)
    assert set(change.at_restart) == {"hop_s", "device", "health", "json"}
    assert change.config == replace(config, labels=("dog bark",))
    assert change.pipeline.settings == pipeline.settings


def test_they_are_named_again_at_the_next_reload(reloader_of: MakeReloader, config: ListenConfig) -> None:
    reloader = reloader_of(lambda: replace(config, hop_s=0.24))
    for _ in range(2):
        reloader.ask(Request("reload"))
        assert the_change(reloader).at_restart == ("hop_s",)


def test_outputs_are_made_ready_and_those_that_stay_are_kept(
    reloader_of: MakeReloader, config: ListenConfig, outputs: Outputs, tmp_path: Path
) -> None:
    wanted = replace(config, events_file=EventFileSettings(tmp_path / "events"))
    reloader = reloader_of(lambda: wanted)
    reloader.ask(Request("reload"))
    change = the_change(reloader)
    assert outputs.names == ()
    outputs.change(change.outputs)
    assert outputs.names == ("events_file",)
    outputs.emit(event_record(number=1))
    reloader.ask(labels_request("dog bark"))
    second = the_change(reloader)
    assert second.outputs["events_file"] is change.outputs["events_file"]
    outputs.change(second.outputs)
    outputs.emit(event_record(number=2))
    outputs.close()
    lines = (tmp_path / "events").read_text().splitlines()
    assert [json.loads(line)["event_id"] for line in lines] == ["12ab34cd-1", "12ab34cd-2"]


def test_without_a_configuration_file_a_reload_is_an_error(reloader_of: MakeReloader) -> None:
    reloader, request = reloader_of(None), Request("reload")
    reloader.ask(request)
    assert outcome(reloader) is None
    with pytest.raises(ConfigError, match="started without --config"):
        request.answer.result(0)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "no labels to listen for"),
        (None, "must be a list of names"),
        ("siren", "must be a list of names"),
        ([1], "must be a list of names"),
    ],
)
def test_labels_that_are_none_are_an_error(labels: object, reason: str, reloader_of: MakeReloader) -> None:
    reloader, request = reloader_of(None), Request("labels", {} if labels is None else {"labels": labels})
    reloader.ask(request)
    assert outcome(reloader) is None
    with pytest.raises(ConfigError, match=reason):
        request.answer.result(0)


def test_a_file_without_labels_is_an_error(reloader_of: MakeReloader, config: ListenConfig) -> None:
    reloader, request = reloader_of(lambda: replace(config, labels=())), Request("reload")
    reloader.ask(request)
    assert outcome(reloader) is None
    with pytest.raises(ConfigError, match="no labels to listen for"):
        request.answer.result(0)


def failing(error: Exception) -> Callable[[], ListenConfig]:
    def read() -> ListenConfig:
        raise error

    return read


@pytest.mark.parametrize("error", [ConfigError("edge-listen.toml: odd"), ZeroDivisionError("odd")])
def test_a_reload_that_fails_is_answered_and_logged_and_changes_nothing(
    error: Exception, reloader_of: MakeReloader, config: ListenConfig, caplog: pytest.LogCaptureFixture
) -> None:
    reloader, request = reloader_of(failing(error)), Request("reload")
    reloader.ask(request)
    assert outcome(reloader) is None
    with pytest.raises(SoundError, match="odd"):
        request.answer.result(0)
    (logged,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert logged.getMessage() == f"reload failed, so the old settings stay: {error}"
    reloader.ask(labels_request("dog bark"))
    assert the_change(reloader).config == replace(config, labels=("dog bark",))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": ("dgo bark",)}, "dgo bark"),
        ({"rules": RuleSettings(confirm_s=0.00001)}, "confirm_s"),
        ({"label_rules": {"no such label": RuleSettings()}}, "no such label"),
    ],
)
def test_what_the_bundle_or_the_rules_forbid_is_refused_and_no_output_is_left(
    changes: dict[str, Any], reason: str, reloader_of: MakeReloader, config: ListenConfig, tmp_path: Path
) -> None:
    wanted = replace(config, events_file=EventFileSettings(tmp_path / "events"), **changes)
    reloader, request = reloader_of(lambda: wanted), Request("reload")
    reloader.ask(request)
    assert outcome(reloader) is None
    with pytest.raises(SoundError, match=reason):
        request.answer.result(0)


def test_two_requests_are_met_one_after_the_other(reloader_of: MakeReloader, config: ListenConfig) -> None:
    reloader = reloader_of(lambda: replace(config, labels=("alarm beep",)))
    first, second, third = labels_request("dog bark"), labels_request("no such"), Request("reload")
    for request in (first, second, third):
        reloader.ask(request)
    changes = [outcome(reloader) for _ in range(5)]
    assert [change.request for change in changes if change is not None] == [first, third]
    assert second.answer.exception(0) is not None
    last = [change for change in changes if change is not None][-1]
    assert list(last.pipeline.rules) == ["alarm beep"]


def test_a_change_that_comes_too_late_is_given_up_and_its_outputs_closed(
    reloader_of: MakeReloader, config: ListenConfig, tmp_path: Path
) -> None:
    wanted = replace(config, events_file=EventFileSettings(tmp_path / "events"))
    reloader, requests = reloader_of(lambda: wanted), [Request("reload"), Request("reload")]
    for request in requests:
        reloader.ask(request)
    assert reloader.ready() is None
    reloader.close()
    for request in requests:
        with pytest.raises(SoundError, match="ending"):
            request.answer.result(PATIENCE_S)


def test_closing_without_a_request_is_no_matter(reloader_of: MakeReloader) -> None:
    reloader_of(None).close()


# --- the program


def await_message(notify: socket.socket, message: str) -> None:
    while notify.recv(65536).decode() != message:
        pass


def test_the_running_program_reloads_by_signal_and_by_command_and_survives_a_broken_file(
    config: ListenConfig, tmp_path: Path
) -> None:
    file = tmp_path / "edge-listen.toml"
    with (
        tempfile.TemporaryDirectory(prefix="el-") as runtime,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
        ExitStack() as ended,
    ):
        notify.bind(f"{runtime}/notify")
        notify.settimeout(60)
        environment = {**ENVIRONMENT, "XDG_RUNTIME_DIR": runtime, "NOTIFY_SOCKET": f"{runtime}/notify"}
        environment.pop("RUNTIME_DIRECTORY", None)
        file.write_text('[listen]\nlabels = ["siren"]\n')
        process = start(
            f"--config={file}", f"--bundle={config.bundle}", "--input=-", "--pcm=s16le:16000:1",
            environment=environment,
        )  # fmt: skip
        ended.callback(process.kill)
        await_message(notify, "STATUS=listening for siren")
        file.write_text('[listen]\nlabels = ["dog bark"]\n')
        process.send_signal(signal.SIGHUP)
        await_message(notify, "STATUS=listening for dog bark")
        file.write_text("labels =\n")
        failed = edge_listen("reload", environment=environment)
        assert failed.returncode == 2
        assert "is not valid TOML" in the_error(failed.stderr)
        file.write_text('[listen]\nlabels = ["alarm beep"]\nhop_s = 0.24\n')
        done = edge_listen("reload", environment=environment)
        assert done.returncode == 0
        assert done.stdout.decode().splitlines() == [
            "listening for alarm beep from now on",
            "used from the next start on: hop_s",
        ]
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert stderr.decode().count("reload failed, so the old settings stay") == 1


# --- the command


def command(answer: dict[str, object], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    def ask(name: str, *, timeout_s: float) -> dict[str, object]:
        assert name == "reload"
        assert timeout_s == ANSWER_TIMEOUT_S  # as long as it may take to make a label
        return answer

    monkeypatch.setattr(reload_command, "ask", ask)
    return main(["reload", *arguments])


def test_the_command_says_what_is_listened_for_and_what_waits_for_a_restart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command({"labels": ["siren", "dog bark"], "at_restart": []}, monkeypatch) == 0
    assert capsys.readouterr().out == "listening for siren, dog bark from now on\n"
    assert command({"labels": ["siren"], "at_restart": ["hop_s", "device"]}, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[1] == "used from the next start on: hop_s, device"


def test_the_command_prints_the_answer_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer: dict[str, object] = {"labels": ["siren"], "at_restart": []}
    assert command(answer, monkeypatch, "--json") == 0
    assert json.loads(capsys.readouterr().out) == answer
