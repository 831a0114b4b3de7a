from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from event_records import event_record, health_record

from edge.errors import ConfigError, RefusedError, SinkError
from edge.output_settings import CommandSettings
from edge.sinks.program import ProgramSink

SOON_S = 3.0
"""Far more than what is to come at once needs on a busy machine, far less than the time-outs here."""


def script(directory: Path, text: str) -> str:
    """An executable shell script, as a word of a command line."""
    path = directory / "on event"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return f'"{path}"'


def sink_for(run: str, timeout_s: float = 20.0) -> ProgramSink:
    return ProgramSink(CommandSettings(run, timeout_s=timeout_s))


def environment_seen(directory: Path, record: object) -> dict[str, str]:
    sink = sink_for(script(directory, f"env -0 > '{directory}/seen'"))
    sink.emit(record)  # type: ignore[arg-type]
    lines = (directory / "seen").read_bytes().decode().rstrip("\0").split("\0")
    return dict(line.split("=", 1) for line in lines)


def of_event(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("EDGE_LISTEN_")}


def is_gone(pid: int, within_s: float = SOON_S) -> bool:
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def pid_in(path: Path) -> int:
    deadline_s = time.monotonic() + 10.0
    while not (path.exists() and path.read_text(encoding="utf-8").endswith("\n")):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    return int(path.read_text(encoding="utf-8"))


def test_an_onset_stands_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_LISTEN_DURATION_S", "left over")
    seen = of_event(environment_seen(tmp_path, event_record(label='a "b"\n$(c)', source="hall")))
    assert (
        json.loads(seen.pop("EDGE_LISTEN_JSON"))
        == event_record(label='a "b"\n$(c)', source="hall").as_json_object()
    )
    assert seen == {
        "EDGE_LISTEN_EVENT": "onset",
        "EDGE_LISTEN_LABEL": 'a "b"\n$(c)',
        "EDGE_LISTEN_SCORE": "0.7812",
        "EDGE_LISTEN_TIME": "2024-05-01T12:02:31.250Z",
        "EDGE_LISTEN_SOURCE": "hall",
        "EDGE_LISTEN_EVENT_ID": "12ab34cd-1",
    }


def test_an_offset_tells_how_long_it_was_and_of_a_file_no_time(tmp_path: Path) -> None:
    seen = of_event(environment_seen(tmp_path, event_record(duration_s=3.24, when=None)))
    assert seen["EDGE_LISTEN_EVENT"] == "offset"
    assert seen["EDGE_LISTEN_DURATION_S"] == "3.24"
    assert "EDGE_LISTEN_TIME" not in seen


def test_a_record_of_health_tells_what_is_wrong(tmp_path: Path) -> None:
    seen = of_event(environment_seen(tmp_path, health_record()))
    del seen["EDGE_LISTEN_JSON"]
    assert seen == {
        "EDGE_LISTEN_EVENT": "health",
        "EDGE_LISTEN_CONDITION": "silent",
        "EDGE_LISTEN_STATE": "begun",
        "EDGE_LISTEN_MESSAGE": health_record().message,
        "EDGE_LISTEN_TIME": "2024-05-01T12:02:31.250Z",
        "EDGE_LISTEN_SOURCE": "microphone",
    }


def test_the_rest_of_the_environment_is_ours_less_what_speaks_to_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY")
    for name in (*systemd, "WATCHDOGS"):
        monkeypatch.setenv(name, "x")
    seen = environment_seen(tmp_path, event_record())
    assert seen.keys() & set(systemd) == set()
    assert seen["WATCHDOGS"] == "x"
    assert seen["PATH"] == os.environ["PATH"]


def test_words_are_split_as_a_shell_does_but_no_shell_reads_them(tmp_path: Path) -> None:
    program = script(tmp_path, f"for each; do echo \"$each\"; done > '{tmp_path}/words'")
    sink_for(f"{program} 'one word' $HOME ; *").emit(event_record())
    assert (tmp_path / "words").read_text(encoding="utf-8").splitlines() == ["one word", "$HOME", ";", "*"]


def test_its_standard_input_is_empty_and_its_session_its_own(tmp_path: Path) -> None:
    sink_for(
        script(tmp_path, f"cat; ps -o sid= -p $$ > '{tmp_path}/session'; echo $$ >> '{tmp_path}/session'")
    ).emit(event_record())
    session, process = (tmp_path / "session").read_text(encoding="utf-8").split()
    assert session == process


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("'unfinished", "cannot be split"),
        ("no-such-program-here --now", "'no-such-program-here' was not found"),
        ("/no/such/program", "'/no/such/program' was not found"),
        ("/tmp", "'/tmp' was not found"),  # noqa: S108 - any directory
    ],
)
def test_a_command_that_cannot_work_is_refused_at_the_start(run: str, message: str) -> None:
    with pytest.raises((ConfigError, SinkError), match=message):
        sink_for(run)


def test_a_file_that_may_not_be_executed_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    run = script(tmp_path, "true")
    (tmp_path / "on event").chmod(0o644)
    with pytest.raises(SinkError, match=r"chmod \+x") as caught:
        sink_for(run)
    subprocess.run(["sh", "-c", str(caught.value).partition(": ")[2]], check=True)
    sink_for(run).emit(event_record())


def test_a_failure_is_a_refusal_with_the_last_line_that_was_said(tmp_path: Path) -> None:
    sink = sink_for(script(tmp_path, "echo first; echo 'no network' >&2; echo; exit 7"))
    with pytest.raises(RefusedError, match=r"failed with exit status 7: no network$"):
        sink.emit(event_record())


