"""The command line of `edge-listen`: its parsers, built from the settings in `config.py`.

Imports nothing heavy, so that `--help`, `--version` and a typing mistake answer at once.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edge.config import ListenConfig, RuleSettings
from edge.config_file import load_config
from edge.errors import ConfigError
from edge.output_settings import ClipsSettings, keys_of
from edge.settings import RULE_NAMES, SETTINGS, flag

COMMANDS = {
    "labels": "show the sounds that a bundle knows",
    "devices": "show the microphones of this machine",
    "demo": "run a made-up scene of sounds through the whole program; needs no microphone",
    "doctor": "check this machine, the bundle, the microphone and the outputs; say what to mend",
    "status": "ask the edge-listen that is running how it is",
    "reload": "have the edge-listen that is running read its configuration file again",
    "install-service": "install it as a systemd service that starts with the machine",
    "uninstall-service": "take that service off again",
}
"""What `edge-listen` does besides listening, by its first argument."""

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


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line; `command` is "listen" or one of `COMMANDS`. Exits with 2 if it is not one."""
    if not argv or argv[0].startswith("-"):
        return _listen_parser().parse_args(argv, argparse.Namespace(command="listen"))
    if argv[0] not in COMMANDS:
        near = difflib.get_close_matches(argv[0], COMMANDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f'to listen for it, type --labels "{argv[0]}"'
        _listen_parser().error(f"there is no command {argv[0]!r}; {hint}")
    return _command_parser(argv[0]).parse_args(argv[1:], argparse.Namespace(command=argv[0]))


def listen_config(args: argparse.Namespace) -> ListenConfig:
    """The settings that a parsed command line and its configuration file come to.

    Raises: ConfigError.
    """
    flags = {name: value for name, value in vars(args).items() if name in SETTINGS}
    label_flags: dict[str, Mapping[str, object]] = {}
    for text in flags.pop("threshold", []):
        label, _, number = text.rpartition("=")
        try:
            score = float(number)
        except ValueError:
            raise ConfigError(f'--threshold takes a score or "LABEL=SCORE", not {text!r}') from None
        if label:
            label_flags[label.strip()] = {"threshold": score}
        else:
            flags["threshold"] = score
    return _with_clips(load_config(getattr(args, "config", None), flags, label_flags), args)


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
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    groups = {table: parser.add_argument_group(title) for table, title in _GROUPS.items()}
    for name, setting in SETTINGS.items():
        _add(groups[setting.table], name)
    groups["output"].add_argument(
        "--clips",
        type=_path,
        metavar="DIR",
        help="keep the seconds around each event there, as FLAC; the file's [clips] says more (default: off)",
    )
    groups["output"].add_argument("--no-speech", action="store_true", help=keys_of("clips")["no_speech"].help)
    _add_config(groups["output"])
    parser.add_argument("--version", action="version", version=f"edge-listen {_version()}")
    return parser


def _command_parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"edge-listen {command}",
        description=f"Edge-listen {command}: {COMMANDS[command]}.",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    if command in ("labels", "demo"):
        _add(parser, "bundle")
    if command in _ADD_OPTIONS:
        _ADD_OPTIONS[command](parser)
    for name in ("verbose", "debug"):
        _add(parser, name)
    return parser


def _demo_options(parser: argparse.ArgumentParser) -> None:
    _add(parser, "provider")
    parser.add_argument("--fast", action="store_true", help="don't wait for the scene to play")


def _devices_options(parser: argparse.ArgumentParser) -> None:
    _add(parser, "device")
    parser.add_argument(
        "--test",
        action="store_true",
        help="record from it for a few seconds and say what came: level, faults",
    )
    parser.add_argument(
        "--seconds", type=float, default=5.0, metavar="SECONDS", help="how long --test records (default: 5)"
    )


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    _add_config(parser, "the configuration to check (default: that of the service, if there is one)")


def _control_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the whole answer as JSON")


def _install_options(parser: argparse.ArgumentParser) -> None:
    _add_config(parser, "a configuration to put into /etc/edge-listen/config.toml, if there is none yet")
    parser.add_argument(
        "--network",
        action="store_true",
        help="let it reach the network: MQTT, webhook, metrics, network audio",
    )
    parser.add_argument("--gpu", action="store_true", help="let it reach an NVIDIA GPU, in a PC or a Jetson")
    parser.add_argument(
        "--rollback", action="store_true", help="go back to the version that was installed before this one"
    )
    _service_options(parser)


def _uninstall_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep-data", action="store_true", help="keep its configuration and its state directory"
    )
    _service_options(parser)


def _service_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument("--yes", action="store_true", help="don't ask before doing it")
    parser.add_argument(
        "--root",
        type=_path,
        default=Path("/"),
        metavar="DIR",
        help="of a system image in DIR, not of this system",
    )


_ADD_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "demo": _demo_options,
    "devices": _devices_options,
    "doctor": _doctor_options,
    "status": _control_options,
    "reload": _control_options,
    "install-service": _install_options,
    "uninstall-service": _uninstall_options,
}


def _add_config(
    group: argparse._ActionsContainer,
    meaning: str = "a TOML file with whatever these options say, and more; an option given here wins over it",
) -> None:
    group.add_argument("--config", type=_path, metavar="FILE", help=meaning)


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("it is empty: name a file or directory")
    return Path(text)


def _add(group: argparse._ActionsContainer, name: str) -> None:
    """Add a setting's option. One that isn't given leaves no trace, so that the file's value holds."""
    setting = SETTINGS[name]
    names = ["-v", flag(name)] if name == "verbose" else [flag(name)]
    text = setting.help.replace("%", "%%")
    default = setting.default or getattr(RuleSettings if name in RULE_NAMES else ListenConfig, name, None)
    if default not in (None, ()) and setting.kind != "switch":
        text += f" (default: {default})"
    if setting.kind == "switch":
        group.add_argument(*names, action="store_true", default=argparse.SUPPRESS, help=text)
        return
    kinds: dict[str, Callable[[str], object]] = {"number": float, "whole": int, "path": _path}
    repeatable = setting.kind == "words" or name == "threshold"
    group.add_argument(
        *names,
        action="append" if repeatable else "store",
        type=str if repeatable else kinds.get(setting.kind, str),
        choices=setting.choices or None,
        metavar=setting.metavar or None,
        default=argparse.SUPPRESS,
        help=text,
    )


def _version() -> str:
    try:
        return version("edge-listen")
    except PackageNotFoundError:
        return "(not installed: run from its source)"
