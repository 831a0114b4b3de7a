"""Asks the edge-listen that is running, over its control socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

from edge.errors import SinkError, SoundError
from edge.state import control_socket_paths

MAX_ANSWER_BYTES = 16 * 2**20


class NotRunningError(SinkError):
    """No edge-listen runs here that could be asked."""


class _Refusal(SoundError):  # noqa: N818 - what the running one raised, told here
    def __init__(self, message: str, exit_code: object) -> None:
        super().__init__(message)
        self.exit_code = exit_code if type(exit_code) is int else 1


def ask(
    command: str, arguments: Mapping[str, object] | None = None, timeout_s: float = 10.0
) -> dict[str, object]:
    """Ask the one that this user runs, else the service.

    Raises: NotRunningError if none runs; SoundError if it may not be asked, doesn't answer in time, or says
        no.
    """
    reply = _exchange(json.dumps({"command": command, "arguments": dict(arguments or {})}), timeout_s)
    if reply.get("ok") is not True:
        raise _Refusal(str(reply.get("error", "it gave no reason")), reply.get("exit_code"))
    answer = reply.get("answer")
    return answer if isinstance(answer, dict) else {}


def _exchange(line: str, timeout_s: float) -> dict[str, object]:
    with _connected(timeout_s) as connection:
        try:
            connection.sendall(line.encode() + b"\n")
            with connection.makefile("rb") as stream:
                reply = json.loads(stream.readline(MAX_ANSWER_BYTES))
        except TimeoutError:
            raise SinkError(
                f"edge-listen runs but has not answered within {timeout_s:g} s: it may be opening its "
                "microphone; try again"
            ) from None
        except (OSError, ValueError) as error:
            raise SinkError("edge-listen went away before it answered: try again") from error
    if not isinstance(reply, dict):
        raise SinkError("what answers at the control socket is not edge-listen")
    return reply


def _connected(timeout_s: float) -> socket.socket:
    forbidden: Path | None = None
    for path in control_socket_paths():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except PermissionError:
            forbidden = path
        except BlockingIOError:
            connection.close()
            raise SinkError("edge-listen runs, but too many ask it at once: try again") from None
        except OSError:
            pass
        else:
            return connection
        connection.close()
    if forbidden is not None:
        raise SinkError(f"you may not use {forbidden}: run this with sudo, or join its group")
    raise NotRunningError(
        "no edge-listen is running here: start it with edge-listen --labels, or as a service"
    )
