from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from event_records import event_record

from edge.service_manager import ServiceManager, service_manager, status_line
from edge.status import Status

PATIENCE_S = 10.0
WELL = Status("USB Audio", None, ("dog bark", "siren"))


class Systemd:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(PATIENCE_S)

    def received(self) -> list[str]:
        """All that has come; a datagram on one machine is there once it is sent."""
        messages = []
        self.socket.settimeout(0)
        try:
            while True:
                messages.append(self.socket.recv(65536).decode())
        except BlockingIOError:
            return messages


@pytest.fixture(params=["a file", "an abstract name"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    abstract = f"@edge-listen-test-{os.getpid()}"
    receiver = Systemd(abstract if request.param == "an abstract name" else str(tmp_path / "notify"))
    yield receiver
    receiver.socket.close()


def test_the_manager_that_started_it_is_told_start_life_and_end(
    systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    manager = service_manager()
    assert manager is not None
    manager.ready()
    manager.alive()
    manager.alive()
    manager.stopping()
    assert systemd.received() == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


@pytest.mark.parametrize("address", [None, "", "relative/path", "vsock:2:1234"])
def test_without_one_that_wants_to_be_told_there_is_none(
    address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert service_manager() is None


def test_the_status_is_sent_when_it_changes_and_not_twice(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.address)
    manager.tell(WELL)
    manager.tell(replace(WELL, stream_s=17.0, n_windows={"scored": 3}))
    manager.tell(replace(WELL, conditions=("silent",)))
    manager.tell(WELL)
    assert systemd.received() == [
        "STATUS=listening for dog bark, siren",
        "STATUS=NOT WELL (silent); listening for dog bark, siren",
        "STATUS=listening for dog bark, siren",
    ]


def test_a_level_that_wavers_changes_nothing(systemd: Systemd) -> None:
    manager = ServiceManager(systemd.address)
    for level_dbfs in (-29.0, -31.2, -32.4, -28.1):
        manager.tell(replace(WELL, level_dbfs=level_dbfs))
    assert systemd.received() == ["STATUS=listening for dog bark, siren; level -30 dBFS"]


def test_where_nobody_listens_nothing_happens(tmp_path: Path) -> None:
    for address in (str(tmp_path / "nobody"), "@nobody-listens-here", "/" + 200 * "long"):
        manager = ServiceManager(address)
        manager.ready()
        manager.alive()
        manager.tell(WELL)


@pytest.fixture
def full(systemd: Systemd) -> Systemd:
    """A manager that is behind with reading."""
    address = systemd.address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(BlockingIOError):
        sender.settimeout(0)
        while True:
            sender.sendto(b"X=1", "\0" + address[1:] if address.startswith("@") else address)
    return systemd


def test_a_manager_that_is_behind_does_not_hold_up_the_listening(full: Systemd) -> None:
    manager = ServiceManager(full.address)
    began_s = time.monotonic()
    manager.alive()
    manager.tell(WELL)
    assert time.monotonic() - began_s < 0.5


def test_that_it_is_ready_reaches_a_manager_that_is_behind(full: Systemd) -> None:
    sending = threading.Thread(target=ServiceManager(full.address).ready)
    sending.start()
    sending.join(0.1)
    assert sending.is_alive()
    messages = full.received()
    sending.join(PATIENCE_S)
    messages += full.received()
    assert messages[-1] == "READY=1"


def test_the_status_line_of_one_that_waits_says_for_what() -> None:
    waiting = replace(WELL, waiting_for="no microphone matches", conditions=("absent",))
    assert status_line(waiting) == "waiting for USB Audio: no microphone matches"


def test_the_status_line_says_what_is_wrong_first_and_what_was_heard_last() -> None:
    status = replace(
        WELL,
        conditions=("clipped", "slow"),
        level_dbfs=-0.2,
        last_event=event_record(label="siren", when=None),
    )
    assert status_line(status) == (
        "NOT WELL (clipped, slow); listening for dog bark, siren; level 0 dBFS; last: siren"
    )


def test_the_status_line_says_when_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    try:
        line = status_line(replace(WELL, last_event=event_record()))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert line.endswith("; last: dog bark at 21:02:31")


def test_digital_silence_has_a_level_that_can_be_written() -> None:
    line = status_line(replace(WELL, level_dbfs=float("-inf")))
    assert line == "listening for dog bark, siren; level -120 dBFS"


def test_a_name_with_a_line_break_cannot_say_anything_else(systemd: Systemd) -> None:
    # Each line of a message is a statement of its own.
    ServiceManager(systemd.address).tell(
        replace(WELL, source="USB\nSTOPPING=1", waiting_for="it\r\n to return")
    )
    (message,) = systemd.received()
    assert len(message.splitlines()) == 1
