"""The command line of `edge-listen`: its parsers, built from the settings in `config.py`.

Imports nothing heavy, so that `--help`, `--version` and a typing mistake answer at once.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from edge.command_options import COMMANDS, command_parser
from edge.config import ListenConfig
from edge.config_file import load_config
from edge.errors import ConfigError
from edge.option_parts import Formatter, add_config, add_setting, non_empty_path
from edge.output_settings import ClipsSettings, EmbeddingLogSettings, keys_of
from edge.setting_values import check_value
from edge.settings import PER_LABEL_FLAGS, SETTINGS, flag

_GROUPS = {
    "listen": "what to listen for, and with what",
    "source": "where the sound comes from",
    "rules": "when a sound counts as an event",
    "output": "output",
}
_USAGE = "edge-listen --labels NAMES [options]\n       edge-listen {{{commands}}} [options]"
_DESCRIPTION = "Listens for sounds named in words and says when each begins and ends. All on this machine."
_EPILOG = """\
other commands (each has its own --help):
{commands}

examples:
  edge-listen --labels "dog bark,siren"
  edge-listen --labels siren --input street.wav --json
  ffmpeg -loglevel error -i rtsp://camera/ -f s16le -ac 1 -ar 48000 - | \\
      edge-listen --labels "glass breaking" --input - --pcm s16le:48000:1

A window is a short stretch of sound that is scored against every label; successive windows overlap.
Exit codes: 0 done, 2 wrong use, 3 bundle, 4 encoder, 5 sound source, 6 output, 1 anything else; status and
doctor end with 1 where all is not well.
"""


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; `command` is "listen" or one of `COMMANDS`. Exits with 2 if it is not one."""
    if not argv or argv[0].startswith("-"):
        return _listen_parser().parse_args(argv, argparse.Namespace(command="listen"))
    if argv[0] not in COMMANDS:
        near = difflib.get_close_matches(argv[0], COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f'to listen for it, type --labels "{argv[0]}"'
        _listen_parser().error(f"there is no command {argv[0]!r}; {hint}")
    return command_parser(argv[0]).parse_args(argv[1:], argparse.Namespace(command=argv[0]))


def listen_config(args: argparse.Namespace, without: Sequence[str] = ()) -> ListenConfig:
    """The settings that a parsed command line and its configuration file come to.

    without: settings whose flags mean something else to a command.
    Raises: ConfigError.
    """
    flags = {name: value for name, value in vars(args).items() if name in SETTINGS and name not in without}
    label_flags: dict[str, dict[str, object]] = {}
    for name in PER_LABEL_FLAGS:
        for text in flags.pop(name, []):
            label, value = _label_and_value(name, text)
            (label_flags.setdefault(label, {}) if label else flags)[name] = value
    config = load_config(getattr(args, "config", None), flags, label_flags)
    if getattr(args, "embedding_log", False) and config.embedding_log is None:
        config = replace(config, embedding_log=EmbeddingLogSettings())
    return _with_clips(config, args)


def asked_rates(args: argparse.Namespace) -> tuple[float | None, dict[str, float]]:
    """What --false-alarms asked for: of all labels, and of single ones. Raises: ConfigError."""
    common: float | None = None
    single: dict[str, float] = {}
    for text in getattr(args, "false_alarms", []):
        label, value = _label_and_value("false_alarms", text)
        rate: Any = check_value(flag("false_alarms"), SETTINGS["false_alarms"], value)
        if label:
            single[label] = rate
        else:
            common = rate
    return common, single


def flags_given(args: argparse.Namespace, *names: str) -> list[str]:
    """Which of some settings' flags, or --config, were given."""
    return [flag(name) for name in names if getattr(args, name, None) is not None]


def _label_and_value(name: str, text: str) -> tuple[str, object]:
    """What such as "dog bark=0.7" says; the label is empty for all labels."""
    label, _, value = text.rpartition("=")
    setting = SETTINGS[name]
    try:
        if value:
            return label.strip(), float(value) if setting.kind == "number" else value
    except ValueError:
        pass
    raise ConfigError(f'{flag(name)} takes {setting.metavar} or "LABEL={setting.metavar}", not {text!r}')


def _with_clips(config: ListenConfig, args: argparse.Namespace) -> ListenConfig:
    directory, no_speech = getattr(args, "clips", None), getattr(args, "no_speech", False)
    if directory is not None:
        config = replace(config, clips=replace(config.clips or ClipsSettings(), directory=directory))
    if not no_speech:
        return config
    if config.clips is None:
        raise ConfigError("--no-speech is about clips: give --clips DIR too, or [clips] in the file")
    return replace(config, clips=replace(config.clips, no_speech=True))


def _listen_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edge-listen",
        usage=_USAGE.format(commands=",".join(COMMANDS)),
        description=_DESCRIPTION,
        epilog=_EPILOG.format(commands="\n".join(f"  {name:18}{text}" for name, text in COMMANDS.items())),
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    groups = {table: parser.add_argument_group(title) for table, title in _GROUPS.items()}
    for name, setting in SETTINGS.items():
        add_setting(groups[setting.table], name)
    groups["output"].add_argument(
        "--clips",
        type=non_empty_path,
        metavar="DIR",
        help="keep the seconds around each event there, as FLAC; the file's [clips] says more (default: off)",
    )
    groups["output"].add_argument("--no-speech", action="store_true", help=keys_of("clips")["no_speech"].help)
    groups["output"].add_argument(
        "--embedding-log",
        action="store_true",
        help="keep each window's embedding, no sound, to be searched with edge-listen search; the file's "
        "[embedding_log] says more (default: off)",
    )
    add_config(groups["output"])
    parser.add_argument("--version", action="version", version=f"edge-listen {_version()}")
    return parser


def _version() -> str:
    try:
        return version("edge-listen")
    except PackageNotFoundError:
        return "(not installed: run from its source)"
