"""`edge-export`: make a bundle on a workstation."""

from __future__ import annotations

import os

# Set before numpy is imported: workers side by side must not each start a thread for every core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import logging
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from edge.errors import SoundError
from export.exit_codes import finish

BUILT_IN_BUNDLE = Path(__file__).resolve().parent.parent / "edge" / "starter" / "bundle"


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line as a namespace; exits 2 with a message where it is wrong."""
    parser = argparse.ArgumentParser("edge-export", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show a traceback when something goes wrong")
    commands = parser.add_subparsers(dest="command", required=True)
    starter = commands.add_parser(
        "starter",
        help="make the built-in bundle from ESC-50",
        description="Make the built-in bundle: train on the permissive clips of ESC-50's folds 1, 2, 3 and 5 "
        "and on generated background, with YAMNet as the teacher, and write the bundle. Takes about an hour "
        "and a quarter on two cores. Interrupt it at any time; the same command goes on where it stopped.",
    )
    starter.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="an unpacked ESC-50 download (ESC-50-master)"
    )
    starter.add_argument(
        "--teacher", type=Path, required=True, metavar="FILE",
        help="yamnet.tflite, the YAMNet Lite classifier from Kaggle Models (google/yamnet)",
    )  # fmt: skip
    starter.add_argument(
        "--work", type=Path, default=Path("starter-work"), metavar="DIR",
        help="where intermediate results are kept, about 5 GB (default: %(default)s)",
    )  # fmt: skip
    starter.add_argument(
        "--out", type=Path, default=BUILT_IN_BUNDLE, metavar="DIR",
        help="where the bundle goes (default: the built-in place)",
    )  # fmt: skip
    starter.add_argument("--seed", type=int, default=1, help="of everything drawn (default: %(default)s)")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks. Raises: SoundError, with a message for a person."""
    try:
        from export.starter.build import StarterSettings, build_starter  # noqa: PLC0415 - torch, only when needed
    except ImportError as error:
        raise SoundError(
            f'{error.name} is not installed: pip install "edge-listen[export,cpu,teacher]"'
        ) from None
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    bundle = build_starter(
        options.data, options.teacher, options.work, options.out, StarterSettings(seed=options.seed), created
    )
    size_mb = sum(entry.size_bytes for entry in bundle.manifest.files.values()) / 1e6
    print(f"wrote {bundle.directory}: {size_mb:.1f} MB, sha256 {bundle.sha256[:12]}")
    for name, figure in bundle.manifest.accuracy.items():
        print(f"  {name}: {figure}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns: the exit code."""
    options = parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return finish(
        "edge-export",
        lambda: run(options),
        debug=options.debug,
        when_interrupted="interrupted; the same command goes on where it stopped",
    )


if __name__ == "__main__":
    sys.exit(main())
