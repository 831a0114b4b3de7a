from __future__ import annotations

import json
import os
import select
import signal
import socket
import socketserver
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from daemon.program import ENVIRONMENT, start
from synthetic_bundle import write_synthetic_bundle

from edge import control_server, state
from edge.control_client import ask
from edge.control_server import MAX_CLIENTS, ControlServer
from edge.errors import ConfigError, LabelError, SinkError, SoundError
from edge.requests import Answer, Request, RequestQueue
from edge.state import control_socket_paths, own_control_socket

PATIENCE_S = 10.0
NOBODY = 65534
NOT_A_REQUEST = {"ok": False, "error": 'a request is a line such as {"command": "status"}'}


class AnsweredQueue(RequestQueue):
    """Requests that are answered as soon as they are put in."""

    def __init__(self, answer: Callable[[str, Mapping[str, object]], Answer]) -> None:
        super().__init__()
        self._answer = answer

    def put(self, command: str, arguments: Mapping[str, object] | None = None) -> Request:
        request = super().put(command, arguments)
        try:
            request.answer.set_result(self._answer(command, request.arguments))
        except SoundError as error:
            request.answer.set_exception(error)
        return request


def echo(command: str, arguments: Mapping[str, object]) -> Answer:
    return {"command": command, **arguments}


@pytest.fixture
def base() -> Iterator[Path]:
    """A directory that everybody may enter, with a name that leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="el-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def place(base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's edge-listen is spoken to; there is no service."""
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    monkeypatch.setattr(state, "SERVICE_RUNTIME_DIRECTORY", base / "service")
    # It looks twice a second whether it is to end, which would make up most of the time here.
    monkeypatch.setattr(control_server._Server, "serve_forever", serve_forever_but_end_soon)
    for name in ("edge-listen", "service"):
        (base / name).mkdir(mode=0o755)
    return base / "edge-listen" / "control"


def serve_forever_but_end_soon(server: socketserver.BaseServer) -> None:
    socketserver.BaseServer.serve_forever(server, poll_interval=0.01)


@pytest.fixture
def answering(place: Path) -> Iterator[Path]:
    with ControlServer(place, AnsweredQueue(echo)):
        yield place


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE_S)
    connection.connect(str(path))
    return connection


def exchange(path: Path, line: bytes) -> Any:
    with connected(path) as connection:
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            return json.loads(stream.read())


@contextmanager
def answers_with(path: Path, reply: bytes) -> Iterator[None]:
    """A program that isn't edge-listen and answers one client."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        thread.join(PATIENCE_S)


# --- where


def test_the_socket_is_in_the_directory_that_systemd_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/edge-listen:/run/other")
    assert own_control_socket() == Path("/run/edge-listen/control")


@pytest.mark.usefixtures("place")
def test_without_systemd_it_is_in_the_users_own_directory(base: Path) -> None:
    assert own_control_socket() == base / "edge-listen" / "control"


@pytest.mark.parametrize("directory", ["", "relative", "/no/such/directory"])
def test_without_such_a_directory_there_is_none(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
    assert own_control_socket() is None
    assert control_socket_paths() == [Path("/run/edge-listen/control")]


def test_the_users_own_is_asked_before_the_service(place: Path, base: Path) -> None:
    assert control_socket_paths() == [place, base / "service" / "control"]
    service = AnsweredQueue(lambda *_: {"who": "service"})
    with ControlServer(base / "service" / "control", service):
        with ControlServer(place, AnsweredQueue(lambda *_: {"who": "user"})):
            assert ask("status") == {"who": "user"}
        assert ask("status") == {"who": "service"}


def test_a_socket_left_behind_does_not_hide_the_service(place: Path, base: Path) -> None:
    leave_behind(place)
    with ControlServer(base / "service" / "control", AnsweredQueue(lambda *_: {"who": "service"})):
        assert ask("status") == {"who": "service"}


# --- the socket


def leave_behind(path: Path) -> None:
    """A socket of a program that was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()


def test_a_socket_that_nobody_listens_on_is_replaced(place: Path) -> None:
    leave_behind(place)
    with ControlServer(place, AnsweredQueue(echo)):
        assert ask("status") == {"command": "status"}


def test_a_socket_that_is_answered_at_is_left_to_whom_it_belongs(answering: Path) -> None:
    with pytest.raises(ConfigError, match="another edge-listen runs already and answers at"):
        ControlServer(answering, RequestQueue())
    assert ask("status") == {"command": "status"}


def test_what_is_no_socket_is_not_removed(place: Path) -> None:
    place.write_text("precious")
    with pytest.raises(ConfigError, match="cannot be made: Address already in use"):
        ControlServer(place, RequestQueue())
    assert place.read_text() == "precious"


