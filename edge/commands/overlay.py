"""`edge-listen overlay`: what a person added to a bundle: shown, exported, imported, taken back."""

from __future__ import annotations

import argparse
import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edge.errors import BundleError, ConfigError, SinkError, one_line
from edge.labels import quoted
from edge.options import flags_given, listen_config
from edge.overlay.file import MAX_OVERLAY_BYTES
from edge.overlay.whole_file import write_new_file
from edge.own_state.commands import ask_or_do
from edge.sinks.text import standard_output, write_line

Asker = Callable[[str, Mapping[str, object]], Mapping[str, object]]


def run(args: argparse.Namespace) -> int:
    """Do it and say what is there now; returns the exit code. Raises: SoundError."""
    answer: Mapping[str, object]
    needs_file = args.action in ("export", "import")
    if needs_file != (args.file is not None):
        raise ConfigError(
            f"name the file: edge-listen overlay {args.action} FILE"
            if needs_file
            else f"edge-listen overlay {args.action} takes no file, such as {str(args.file)!r}"
        )
    ask = _asker(args)
    if args.action == "export":
        answer, lines = _export(args.file, ask)
    elif args.action == "import":
        data = base64.b64encode(_read(args.file)).decode()
        answer = ask("overlay-import", {"data": data, "where": str(args.file)})
        lines = _lines(answer)
    else:
        answer = ask(f"overlay-{args.action}", {})
        lines = _lines(answer)
    stdout = standard_output()
    for line in [json.dumps(dict(answer))] if args.json else lines:
        write_line(stdout, line)
    return 0


def _asker(args: argparse.Namespace) -> Asker:
    config, flags = listen_config(args), flags_given(args, "bundle", "config")
    return lambda command, arguments: ask_or_do(command, arguments, config, flags)


def _export(path: Path, ask: Asker) -> tuple[dict[str, object], list[str]]:
    _check_free(path)
    answer: Mapping[str, Any] = ask("overlay-export", {})
    data = base64.b64decode(answer["data"])
    _write(path, data)
    return {"file": str(path), "size_bytes": len(data)}, [f"wrote {path}, {len(data)} bytes"]


def _read(path: Path) -> bytes:
    """At most one byte more than an overlay may have, so that it shows. Raises: BundleError."""
    try:
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise BundleError(f"{path} {what}: name one that edge-listen overlay export wrote")
        with path.open("rb") as file:
            return file.read(MAX_OVERLAY_BYTES + 1)
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}") from error


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise SinkError(f"{path} exists already, and is not replaced: remove it, or name another file")


def _write(path: Path, data: bytes) -> None:
    """Write a new file, whole or not at all. Raises: SinkError."""
    _check_free(path)
    try:
        write_new_file(path, data)
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror or error}): name another file") from error


def _lines(answer: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{quoted(sound['name'])}: threshold {sound['threshold']:.2f}, enrolled on {_day(sound)} "
        f"from {', '.join(map(one_line, sound['clips']))}"
        for sound in answer["sounds"]
    ]
    site = answer["site"]
    if site is not None:
        lines.append(
            f"background of this place: {site['n_prototypes']} prototypes, learned on "
            f"{_day(site)} from {site['heard_s'] / 60:.0f} minutes at {site['level_dbfs']:.0f} dBFS"
        )
    lines += [f"{label}: calibrated for {rate:g} an hour" for label, rate in answer["false_alarms"].items()]
    if not lines:
        lines.append("nothing was added to this bundle: see edge-listen enroll, calibrate, learn-background")
    if answer["generations"]:
        lines.append("to undo the last change: edge-listen overlay rollback")
    lines += [
        f"{quoted(name)} was enrolled with another encoder: enrol it anew" for name in answer["elsewhere"]
    ]
    return lines


def _day(made: Mapping[str, Any]) -> str:
    return one_line(made["created"][:10])
