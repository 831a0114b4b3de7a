"""`edge-eval stream`: what a bundle is like to live with."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError
from export.evaluation.commands.arguments import add_data, add_report

if TYPE_CHECKING:
    from edge.pipeline import Pipeline
    from export.evaluation.datasets.dataset import Dataset
    from export.evaluation.looks import Look
    from export.evaluation.scene_sounds import Sound
    from export.evaluation.seen_clips import Seen

ALL = "all"
INTERRUPTED = "interrupted; generated background is kept, the scenes are played anew"
_DESCRIPTION = """\
Scenes of a minute, made of clips that the bundle was not made from, over generated speech, music,
noise, hum and room tone at stated signal-to-noise ratios, through the pipeline with its own rules:
which sounds are found, how late, and what is heard that isn't there; also under other thresholds.
Then background alone. A fold kept for final figures is opened with --final, and the look counted."""
_EPILOG = """\
examples:
  edge-eval stream --data ESC-50-master --labels "dog bark,siren"
  edge-eval stream --data ESC-50-master --labels all --snr-db 10 --minutes 0 --out report
"""


def add_parser(commands: Any) -> None:
    """Add the command to `argparse`'s subparsers."""
    parser = commands.add_parser(
        "stream",
        help="what is found, how late, and false alarms, as on the device",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_DESCRIPTION,
    )
    add_data(parser, "a data set or a folder of clips with a CSV table of filename, fold and label")
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="what is judged (default: the built-in one)"
    )
    parser.add_argument(
        "--labels", required=True, metavar="NAMES",
        help="what to listen for, separated by commas; all: every label that clips are left of",
    )  # fmt: skip
    parser.add_argument(
        "--folds", nargs="+", metavar="FOLD", help="play clips of these folds only (default: of all)"
    )
    parser.add_argument(
        "--final", type=Path, metavar="LOG",
        help="open the kept fold, and add a line on this look to the file LOG",
    )  # fmt: skip
    parser.add_argument(
        "--snr-db", type=float, nargs="+", default=[0.0, 10.0, 20.0], metavar="DB",
        help="play each clip at each of these levels over the background (default: 0 10 20)",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=float, default=30.0,
        help="of each kind of background alone, 0 for none (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--work", type=Path, default=Path("eval-work"), metavar="DIR",
        help="where generated background is kept (default: %(default)s)",
    )  # fmt: skip
    add_report(parser)


def run(options: argparse.Namespace) -> None:
    """Play, judge, print, write. Raises: SoundError, OSError."""
    from export.evaluation.datasets.find import find_dataset  # noqa: PLC0415 - heavy imports only when run
    from export.evaluation.report import made_now, make_folder, print_report, write_report  # noqa: PLC0415
    from export.evaluation.stream_clips import check_readable  # noqa: PLC0415
    from export.evaluation.stream_evaluation import (  # noqa: PLC0415
        StreamSettings,
        evaluate,
        make_background,
    )
    from export.evaluation.stream_report import stream_report  # noqa: PLC0415

    settings = StreamSettings(
        tuple(dict.fromkeys(options.snr_db)), options.minutes, options.seed, options.work
    )
    named = None if options.labels.strip() == ALL else _prepare(options, (options.labels,))
    dataset = find_dataset(options.data)
    pipeline, targets, distractors, seen = _cast(options, named, dataset)
    look = _look(options, pipeline, dataset, seen)
    if options.out is not None:
        make_folder(options.out)
    _make_work(options.work)
    make_background(settings)
    if options.final is not None:
        check_readable([*targets, *distractors], pipeline.sample_rate_hz)  # before the look is counted
    with look as taken:
        findings = evaluate(pipeline, targets, distractors, settings)
        pooled = findings.figures[0]
        taken.found = f"recall {pooled.n_found / max(1, pooled.n_sounds):.4f}"
    bundle = pipeline.bundle
    made = made_now(settings.seed, bundle.manifest.name, bundle.sha256)
    report = stream_report(pipeline, dataset, findings, settings, made, options.out)
    print_report(report)
    if options.out is not None:
        write_report(report, options.out)
        print(f"\nwrote {options.out / 'report.md'}")


def _make_work(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder}: background cannot be kept there ({error.strerror}); name another folder with --work"
        ) from error


def _prepare(options: argparse.Namespace, labels: tuple[str, ...], *, lists: bool = True) -> Pipeline:
    from edge.config import ListenConfig  # noqa: PLC0415
    from edge.pipeline import prepare  # noqa: PLC0415

    return prepare(ListenConfig(labels=labels, comma_lists=lists, bundle=options.bundle))


def _cast(
    options: argparse.Namespace, named: Pipeline | None, dataset: Dataset
) -> tuple[Pipeline, list[Sound], list[Sound], Seen]:
    """The pipeline, which listens for every label with clips if none were named; targets; distractors."""
    from edge.bundle import load_bundle  # noqa: PLC0415
    from edge.pipeline import builtin_bundle  # noqa: PLC0415
    from export.evaluation.scene_sounds import cast, label_of  # noqa: PLC0415
    from export.evaluation.seen_clips import seen_clips  # noqa: PLC0415
    from export.evaluation.stream_clips import labels_heard, playable_clips, warn_of_missing  # noqa: PLC0415

    bundle = named.bundle if named else load_bundle(options.bundle or builtin_bundle())
    seen = seen_clips(bundle, dataset)
    clips = playable_clips(seen, dataset, options.folds, final=options.final is not None)
    known = bundle.manifest.labels
    pipeline = named or _prepare(options, labels_heard(dataset, clips, known), lists=False)
    listened = tuple(pipeline.rules)
    targets, distractors = cast(dataset, clips, listened, lambda name: label_of(name, known, listened))
    warn_of_missing(targets, listened, dataset)
    return pipeline, targets, distractors, seen


def _look(
    options: argparse.Namespace, pipeline: Pipeline, dataset: Dataset, seen: Seen
) -> AbstractContextManager[Look]:
    """The look at the kept fold, on record from here on; or none."""
    from export.evaluation.looks import Look, look  # noqa: PLC0415

    if options.final is None:
        return nullcontext(Look())
    bundle = pipeline.bundle
    if seen.kept is None:
        raise ConfigError(
            f"--final: the bundle {bundle.manifest.name} was not trained on {dataset.title} with a fold kept "
            "for the end: judge it without"
        )
    return look(options.final, f"{dataset.name} stream", bundle.sha256)