def test_a_directory_that_is_not_there_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be made: No such file or directory"):
        ControlServer(tmp_path / "absent" / "control", RequestQueue())


def test_owner_and_group_may_use_it_and_the_umask_stays(answering: Path) -> None:
    assert stat.S_IMODE(answering.stat().st_mode) == 0o660
    before = os.umask(0o022)
    os.umask(before)
    assert before != 0o117


def test_it_is_gone_at_the_end(place: Path) -> None:
    with ControlServer(place, AnsweredQueue(echo)):
        assert place.is_socket()
    assert not place.exists()


def test_one_that_another_has_put_in_its_place_stays(place: Path) -> None:
    with ControlServer(place, AnsweredQueue(echo)):
        place.rename(place.with_name("moved"))
        other = ControlServer(place, AnsweredQueue(lambda *_: {"who": "other"})).__enter__()
    assert ask("status") == {"who": "other"}
    other.__exit__(None, None, None)
    assert not place.exists()


# --- questions and answers


@pytest.mark.usefixtures("answering")
def test_a_question_comes_with_its_arguments() -> None:
    assert ask("labels", {"labels": ["dog bark", "Ruf der Möwe"]}) == {
        "command": "labels",
        "labels": ["dog bark", "Ruf der Möwe"],
    }


def test_a_no_is_told_in_its_own_words(place: Path) -> None:
    def refuse(*_: object) -> Answer:
        raise LabelError("there is no label 'dgo'")

    with ControlServer(place, AnsweredQueue(refuse)), pytest.raises(SoundError, match="no label 'dgo'"):
        ask("reload")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"status\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b"null\n",
        b"{}\n",
        b'{"command": 3}\n',
        b'{"command": "status", "arguments": []}\n',
        b'{"command": "status"',
        b"[" * 60_000,
        b'{"command": "' + b"a" * 65_521 + b"\n",
    ],
    ids=lambda line: repr(line[:24]),
)
def test_garbage_is_answered_with_what_to_send_and_the_next_is_served(answering: Path, line: bytes) -> None:
    assert exchange(answering, line) == NOT_A_REQUEST
    assert ask("status") == {"command": "status"}


def test_garbage_never_reaches_the_thread_that_listens(place: Path) -> None:
    requests = RequestQueue()
    with ControlServer(place, requests):
        exchange(place, b'{"command": null}\n')
        assert requests.take() == []


def test_clients_that_hang_do_not_hold_up_others(answering: Path) -> None:
    with ExitStack() as hanging:
        for sent in (b"", b'{"command"', b'{"command": "status", "arguments": {'):
            connection = hanging.enter_context(connected(answering))
            connection.sendall(sent)
        began_s = time.monotonic()
        assert ask("status") == {"command": "status"}
        assert time.monotonic() - began_s < 2.0


def test_a_client_that_hangs_is_let_go(answering: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_server._Handler, "timeout", 0.1)
    with connected(answering) as connection:
        assert connection.recv(100) == b""


def test_too_many_at_once_are_told_to_try_again(answering: Path) -> None:
    with ExitStack() as hanging:
        clients = [hanging.enter_context(connected(answering)) for _ in range(MAX_CLIENTS + 1)]
        told, _, _ = select.select(clients, [], [], PATIENCE_S)
        (client,) = told
        assert json.loads(client.recv(1000)) == {"ok": False, "error": "too many ask at once: try again"}
    deadline_s = time.monotonic() + PATIENCE_S
    while exchange(answering, b'{"command": "status"}\n')["ok"] is not True:
        assert time.monotonic() < deadline_s


def test_an_answer_that_comes_too_late_is_not_waited_for(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "ANSWER_TIMEOUT_S", 0.1)
    requests = RequestQueue()
    with ControlServer(place, requests):
        with pytest.raises(SoundError, match="it took too long"):
            ask("reload")
        (request,) = requests.take()
        request.answer.set_result({})  # which harms nobody


def test_the_end_does_not_wait_for_clients(place: Path) -> None:
    with ControlServer(place, RequestQueue()):
        hanging = connected(place)
        hanging.sendall(b'{"command": "reload"}\n')
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 2.0
    hanging.close()


# --- what the one who asks is told


@pytest.mark.usefixtures("place")
def test_where_none_runs_the_message_says_how_to_start_one() -> None:
    with pytest.raises(SinkError, match="no edge-listen is running here: start it"):
        ask("status")


def test_a_socket_left_behind_means_that_none_runs(place: Path) -> None:
    leave_behind(place)
    with pytest.raises(SinkError, match="no edge-listen is running here"):
        ask("status")


