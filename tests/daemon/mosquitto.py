"""A private MQTT broker, and someone who listens to all that is said there."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 20.0
MARK = "test/mark"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """mosquitto, which keeps nothing on disk, so that a killed one starts with an empty memory.

    Args:
        directory: for its configuration and log.
        listener: further lines of the configuration.
    """

    def __init__(self, directory: Path, listener: str = "allow_anonymous true") -> None:
        self.program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if self.program is None:
            pytest.skip("mosquitto is not installed (apt install mosquitto)")
        self.port = free_port()
        self._log = directory / "mosquitto.log"
        self._configuration = directory / "mosquitto.conf"
        self._configuration.write_text(
            f"user {getpass.getuser()}\npersistence false\nlistener {self.port} 127.0.0.1\n{listener}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.program), "-c", str(self._configuration)], stdout=log, stderr=log
            )
        deadline_s = time.monotonic() + WAIT_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail(f"mosquitto did not come up: {self._log.read_text()[-500:]}")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def halt(self) -> None:
        """Let it hold its connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)


class Relay:
    """Passes connections on to a port while it is open; shut, it ends them and each new one."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._is_open = True
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """End all connections, at both ends."""
        self._is_open = False
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def open(self) -> None:
        """Pass connections on from now on."""
        self._is_open = True

    def close(self) -> None:
        """Go away."""
        self.shut()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self._pass_on(near)

    def _pass_on(self, near: socket.socket) -> None:
        far = socket.socket()
        if not self._is_open or far.connect_ex(("127.0.0.1", self._target_port)) != 0:
            near.close()
            far.close()
            return
        self._ends += [near, far]
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := one.recv(65536):
                other.sendall(some)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True)
class Message:
    """What was heard."""

    topic: str
    text: str
    retain: bool
    qos: int


class Observer:
    """Hears every topic, and connects again within a moment.

    Args:
        port: the broker's, on this machine.
        setup: sets the client's credentials and TLS.
        qos: of what it hears. The broker passes 0 on before it acknowledges; 1 it may hold back, and loses
            when it is killed.
    """

    def __init__(
        self, port: int, setup: Callable[[Client], Any] = lambda _client: None, qos: int = 1
    ) -> None:
        self.messages: list[Message] = []
        self._changed = threading.Condition()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=4)
        setup(self.client)
        self.client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=qos)
        self.client.on_message = self._hear
        self.client.connect_async("localhost", port)
        self.client.loop_start()
        self.wait_until_listening()

    def wait_until_listening(self) -> None:
        """Returns when it hears what is said from now on, and has heard what stood there."""
        deadline_s = time.monotonic() + WAIT_S
        n_marks = self._n_marks()
        while self._n_marks() == n_marks:
            assert time.monotonic() < deadline_s, "the observer hears nothing"
            self.client.publish(MARK, "here", qos=0)
            with self._changed:
                self._changed.wait_for(lambda: self._n_marks() > n_marks, timeout=0.1)

    def wait_for(self, topic: str, text: str | None = None) -> Message:
        """The newest message on a topic, once there is one (with that text)."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: any(m.topic == topic and text in (None, m.text) for m in self.messages), WAIT_S
            )
            assert found, f"no {text or 'message'} on {topic}; heard {self.messages[-20:]}"
            return [m for m in self.messages if m.topic == topic and text in (None, m.text)][-1]

    def wait_for_count(self, topic: str, count: int) -> None:
        """Returns when that many messages came on a topic."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: sum(m.topic == topic for m in self.messages) >= count, WAIT_S
            )
            assert found, f"less than {count} messages on {topic}"

    def texts(self, topic: str) -> list[str]:
        """All that was said on a topic."""
        with self._changed:
            return [message.text for message in self.messages if message.topic == topic]

    def forget(self) -> None:
        """Begin to listen anew."""
        with self._changed:
            self.messages.clear()

    def close(self) -> None:
        """Go away."""
        self.client.disconnect()
        self.client.loop_stop()

    def _n_marks(self) -> int:
        return sum(message.topic == MARK for message in self.messages)

    def _hear(self, _client: Any, _data: Any, message: Any) -> None:
        with self._changed:
            self.messages.append(
                Message(message.topic, message.payload.decode(errors="replace"), message.retain, message.qos)
            )
            self._changed.notify_all()


def retained(port: int, setup: Callable[[Client], Any] = lambda _client: None) -> dict[str, str]:
    """What stands at the broker now."""
    observer = Observer(port, setup)
    observer.close()
    return {message.topic: message.text for message in observer.messages if message.retain}
