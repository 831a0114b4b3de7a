"""A finding of `edge-listen doctor`, and what the findings are about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from edge.config import ListenConfig

SERVICE_CONFIG = Path("/etc/edge-listen/config.toml")
Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at, in a word of at most 11 letters.
        verdict: "ok"; "warn" if it works but not well, or may stop; "fail" if it doesn't.
        text: what was found.
        remedy: what to do about it.
    """

    name: str
    verdict: Verdict
    text: str
    remedy: str | None = None

    @property
    def line(self) -> str:
        """All of it, in columns."""
        line = f"{self.verdict:<6}{self.name:<12}{self.text}"
        return line if self.remedy is None else f"{line} -> {self.remedy}"


@dataclass(frozen=True)
class Subject:
    """What is examined.

    Attributes:
        config: the settings; the defaults where there is no file, or one that can't be read.
        config_path: the file that they were read from, or None.
        running: what the edge-listen that is running says of itself (`Status.as_json_object`), or None.
        no_answer: why it says nothing, if it doesn't.
        service_state: what systemd says of the service, such as "active" or "failed"; None where there is no
            systemd, or no such service.
    """

    config: ListenConfig
    config_path: Path | None = None
    running: Mapping[str, object] | None = None
    no_answer: str = ""
    service_state: str | None = None

    @property
    def is_service(self) -> bool:
        """Whether these are the settings of the service."""
        return self.config_path == SERVICE_CONFIG

    @property
    def has_microphone(self) -> bool:
        """Whether the settings name no other source."""
        return self.config.input is None and self.config.input_command is None

    @property
    def is_listening(self) -> bool:
        """Whether an edge-listen runs already, and so may hold the microphone."""
        return self.running is not None or self.service_state in ("active", "activating", "reloading")


Examination: TypeAlias = Callable[[Subject], Iterable[Check]]
"""Looks at one thing: no finding if it doesn't apply. Raises: SoundError, which is a finding too."""
