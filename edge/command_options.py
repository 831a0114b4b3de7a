"""The command line of everything that `edge-listen` does besides listening."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from edge.embedding_log.options import add_search_options
from edge.option_parts import Formatter, add_config, add_setting, non_empty_path
from edge.overlay.options import add_overlay_options

COMMANDS = {
    "labels": "show the sounds that a bundle knows",
    "devices": "show the microphones of this machine",
    "demo": "run a made-up scene of sounds through the whole program; needs no microphone",
    "doctor": "check this machine, the bundle, the microphone and the outputs; say what to mend",
    "status": "ask the edge-listen that is running how it is",
    "reload": "have the edge-listen that is running read its configuration file again",
    "calibrate": "set thresholds by how many false alarms may come, and say what to expect",
    "learn-background": "listen to what the place sounds like, so that it is not taken for a label",
    "enroll": "make a label of a sound of your own, from a few recordings of it",
    "forget": "take a sound of your own away again",
    "overlay": "show, export, import or roll back what was enrolled, learned and calibrated",
    "search": "search the log of embeddings for a sound",
    "install-service": "install it as a systemd service that starts with the machine",
    "uninstall-service": "take that service off again",
}
"""What `edge-listen` does besides listening, by its first argument."""


def command_parser(command: str) -> argparse.ArgumentParser:
    """The parser of one of `COMMANDS`."""
    parser = argparse.ArgumentParser(
        prog=f"edge-listen {command}",
        description=f"edge-listen {command}: {COMMANDS[command]}.",
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    if command in ("labels", "demo"):
        add_setting(parser, "bundle")
    if command in _ADD_OPTIONS:
        _ADD_OPTIONS[command](parser)
    for name in ("verbose", "debug"):
        add_setting(parser, name)
    return parser


def _demo_options(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "provider")
    parser.add_argument("--fast", action="store_true", help="don't wait for the scene to play")


def _devices_options(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "device")
    parser.add_argument(
        "--test",
        action="store_true",
        help="record from it for a few seconds and say what came: level, faults",
    )
    parser.add_argument(
        "--seconds", type=float, default=5.0, metavar="SECONDS", help="how long --test records (default: 5)"
    )


def _doctor_options(parser: argparse.ArgumentParser) -> None:
    add_config(parser, "the configuration to check (default: that of the service, if there is one)")


def _control_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the whole answer as JSON")


def _install_options(parser: argparse.ArgumentParser) -> None:
    add_config(parser, "a configuration to put into /etc/edge-listen/config.toml, if there is none yet")
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
        type=non_empty_path,
        default=Path("/"),
        metavar="DIR",
        help="of a system image in DIR, not of this system",
    )


def _own_options(parser: argparse.ArgumentParser) -> None:
    """Of what works alone where no edge-listen runs that could be asked."""
    add_setting(parser, "bundle")
    add_config(parser, "the settings, if no edge-listen runs: a TOML file as for listening")


def _calibrate_options(parser: argparse.ArgumentParser) -> None:
    add_setting(parser, "labels", "those that an edge-listen that runs listens for")
    add_setting(parser, "false_alarms", "what was kept for a label before, else 0.5/h")
    parser.add_argument("--dry-run", action="store_true", help="only say what to expect; keep nothing")
    parser.add_argument(
        "--reset", action="store_true", help="forget the rates kept, of these labels or, without any, of all"
    )
    _control_options(parser)
    _own_options(parser)


def _learn_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--minutes", type=_minutes, default=30.0, metavar="MINUTES", help="how long to listen (default: 30)"
    )
    parser.add_argument(
        "--max-cost",
        type=_percent,
        default=2.0,
        metavar="PERCENT",
        help="how much of the labels' own sounds may be missed for it; more is refused (default: 2)",
    )
    parser.add_argument("--forget", action="store_true", help="forget the background that was learned")
    parser.add_argument(
        "--cancel", action="store_true", help="stop learning, if an edge-listen that runs does"
    )
    for name in ("labels", "device", "input", "pcm", "input_command", "threshold"):
        add_setting(parser, name)
    _own_options(parser)


def _enroll_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help='what to call it, such as "our doorbell"')
    parser.add_argument(
        "clips", nargs="*", type=non_empty_path, metavar="FILE", help="recordings of it, 3 or more"
    )
    parser.add_argument(
        "--record", type=int, default=0, metavar="N", help="record it N times from the microphone instead"
    )
    parser.add_argument("--replace", action="store_true", help="in place of the sound of that name")
    parser.add_argument("--anyway", action="store_true", help="even if its clips don't sound alike")
    add_setting(parser, "false_alarms", "0.5/h")
    for name in ("device", "input", "pcm", "input_command"):
        add_setting(parser, name)
    _control_options(parser)
    _own_options(parser)


def _forget_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="what it is called")
    _own_options(parser)


def _overlay_options(parser: argparse.ArgumentParser) -> None:
    add_overlay_options(parser)
    _own_options(parser)


def _minutes(text: str) -> float:
    return _number_within(text, 1.0, 7 * 24 * 60.0, "minutes, from 1 to a week's")


def _percent(text: str) -> float:
    return _number_within(text.removesuffix("%"), 0.0, 100.0, "a share in per cent, from 0 to 100")


def _number_within(text: str, low: float, high: float, meaning: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {meaning}")
    return number


_ADD_OPTIONS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "demo": _demo_options,
    "devices": _devices_options,
    "doctor": _doctor_options,
    "status": _control_options,
    "reload": _control_options,
    "calibrate": _calibrate_options,
    "learn-background": _learn_options,
    "enroll": _enroll_options,
    "forget": _forget_options,
    "overlay": _overlay_options,
    "search": add_search_options,
    "install-service": _install_options,
    "uninstall-service": _uninstall_options,
}
