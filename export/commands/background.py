"""`edge-export background`: what a bundle's thresholds are set with, added to it."""

from __future__ import annotations

import argparse
import math
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.bundle import Bundle

BUILDER = "export.background.build"
INSTALL = 'pip install "edge-listen[export,cpu]"'
_GENERATED_RATE_HZ = 16000
_DESCRIPTION = """\
Add background to a bundle: what edge-listen calibrate counts false alarms in, heard with the
bundle's own encoder. It comes from recordings in which none of the labels sounds, the more hours
the better, or is generated: speech, music, noise, hum, quiet and a TV-like mixture (needs
espeak-ng, flite and fluidsynth). Recordings of the labels' own sounds tell how many a threshold
finds. Only embeddings go into the bundle. Interrupt it at any time; the same command goes on
where it stopped."""
_EPILOG = """\
examples:
  edge-export background --bundle my-bundle --recordings quiet-days/ --out my-bundle --replace
  edge-export background --bundle my-bundle --generate 24 --members sounds/ --out calibrated

where sounds/ holds a folder for each label, such as "sounds/dog bark/".
"""


def add_parser(commands: Any) -> None:
    """Add the command to `argparse`'s subparsers."""
    parser = commands.add_parser(
        "background",
        help="add background to a bundle, to calibrate its thresholds with",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_DESCRIPTION,
    )
    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="the bundle to add it to")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--recordings",
        type=Path,
        metavar="FOLDER",
        help="audio files, at any depth, without the labels' sounds",
    )
    source.add_argument("--generate", type=float, metavar="HOURS", help="make so many hours of background")
    parser.add_argument(
        "--members", type=Path, metavar="FOLDER",
        help="recordings of the labels' own sounds that its prototypes were not made from, in a folder with "
        "each label's name",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the bundle goes")
    parser.add_argument("--replace", action="store_true", help="replace the bundle that is there already")
    parser.add_argument(
        "--work", type=Path, metavar="DIR",
        help="where intermediate results are kept (default: ~/.cache/edge-listen/background)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Bundle:
    """Make it. Raises: SoundError."""
    from edge.bundle import load_bundle  # noqa: PLC0415
    from edge.bundle_writer import check_target  # noqa: PLC0415
    from export.background.build import add_background, make_background  # noqa: PLC0415 - only when needed
    from export.background.folders import member_sounds  # noqa: PLC0415
    from export.cache_folder import cache_folder  # noqa: PLC0415

    check_target(options.out, replace=options.replace)
    bundle = load_bundle(options.bundle)
    rate_hz = bundle.manifest.log_mel.sample_rate_hz
    work = options.work or cache_folder("background")
    members = []
    if options.members is not None:
        members = member_sounds(options.members, bundle.manifest.labels, rate_hz)
    background = make_background(
        bundle,
        _recordings(options, rate_hz, work),
        members,
        f"the recordings in {options.members.name}" if members else "none",
        work,
    )
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return add_background(bundle, background, options.out, created, replace_old=options.replace)


def _recordings(options: argparse.Namespace, rate_hz: int, work: Path) -> Any:
    from export.background.build import GENERATION_SEED  # noqa: PLC0415
    from export.background.folders import folder_sounds  # noqa: PLC0415
    from export.background.generated import at_rate, generated_recordings  # noqa: PLC0415

    if options.recordings is not None:
        return folder_sounds(options.recordings, rate_hz)
    if not (math.isfinite(options.generate) and options.generate > 0):
        raise ConfigError(f"--generate must be some hours above 0, not {options.generate:g}")
    sounds = generated_recordings(work / "sound", "calibration", options.generate, GENERATION_SEED)
    return [at_rate(sound, rate_hz) for sound in sounds]
