"""Tells systemd how the service is: sd_notify(3)'s protocol, a datagram to the socket that it names."""

from __future__ import annotations

import contextlib
import os
import socket

from edge.status import Status
from edge.times import local_clock

READY_WAIT_S = 5.0


class ServiceManager:
    """Speaks to the manager that started this process. A StatusListener.

    Args:
        address: NOTIFY_SOCKET's value; a leading @ stands for Linux's abstract names.
    """

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._text = ""

    def ready(self) -> None:
        """Say that the start is done."""
        # Said once: were it lost while the manager is busy, the start would be taken for failed.
        self._send("READY=1", wait_s=READY_WAIT_S)

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def tell(self, status: Status) -> None:
        """Give the line that `systemctl status` shows, if it has changed."""
        # Each line of a message says something of its own.
        text = " ".join(status_line(status).split())
        if text != self._text:
            self._text = text
            self._send(f"STATUS={text}")

    def _send(self, message: str, wait_s: float = 0.0) -> None:
        # Where the manager doesn't listen there is nothing that could be done about it.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.settimeout(wait_s)
            notify.sendto(message.encode(), self._address)


def service_manager() -> ServiceManager | None:
    """The one that started this process; None if none did that wants to be told."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    return ServiceManager(address) if address.startswith(("/", "@")) else None


def status_line(status: Status) -> str:
    """What is waited for, or what is heard, in one line."""
    if status.waiting_for is not None:
        return f"waiting for {status.source}: {status.waiting_for}"
    parts = [f"listening for {', '.join(status.labels)}"]
    if status.conditions:
        parts.insert(0, f"NOT WELL ({', '.join(status.conditions)})")
    if status.level_dbfs is not None:
        # In steps, so that the line doesn't change each second.
        parts.append(f"level {5 * round(max(status.level_dbfs, -120.0) / 5):d} dBFS")
    last = status.last_event
    if last is not None:
        parts.append(f"last: {last.label}" + (f" at {local_clock(last.time)}" if last.time else ""))
    return "; ".join(parts)