@contextmanager
def forbidden(path: Path) -> Iterator[None]:
    """Within it, this process may not use a socket, even if it is root's, who may use any."""
    path.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_who_may_not_ask_is_told_what_to_do(answering: Path) -> None:
    with (
        forbidden(answering),
        pytest.raises(SinkError, match=r"may not use \S+control: run this with sudo"),
    ):
        ask("status")


def test_one_that_may_not_be_asked_does_not_hide_one_that_may(answering: Path, base: Path) -> None:
    service = base / "service" / "control"
    with ControlServer(service, AnsweredQueue(lambda *_: {"who": "service"})):
        service.chmod(0o666)
        with forbidden(answering):
            assert ask("status") == {"who": "service"}


def test_where_too_many_wait_to_be_accepted_it_is_not_said_that_none_runs(place: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stuck, ExitStack() as waiting:
        stuck.bind(str(place))
        stuck.listen(0)
        waiting.enter_context(connected(place))
        with pytest.raises(SinkError, match="runs, but too many ask it at once"):
            ask("status")


def test_a_crowd_is_served(answering: Path) -> None:
    answers: list[object] = []
    begin = threading.Barrier(20)

    def ask_with_others() -> None:
        begin.wait(PATIENCE_S)
        answers.append(exchange(answering, b'{"command": "status"}\n')["ok"])

    threads = [threading.Thread(target=ask_with_others) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(answers) == 20
    assert True in answers


def test_one_that_does_not_answer_in_time_is_said_to_run(place: Path) -> None:
    expected = pytest.raises(SinkError, match=r"runs but has not answered within 0\.1 s")
    with ControlServer(place, RequestQueue()), expected:
        ask("status", timeout_s=0.1)


def test_one_that_ends_before_it_answers_is_told_so(place: Path) -> None:
    with answers_with(place, b""), pytest.raises(SinkError, match="went away before it answered"):
        ask("status")


@pytest.mark.parametrize("reply", [b"[]\n", b"3\n"])
def test_what_isnt_edge_listen_is_told_apart(place: Path, reply: bytes) -> None:
    with answers_with(place, reply), pytest.raises(SinkError, match="is not edge-listen"):
        ask("status")


def test_a_no_without_a_reason_is_an_error_too(place: Path) -> None:
    with answers_with(place, b"{}\n"), pytest.raises(SoundError, match="no reason"):
        ask("status")


# --- requests


def test_requests_are_taken_once_and_in_order() -> None:
    requests = RequestQueue()
    put = [requests.put("status"), requests.put("labels", {"labels": ["siren"]})]
    assert requests.take() == put
    assert requests.take() == []


def test_requests_of_many_threads_all_arrive() -> None:
    requests = RequestQueue()
    threads = [
        threading.Thread(target=lambda: [requests.put("status") for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    taken: list[Request] = []
    while any(thread.is_alive() for thread in threads):
        taken += requests.take()
    taken += requests.take()
    assert len({id(request) for request in taken}) == 800


def test_a_signal_handler_may_ask_while_the_main_thread_does() -> None:
    requests = RequestQueue()
    before = signal.signal(signal.SIGALRM, lambda *_: requests.put("reload"))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    n_taken = 0
    try:
        for _ in range(20_000):
            requests.put("status")
            n_taken += sum(request.command == "status" for request in requests.take())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert n_taken == 20_000


# --- the program


def test_the_running_program_answers_and_takes_its_socket_away(place: Path, base: Path) -> None:
    bundle = base / "bundle"
    write_synthetic_bundle(bundle)
    place.parent.rmdir()  # it makes that itself
    environment = {**ENVIRONMENT, "XDG_RUNTIME_DIR": str(base), "NOTIFY_SOCKET": str(base / "notify")}
    environment.pop("RUNTIME_DIRECTORY", None)
    arguments = (f"--bundle={bundle}", "--labels=siren", "--input=-", "--pcm=s16le:16000:1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, ExitStack() as ended:
        notify.bind(str(base / "notify"))
        notify.settimeout(60)
        first = start(*arguments, environment=environment)
        ended.callback(first.kill)
        await_ready(notify)
        assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
        status = ask("status", timeout_s=30)
        assert (status["source"], status["labels"]) == ("standard input", ["siren"])
        second = start(*arguments, environment=environment)
        ended.callback(second.kill)
        await_ready(notify)
        second.send_signal(signal.SIGTERM)
        _, stderr = second.communicate(timeout=60)
        assert b"this one takes no commands: another edge-listen runs already" in stderr
        assert second.returncode == 0
        with pytest.raises(SoundError, match="knows no command 'sing'"):
            ask("sing", timeout_s=30)
        first.send_signal(signal.SIGTERM)
        first.communicate(timeout=60)
        assert first.returncode == 0
    assert not place.exists()


def await_ready(notify: socket.socket) -> None:
    while notify.recv(4096) != b"READY=1":
        pass
