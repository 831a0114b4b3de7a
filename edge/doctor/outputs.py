"""What outputs need of this machine: their passwords and their program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edge.doctor.check import Check, Subject
from edge.errors import ConfigError
from edge.secret import read_secret


def secrets(subject: Subject) -> Iterator[Check]:
    """Whether each can be read."""
    mqtt, webhook = subject.config.mqtt, subject.config.webhook
    if mqtt is not None:
        yield from examine_secret("the password of [mqtt]", mqtt.password_file, mqtt.password_credential)
    if webhook is not None:
        yield from examine_secret("the key of [webhook]", webhook.secret_file, webhook.secret_credential)


def examine_secret(what: str, file: Path | None, credential: str | None) -> Iterator[Check]:
    """what: as `read_secret` has it, and likewise the others."""
    if file is None and credential is None:
        return
    if file is None and not os.environ.get("CREDENTIALS_DIRECTORY"):
        yield Check(
            "secrets", "ok", f"{what} is systemd's credential {credential}, which only the service is given"
        )
        return
    try:
        read_secret(what, file, credential)
    except ConfigError as error:
        yield Check("secrets", "fail", str(error))
    else:
        yield Check("secrets", "ok", f"{what} can be read from {file or credential}")


def command(subject: Subject) -> Iterator[Check]:
    """Whether its program is there; it isn't run. ConfigError if not."""
    if subject.config.command is None:
        return
    from edge.sinks.program import ProgramSink  # noqa: PLC0415 - only where it is used

    ProgramSink(subject.config.command).close()
    yield Check("command", "ok", f"{subject.config.command.run}: its program is there")
