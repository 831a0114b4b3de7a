"""`edge-listen uninstall-service`: takes the service off again, to the last file."""

from __future__ import annotations

import argparse
import os
import shutil
from functools import partial
from pathlib import Path

from edge.service.account import remove_account
from edge.service.asking import go_through, layout_of
from edge.service.layout import SERVICE, UNIT, Layout
from edge.service.manager import forget, is_running, stop
from edge.service.plan import Step
from edge.service.unit_files import GPU, NETWORK, RESTART
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Show the plan, ask, carry it out; returns the exit code. Raises: SoundError."""
    layout = layout_of(args)
    steps = uninstall_steps(layout, keep_data=args.keep_data)
    if not steps:
        write_line(standard_output(), "edge-listen is not installed as a service here: nothing to do")
        return 0
    if go_through(args, steps):
        write_line(standard_output(), "it is off" + (", its data kept" if args.keep_data else ""))
    return 0


def uninstall_steps(layout: Layout, *, keep_data: bool) -> list[Step]:
    """What taking it off does, in an order that leaves nothing running without its files."""
    running = is_running(layout) and layout.unit.exists()
    steps = [Step(f"stop {UNIT}", stop)] if running else []
    paths = [
        layout.start_link,
        layout.unit,
        *_drop_ins(layout, keep_data=keep_data),
        layout.program,
    ]
    if not keep_data:
        paths += [layout.configuration_directory, layout.state]
    steps += [
        Step(f"remove {layout.shown(path)}", partial(_remove, path))
        for path in paths
        if os.path.lexists(path)
    ]
    # Its data belong to the user: without it, they would belong to whoever gets its number next.
    if not keep_data and layout.sysusers.exists():
        steps.append(Step(f"remove the user {SERVICE}", partial(remove_account, layout)))
    if running:
        steps.append(Step("have systemd read its units again", forget))
    return steps


def _drop_ins(layout: Layout, *, keep_data: bool) -> list[Path]:
    """What to remove of the drop-ins: a person's own are data."""
    own = [layout.drop_ins / name for name in (NETWORK, GPU, RESTART)]
    others = set(layout.drop_ins.iterdir()) - set(own) if layout.drop_ins.is_dir() else set()
    return own if keep_data and others else [layout.drop_ins]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