def test_a_failure_without_a_word_says_so_and_a_signal_has_its_name(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"signal 9 \(Killed\): it said nothing"):
        sink_for(script(tmp_path, "kill -9 $$")).emit(event_record())


def test_what_a_program_says_that_succeeds_is_in_the_log_for_debugging_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="edge")
    sink_for(script(tmp_path, "echo sent")).emit(event_record())
    (logged,) = [each for each in caplog.records if "sent" in each.getMessage()]
    assert logged.levelno == logging.DEBUG


def test_a_program_that_has_gone_since_is_to_be_tried_again(tmp_path: Path) -> None:
    sink = sink_for(script(tmp_path, "true"))
    (tmp_path / "on event").replace(tmp_path / "elsewhere")
    with pytest.raises(SinkError, match="cannot be started: No such file") as caught:
        sink.emit(event_record())
    assert not isinstance(caught.value, RefusedError)
    (tmp_path / "elsewhere").replace(tmp_path / "on event")
    sink.emit(event_record())


def test_an_event_that_no_environment_can_hold_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be given the event"):
        sink_for(script(tmp_path, "true")).emit(event_record(label="dog\0bark"))


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    sink = sink_for(script(tmp_path, f"sleep 100 & echo $! > '{tmp_path}/pid'; echo waiting; wait"), 0.5)
    begin_s = time.monotonic()
    with pytest.raises(RefusedError, match=r"took more than 0\.5 s and was ended: waiting"):
        sink.emit(event_record())
    assert 0.5 <= time.monotonic() - begin_s < 0.5 + SOON_S
    assert is_gone(pid_in(tmp_path / "pid"))


def test_a_program_that_is_late_may_clear_up(tmp_path: Path) -> None:
    sink = sink_for(
        script(tmp_path, f"trap 'echo bye > \"{tmp_path}/bye\"; exit' TERM; sleep 100 & wait"), 0.5
    )
    with pytest.raises(RefusedError, match="was ended"):
        sink.emit(event_record())
    assert (tmp_path / "bye").exists()


def test_a_program_that_will_not_end_is_killed(tmp_path: Path) -> None:
    text = f"trap '' TERM; echo $$ > '{tmp_path}/pid'; while :; do sleep 0.05; done"
    begin_s = time.monotonic()
    with pytest.raises(RefusedError, match="was ended"):
        sink_for(script(tmp_path, text), 0.3).emit(event_record())
    assert time.monotonic() - begin_s < 0.3 + 2.0 + SOON_S
    assert is_gone(pid_in(tmp_path / "pid"))


def test_a_program_that_writes_without_end_neither_blocks_nor_fills_memory() -> None:
    sink = sink_for("yes 'more and more'", 1.0)
    begin_s, before_kb = time.monotonic(), resident_kb()
    with pytest.raises(RefusedError, match=r"was ended: .*more"):
        sink.emit(event_record())
    assert time.monotonic() - begin_s < 1.0 + SOON_S
    assert resident_kb() - before_kb < 5000


def resident_kb() -> int:
    (line,) = [
        each
        for each in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        if each.startswith("VmRSS")
    ]
    return int(line.split()[1])


def test_a_program_that_writes_more_than_a_pipe_holds_is_not_stopped_by_it(tmp_path: Path) -> None:
    sink = sink_for(script(tmp_path, "head -c 1000000 /dev/zero | tr '\\0' 'x'; echo; echo done; exit 3"))
    with pytest.raises(RefusedError, match="exit status 3: done"):
        sink.emit(event_record())


def test_what_it_leaves_in_the_background_is_neither_waited_for_nor_ended(tmp_path: Path) -> None:
    sink = sink_for(script(tmp_path, f"sleep 100 & echo $! > '{tmp_path}/pid'"))
    begin_s = time.monotonic()
    sink.emit(event_record())
    pid = pid_in(tmp_path / "pid")
    try:
        assert time.monotonic() - begin_s < SOON_S
        assert not is_gone(pid, within_s=0.1)
    finally:
        os.kill(pid, 9)


def test_a_program_that_closed_its_output_is_waited_for_all_the_same(tmp_path: Path) -> None:
    sink = sink_for(script(tmp_path, "exec >&- 2>&-; sleep 0.3; exit 4"))
    with pytest.raises(RefusedError, match="exit status 4"):
        sink.emit(event_record())


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"])
def test_closing_ends_the_program_that_runs(tmp_path: Path, trap: str) -> None:
    sink = sink_for(script(tmp_path, f"{trap} echo $$ > '{tmp_path}/pid'; while :; do sleep 0.05; done"))

    def close_once_it_runs() -> None:
        pid_in(tmp_path / "pid")
        sink.close()
        sink.close()

    threading.Thread(target=close_once_it_runs).start()
    begin_s = time.monotonic()
    with pytest.raises(SinkError, match="edge-listen stops") as caught:
        sink.emit(event_record())
    assert time.monotonic() - begin_s < SOON_S
    assert not isinstance(caught.value, RefusedError)
    assert is_gone(pid_in(tmp_path / "pid"))
    with pytest.raises(SinkError, match="stopped"):
        sink.emit(event_record())


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    sink = sink_for(script(tmp_path, "echo said"))
    sink.emit(event_record())
    before = n_descriptors()
    for _ in range(5):
        sink.emit(event_record())
    assert n_descriptors() == before


def n_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
