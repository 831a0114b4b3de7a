"""`edge-listen install-service`: puts this program into a system as a service, upgrades it, or goes back."""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path

from edge.config_file import load_config
from edge.errors import ConfigError, SoundError
from edge.service.account import make_account
from edge.service.asking import go_through, layout_of
from edge.service.configuration import text_to_write, write_configuration
from edge.service.layout import SERVICE, UNIT, Layout
from edge.service.manager import is_running, reload_units, restart
from edge.service.plan import Step
from edge.service.program import Program, running_program
from edge.service.program_copy import copy_program, size_bytes, try_copy
from edge.service.releases import (
    current_release,
    earlier_release,
    new_release,
    remove_release,
    superseded_releases,
    switch_to,
)
from edge.service.unit_files import NETWORK, enable, place_units, wanted_drop_ins
from edge.sinks.text import standard_output, write_line

logger = logging.getLogger(__name__)


def run(args: argparse.Namespace) -> int:
    """Show the plan, ask, carry it out; returns the exit code. Raises: SoundError."""
    layout = layout_of(args)
    try:
        steps = (
            rollback_steps(args, layout) if args.rollback else install_steps(args, layout, running_program())
        )
    except PermissionError as error:
        raise SoundError(
            f"{error.filename} may not be looked at by this user: run it as root (sudo)"
        ) from error
    if not args.rollback:
        _warn_of_shut_network(args, layout)
    if go_through(args, steps):
        _tell_what_is_next(layout)
    return 0


def install_steps(args: argparse.Namespace, layout: Layout, program: Program) -> list[Step]:
    """What an installation or upgrade does. Raises: ConfigError if it could not work."""
    _check_image(layout, program)
    before, release = current_release(layout), new_release(layout, program.version)
    needed_bytes = size_bytes(program.files())
    text = text_to_write(layout, args.config)
    path = layout.shown(layout.configuration)
    return [
        Step(
            f"copy edge-listen {program.version} and all it needs ({needed_bytes / 1e6:.0f} MB) to "
            f"{layout.shown(release)}, and try it",
            partial(_copy, layout, program, release, needed_bytes),
            partial(remove_release, layout, release),
        ),
        Step(f"make the user {SERVICE}, if there is none", partial(make_account, layout)),
        Step(
            f"keep {path} as it is" if text is None else f"write {path} from {args.config or 'the example'}",
            partial(write_configuration, layout, text),
        ),
        *_switch_steps(args, layout, release),
        *_start_steps(layout),
        # Last, so that where the new one doesn't start, all the others are still there.
        *(
            Step(f"remove {layout.shown(old)}", partial(_remove, layout, old))
            for old in superseded_releases(layout, (before, release))
        ),
    ]


def rollback_steps(args: argparse.Namespace, layout: Layout) -> list[Step]:
    """What a way back does. Raises: ConfigError if there is none."""
    if args.config or args.network or args.gpu:
        raise ConfigError(
            "--rollback changes the version only: give --config, --network and --gpu without it"
        )
    return [*_switch_steps(args, layout, earlier_release(layout)), *_start_steps(layout)]


def _warn_of_shut_network(args: argparse.Namespace, layout: Layout) -> None:
    path = layout.configuration if layout.configuration.exists() else args.config
    if path is None or NETWORK in wanted_drop_ins(layout, network=args.network, gpu=args.gpu):
        return
    try:
        config = load_config(path)
    except ConfigError:  # the service says so at its start, and must be upgradable all the same
        return
    tables = [f"[{table}]" for table in ("mqtt", "webhook", "metrics") if getattr(config, table) is not None]
    if tables:
        logger.warning("%s need the network, which the service has with --network only", " and ".join(tables))


def _switch_steps(args: argparse.Namespace, layout: Layout, release: Path) -> list[Step]:
    drop_ins = wanted_drop_ins(layout, network=args.network, gpu=args.gpu)
    beside = f" with {', '.join(drop_ins)}" if drop_ins else ""
    return [
        Step(f"write {layout.shown(layout.unit)}{beside}", partial(place_units, layout, release, drop_ins)),
        Step(f"make {release.name} the current version", partial(switch_to, layout, release)),
        Step("have it start with the machine", partial(enable, layout)),
    ]


def _start_steps(layout: Layout) -> list[Step]:
    if not is_running(layout):
        return []
    stdout = standard_output()
    return [
        Step("have systemd read its units again", reload_units),
        Step(f"start {UNIT} anew", partial(restart, partial(write_line, stdout))),
    ]


def _copy(layout: Layout, program: Program, release: Path, needed_bytes: int) -> None:
    copy_program(program, release, needed_bytes)
    try_copy(release, as_nobody=layout.is_this_system)


def _remove(layout: Layout, release: Path) -> None:
    remove_release(layout, release)


def _check_image(layout: Layout, program: Program) -> None:
    python = layout.inside(str(program.interpreter))
    if not python.exists():
        raise ConfigError(
            f"the system in {layout.root} has no {program.interpreter}, on which this program runs: install "
            "the same Python there, or run install-service inside of it"
        )


def _tell_what_is_next(layout: Layout) -> None:
    stdout = standard_output()
    if not is_running(layout):
        where = "that system" if not layout.is_this_system else "this machine (systemd does not run here now)"
        write_line(stdout, f"installed; it starts at the next boot of {where}")
        return
    write_line(
        stdout,
        f"it runs. What it listens for: {layout.shown(layout.configuration)}, then "
        f"systemctl reload {SERVICE}. "
        f"What it hears: journalctl -fu {SERVICE}",
    )
