from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from event_records import event_record, health_record
from fakes import axis_prototypes

from edge.cli import main
from edge.commands import status as status_command
from edge.recognizer import WindowReport
from edge.status import OutputStatus, Status
from edge.status_keeper import StatusKeeper

WELL = Status(
    source="USB Audio",
    waiting_for=None,
    labels=("dog bark", "siren"),
    stream_s=7200.12345,
    level_dbfs=-31.26,
    hop_s=0.48,
    n_windows={"scored": 12, "quiet": 3, "skipped": 0},
    lost_s=0.25,
    scores={"dog bark": 0.123456, "siren": -0.5},
    n_events={"siren": 2},
    last_event=event_record(label="siren"),
    outputs=(OutputStatus("mqtt", n_delivered=4),),
    uptime_s=7201.26,
)


def report(state: str, *scores: float, level_dbfs: float = -30.0) -> WindowReport:
    values = np.array(scores, np.float32) if scores else None
    return WindowReport(0, 16000, level_dbfs, state, values, ())  # type: ignore[arg-type]


# --- a snapshot


def test_it_is_well_while_sound_comes_and_nothing_is_wrong_with_it() -> None:
    assert WELL.is_well
    assert not replace(WELL, waiting_for="the microphone").is_well
    assert not replace(WELL, conditions=("silent",)).is_well


def test_as_json_it_says_all_there_is() -> None:
    plain = json.loads(json.dumps(WELL.as_json_object(), allow_nan=False))
    last_event = plain.pop("last_event")
    assert (last_event["event"], last_event["label"]) == ("onset", "siren")
    assert plain == {
        "is_well": True,
        "source": "USB Audio",
        "waiting_for": None,
        "labels": ["dog bark", "siren"],
        "conditions": [],
        "stream_s": 7200.123,
        "level_dbfs": -31.3,
        "hop_s": 0.48,
        "windows": {"scored": 12, "quiet": 3, "skipped": 0},
        "lost_s": 0.25,
        "scores": {"dog bark": 0.1235, "siren": -0.5},
        "events": {"siren": 2},
        "outputs": [{"name": "mqtt", "n_delivered": 4, "n_waiting": 0, "n_lost": 0, "failure": None}],
        "uptime_s": 7201.3,
    }


@pytest.mark.parametrize("level_dbfs", [None, float("-inf"), float("nan")])
def test_a_level_that_json_cannot_say_is_null(level_dbfs: float | None) -> None:
    plain = replace(WELL, level_dbfs=level_dbfs).as_json_object()
    assert json.loads(json.dumps(plain, allow_nan=False))["level_dbfs"] is None


def test_before_the_first_window_it_can_be_told_too() -> None:
    plain = Status("microphone", None, ("siren",)).as_json_object()
    assert json.loads(json.dumps(plain, allow_nan=False))["last_event"] is None


# --- counting


def test_windows_are_counted_by_what_became_of_them() -> None:
    keeper = StatusKeeper(axis_prototypes(["dog bark", "siren"]), ("siren",))
    for state in ("quiet", "silent", "quiet"):
        keeper.saw(report(state))
    keeper.saw(report("scored", 0.1, 0.2, level_dbfs=-12.0))
    assert keeper.n_windows == {"quiet": 2, "silent": 1, "scored": 1}
    assert keeper.level_dbfs == -12.0


def test_scores_are_of_the_last_window_that_has_some_and_of_labels_listened_for() -> None:
    keeper = StatusKeeper(axis_prototypes(["dog bark", "rain", "siren"]), ("siren", "dog bark"))
    assert keeper.scores == {}
    keeper.saw(report("scored", 0.25, 0.75, 0.5))
    keeper.saw(report("quiet"))
    assert keeper.scores == {"siren": 0.5, "dog bark": 0.25}


def test_scores_of_before_a_change_of_labels_are_forgotten() -> None:
    keeper = StatusKeeper(axis_prototypes(["dog bark", "siren"]), ("siren",))
    keeper.saw(report("scored", 0.25, 0.5))
    keeper.listen_for(axis_prototypes(["siren", "bell", "dog bark"]), ("dog bark", "bell"))
    assert keeper.labels == ("dog bark", "bell")
    assert keeper.scores == {}
    keeper.saw(report("scored", 0.125, 0.25, 0.5))
    assert keeper.scores == {"dog bark": 0.5, "bell": 0.25}


def test_a_level_that_is_no_number_is_unknown() -> None:
    keeper = StatusKeeper(axis_prototypes(["siren"]), ("siren",))
    keeper.saw(report("nonfinite", level_dbfs=float("nan")))
    assert keeper.level_dbfs is None


def test_onsets_are_counted_and_offsets_and_health_are_not() -> None:
    keeper = StatusKeeper(axis_prototypes(["siren"]), ("siren",))
    onset, offset = event_record(label="siren"), event_record(label="siren", duration_s=1.0)
    for record in (onset, offset, health_record()):
        keeper.sent(record)
    assert keeper.n_events == {"siren": 1}
    assert keeper.last_event == offset


# --- the command


def printed(status: Status, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    assert run(status, [], monkeypatch) == (0 if status.is_well else 1)
    return capsys.readouterr().out.splitlines()


def run(status: Status, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    def ask(command: str) -> dict[str, Any]:
        assert command == "status"
        plain: dict[str, Any] = json.loads(json.dumps(status.as_json_object()))
        return plain

    monkeypatch.setattr(status_command, "ask", ask)
    return main(["status", *arguments])


def test_the_command_prints_a_line_for_each_thing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert printed(WELL, capsys, monkeypatch) == [
        "state      well",
        "source     USB Audio",
        "labels     dog bark, siren",
        "level      -31.3 dBFS",
        "windows    12 scored, 3 quiet; one every 0.48 s",
        "lost       0.2 s of sound",
        "running    2.0 h",
        "heard      siren: 2",
        "last event onset of siren at 2024-05-01T12:02:31.250Z",
        "output     mqtt: 4 delivered, 0 waiting",
    ]


def test_the_command_says_what_is_wrong_and_its_exit_code_is_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status = replace(
        WELL,
        waiting_for="no microphone matches 'USB'",
        conditions=("absent", "slow"),
        level_dbfs=None,
        outputs=(OutputStatus("webhook", 1, 2, 3, "HTTP 503"),),
    )
    lines = printed(status, capsys, monkeypatch)
    assert lines[:2] == ["state      NOT WELL", "waiting    no microphone matches 'USB'"]
    assert "level      unknown" in lines
    assert lines.count("condition  absent") == lines.count("condition  slow") == 1
    assert lines[-1] == "output     webhook: 1 delivered, 2 waiting, 3 lost; failing: HTTP 503"


def test_the_command_prints_what_there_is_before_the_first_window(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(Status("microphone", None, ("siren",), hop_s=0.5), capsys, monkeypatch)
    assert "windows    none yet; one every 0.5 s" in lines
    assert not any(line.startswith(("heard", "last event", "output")) for line in lines)


def test_as_json_the_command_prints_the_whole_answer_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    unwell = replace(WELL, conditions=("silent",))
    assert run(unwell, ["--json"], monkeypatch) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == json.loads(json.dumps(unwell.as_json_object()))
