"""What the parsers of listening and of the other commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from edge.config import ListenConfig, RuleSettings
from edge.settings import PER_LABEL_FLAGS, RULE_NAMES, SETTINGS, flag


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with room for the options' names."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


def add_config(
    group: argparse._ActionsContainer,
    meaning: str = "a TOML file with whatever these options say, and more; an option given here wins over it",
) -> None:
    """Add the option that names a configuration file."""
    group.add_argument("--config", type=non_empty_path, metavar="FILE", help=meaning)


def non_empty_path(text: str) -> Path:
    """A path that is given. Raises: ArgumentTypeError."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty: name a file or directory")
    return Path(text)


def add_setting(group: argparse._ActionsContainer, name: str, default_here: str = "") -> None:
    """Add a setting's option. One that isn't given leaves no trace, so that the file's value holds.

    default_here: how help names the default, where a command has another than listening.
    """
    setting = SETTINGS[name]
    names = ["-v", flag(name)] if name == "verbose" else [flag(name)]
    text = setting.help.replace("%", "%%")
    default = (
        default_here
        or setting.default
        or getattr(RuleSettings if name in RULE_NAMES else ListenConfig, name, None)
    )
    if default not in (None, ()) and setting.kind != "switch":
        text += f" (default: {default})"
    if setting.kind == "switch":
        group.add_argument(*names, action="store_true", default=argparse.SUPPRESS, help=text)
        return
    kinds: dict[str, Callable[[str], object]] = {"number": float, "whole": int, "path": non_empty_path}
    repeatable = setting.kind == "words" or name in PER_LABEL_FLAGS
    group.add_argument(
        *names,
        action="append" if repeatable else "store",
        type=str if repeatable else kinds.get(setting.kind, str),
        choices=None if repeatable else setting.choices or None,
        metavar=setting.metavar or None,
        default=argparse.SUPPRESS,
        help=text,
    )
