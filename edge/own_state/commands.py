"""Commands that read or change what a person added: done by the running edge-listen, else by the asking one.

The one that runs owns the state, so it is asked first; where none runs, the same functions do it here.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from edge.config import ListenConfig
from edge.control_client import NotRunningError, ask
from edge.control_server import ANSWER_TIMEOUT_S
from edge.errors import ConfigError
from edge.overlay import answers as overlay_commands
from edge.own_state.place import StatePlace
from edge.pipeline import prepare
from edge.requests import Answer

logger = logging.getLogger(__name__)

Arguments = Mapping[str, object]
Handler = Callable[[Arguments, StatePlace], Answer]


def show_overlay(_arguments: Arguments, place: StatePlace) -> Answer:
    """See `edge.overlay.answers`, as the next three."""
    return overlay_commands.show(place.store, place.encoder_sha256)


def export_overlay(_arguments: Arguments, place: StatePlace) -> Answer:
    """See `edge.overlay.answers`."""
    return overlay_commands.export_(place.store, place.encoder_sha256)


def import_overlay(arguments: Arguments, place: StatePlace) -> Answer:
    """See `edge.overlay.answers`."""
    data, where = arguments.get("data"), arguments.get("where")
    return overlay_commands.import_(place.store, place.encoder_sha256, data, where, place.check)


def roll_back_overlay(_arguments: Arguments, place: StatePlace) -> Answer:
    """See `edge.overlay.answers`."""
    return overlay_commands.roll_back(place.store, place.encoder_sha256, place.check)


READING = {
    "overlay-show": "commands:show_overlay",
    "overlay-export": "commands:export_overlay",
    "expect": "calibrate:expect",
    "check-sound": "enrol:check_sound",
    "search": "search:search",
}
"""Command → module of this package and function in it. Imported when it is asked for: a start needs none."""
CHANGING = {
    "enroll": "enrol:enrol_sound",
    "forget": "enrol:forget_sound",
    "calibrate": "calibrate:calibrate",
    "learn-site": "site:learn_site",
    "forget-site": "site:forget_site",
    "overlay-import": "commands:import_overlay",
    "overlay-rollback": "commands:roll_back_overlay",
}
"""After one of these, other labels, thresholds or backgrounds may hold."""


def do(command: str, arguments: Arguments, place: StatePlace) -> Answer:
    """Do what a command asks for. Raises: SoundError of one line; then nothing has changed."""
    module, _, function = (READING | CHANGING)[command].partition(":")
    handler: Handler = getattr(importlib.import_module(f"edge.own_state.{module}"), function)
    return handler(arguments, place)


def ask_or_do(
    command: str, arguments: Arguments, config: ListenConfig, flags_alone: Sequence[str] = ()
) -> Answer:
    """Have the running edge-listen do it, or do it here where none runs.

    config: the settings of one that does it here.
    flags_alone: those given on the command line that only matter then.
    Raises: SoundError.
    """
    try:
        answer = ask(command, arguments, ANSWER_TIMEOUT_S)
    except NotRunningError:
        logger.debug("no edge-listen runs, so this one does it")
        return do_here(command, arguments, config)
    warn_of_unused(flags_alone)
    return answer


def warn_of_unused(flags: Sequence[str]) -> None:
    """Say that the one that runs has settings of its own."""
    if flags:
        logger.warning(
            "the edge-listen that runs was asked, which has its own settings: %s had no effect",
            ", ".join(flags),
        )


def do_here(command: str, arguments: Arguments, config: ListenConfig) -> Answer:
    """Do it in this process. Raises: SoundError."""
    if command not in READING and command not in CHANGING:
        raise ConfigError(f"there is no command {command!r}")
    # What undoes damage must not stumble over it.
    reads_overlay = command not in {"overlay-import", "overlay-rollback"}
    # Nor what adds a label over one that lacks it still.
    bare = replace(config, labels=(), label_rules={})
    pipeline = prepare(bare, needs_labels=False, reads_overlay=reads_overlay)
    return do(command, arguments, StatePlace(pipeline, config))
