"""What an evaluation found, as a person reads it (Markdown, plots) and as a program does (JSON)."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import SoundError

_PACKAGES = ("edge-listen", "numpy", "onnxruntime", "onnxruntime-gpu", "scikit-learn", "scipy", "torch")


@dataclass(frozen=True)
class Table:
    """A table as it is printed and written.

    Attributes:
        title: what it shows.
        header: of its columns.
        rows: one cell for each column.
        note: what a reader must know to read it, or "".
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """The table with aligned columns, without its title and note."""
        table = [self.header, *self.rows]
        widths = [max(len(row[column]) for row in table) for column in range(len(self.header))]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in table
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(lines)


@dataclass(frozen=True)
class Made:
    """How a report came about, so that it can be made again.

    Attributes:
        command: as a person typed it.
        time: RFC 3339 in UTC.
        seed: of everything drawn.
        bundle: the bundle's name, or None where embeddings came from a file alone.
        bundle_sha256: of its manifest.
        versions: of Python and the packages that computed.
        machine: its architecture.
    """

    command: str
    time: str
    seed: int
    bundle: str | None
    bundle_sha256: str | None
    versions: Mapping[str, str]
    machine: str


@dataclass(frozen=True)
class Report:
    """Everything that a run found.

    Attributes:
        title: of the page.
        made: how it came about.
        tables: in order.
        data: the same figures unrounded, for programs: dataclasses, arrays and plain values.
        plots: file name of each plot in the report's folder → what it shows.
        text: blocks that are printed as they are, such as a confusion matrix, by their titles.
    """

    title: str
    made: Made
    tables: Sequence[Table]
    data: Mapping[str, Any]
    plots: Mapping[str, str] = field(default_factory=dict)
    text: Mapping[str, str] = field(default_factory=dict)


def made_now(seed: int, bundle: str | None, bundle_sha256: str | None) -> Made:
    """How this run came about."""
    installed = {package: _version(package) for package in _PACKAGES}
    versions = {name: number for name, number in installed.items() if number is not None}
    return Made(
        command=shlex.join(["edge-eval", *sys.argv[1:]]),
        time=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        seed=seed,
        bundle=bundle,
        bundle_sha256=bundle_sha256,
        versions={"python": platform.python_version(), **versions},
        machine=platform.machine(),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def print_report(report: Report) -> None:
    """The tables and blocks of text on standard output."""
    if report.made.bundle is not None:
        print(f"bundle {report.made.bundle}, sha256 {(report.made.bundle_sha256 or '')[:12]}")
    for table in report.tables:
        print(f"\n{table.title}\n\n{table.markdown()}")
        if table.note:
            print(f"\n{table.note}")
    for title, block in report.text.items():
        print(f"\n{title}\n\n{block}")


def make_folder(folder: Path) -> None:
    """Have the report's folder, and what draws its plots, before the work begins.

    Raises: SoundError if it cannot be written to, or matplotlib is missing.
    """
    if find_spec("matplotlib") is None:
        raise SoundError('a report\'s plots need matplotlib: pip install "edge-listen[eval]"')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise SoundError(
            f"{folder}: the report cannot be written there ({error.strerror}); name another folder with --out"
        ) from error


def write_report(report: Report, folder: Path) -> None:
    """Write report.md and report.json beside the plots that are in `folder` already."""
    (folder / "report.md").write_text(_markdown(report), encoding="utf-8")
    plain = {"title": report.title, "made": report.made, **report.data}
    text = json.dumps(plain, default=_plain, indent=1, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")


def _markdown(report: Report) -> str:
    made = report.made
    parts = [f"# {report.title}"]
    for table in report.tables:
        parts += [f"## {table.title}", table.markdown()]
        parts += [table.note] if table.note else []
    for title, block in report.text.items():
        parts += [f"## {title}", f"```\n{block}\n```"]
    parts += [f"![{caption}]({name})\n\n{caption}" for name, caption in report.plots.items()]
    of_bundle = f"Bundle {made.bundle}, sha256 `{made.bundle_sha256}`. " if made.bundle else ""
    versions = ", ".join(f"{name} {number}" for name, number in made.versions.items())
    parts += [
        "## How this was made",
        f"`{made.command}`",
        f"{made.time}, seed {made.seed}. {of_bundle}{versions}, on {made.machine}.",
    ]
    return "\n\n".join(parts) + "\n"


def _plain(value: Any) -> Any:
    """What `json` can't write by itself. Raises: TypeError."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a report cannot hold {type(value).__name__}")
