"""`edge-export starter`: the built-in bundle."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError
from export.starter.data import DEVELOPMENT_FOLDS

if TYPE_CHECKING:
    from edge.bundle import Bundle

BUILDER = "export.starter.build"
INSTALL = 'pip install "edge-listen[export,cpu,teacher]"'
BUILT_IN_BUNDLE = Path(__file__).resolve().parents[2] / "edge" / "starter" / "bundle"


def add_parser(commands: Any) -> None:
    """Add the command to `argparse`'s subparsers."""
    parser = commands.add_parser(
        "starter",
        help="make the built-in bundle from ESC-50",
        description="Make the built-in bundle: train on the permissive clips of ESC-50's folds 1, 2, 3 and 5 "
        "and on generated background, with YAMNet as the teacher, and write the bundle. Takes about two "
        "hours on two cores. Interrupt it at any time; the same command goes on where it stopped.",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="an unpacked ESC-50 download (ESC-50-master)"
    )
    parser.add_argument(
        "--teacher", type=Path, required=True, metavar="FILE",
        help="yamnet.tflite, the YAMNet Lite classifier from Kaggle Models (google/yamnet)",
    )  # fmt: skip
    parser.add_argument(
        "--work", type=Path, default=Path("starter-work"), metavar="DIR",
        help="where intermediate results are kept, about 7 GB (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the bundle goes (default: the built-in place)"
    )
    parser.add_argument(
        "--hold-out", type=int, choices=DEVELOPMENT_FOLDS, metavar="FOLD",
        help="make nothing from this fold, for a bundle that rules and thresholds can be judged with on it",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, help="of everything drawn (default: %(default)s)")


def run(options: argparse.Namespace) -> Bundle:
    """Make it. Raises: SoundError."""
    from export.starter.build import StarterSettings, build_starter  # noqa: PLC0415 - torch, only when needed

    if options.hold_out is not None and options.out is None:
        raise ConfigError("--hold-out makes a bundle to judge by, not the built-in one: say where with --out")
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return build_starter(
        options.data,
        options.teacher,
        options.work,
        options.out or BUILT_IN_BUNDLE,
        StarterSettings(seed=options.seed, hold_out=options.hold_out),
        created,
    )
