"""`edge-eval`: judge a bundle by the encoder and the pipeline that ship."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import SoundError
from export.exit_codes import finish

if TYPE_CHECKING:
    from export.evaluation.accuracy import Row


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line as a namespace; exits 2 with a message where it is wrong."""
    parser = argparse.ArgumentParser("edge-eval", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show a traceback when something goes wrong")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, required=True, metavar="DIR", help="an unpacked ESC-50 download")
    common.add_argument(
        "--bundle", type=Path, metavar="DIR", help="bundle to judge (default: the built-in one)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    esc50 = commands.add_parser(
        "esc50",
        parents=[common],
        help="accuracy among all labels, YAMNet beside it",
        description="Accuracy on ESC-50 by the nearest prototype. Without --final, on the clips of folds 1, "
        "2, 3 and 5 that their licence kept out of training; with it, fold 4 is opened and the look counted.",
    )
    esc50.add_argument("--yamnet", type=Path, metavar="FILE", help="yamnet.tflite, to have YAMNet's rows too")
    esc50.add_argument(
        "--final", type=Path, metavar="LOG", help="open fold 4, and add a line on this look to the file LOG"
    )
    stream = commands.add_parser(
        "stream",
        parents=[common],
        help="events found and false alarms, as on the device",
        description="ESC-50's fold 4, clip by clip, and generated speech, music, noise, hum and quiet of "
        "voices and instruments kept out of training, through the pipeline with its default rules.",
    )
    stream.add_argument("--labels", required=True, help="what to listen for, separated by commas")
    stream.add_argument(
        "--folds", type=int, nargs="+", default=[4], choices=range(1, 6), help="folds to play (default: 4)"
    )
    stream.add_argument(
        "--minutes", type=float, default=30.0, help="of each kind of background, 0 for none (default: 30)"
    )
    stream.add_argument(
        "--work", type=Path, default=Path("eval-work"), metavar="DIR",
        help="where generated background is kept (default: %(default)s)",
    )  # fmt: skip
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Do what the command line asks. Raises: SoundError, with a message for a person."""
    try:
        if options.command == "esc50":
            _esc50(options)
        else:
            _stream(options)
    except ModuleNotFoundError as error:
        raise SoundError(
            f'{error.name} is not installed: pip install "edge-listen[export,eval,teacher,cpu]"'
        ) from None


def _esc50(options: argparse.Namespace) -> None:
    from edge.bundle import load_bundle  # noqa: PLC0415 - heavy imports only for the command that needs them
    from edge.pipeline import builtin_bundle  # noqa: PLC0415
    from export.evaluation.accuracy import cross_validated_rows, final_rows, left_out_row  # noqa: PLC0415
    from export.starter.data import load_clips  # noqa: PLC0415

    bundle = load_bundle(options.bundle or builtin_bundle())
    clips = load_clips(options.data)
    rows = [left_out_row(bundle, clips), *cross_validated_rows(clips, options.yamnet)]
    if options.final is not None:
        rows += _look_at_final(
            options.final, bundle.sha256, lambda: final_rows(bundle, clips, options.yamnet)
        )
    print(f"bundle {bundle.manifest.name}, sha256 {bundle.sha256[:12]}")
    for name, figure in bundle.manifest.accuracy.items():
        print(f"  recorded when made: {name} {figure}")
    _print_table(
        ("method", "folds", "accuracy (95 % interval)", "less the bundle's"),
        ((row.method, row.folds, str(row.accuracy), str(row.ahead_of_us or "")) for row in rows),
    )


def _look_at_final(log: Path, sha256: str, judge: Callable[[], list[Row]]) -> list[Row]:
    """Judge fold 4. The look is on record before it is taken, so that none can be lost."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(timezone.utc):%Y-%m-%d},{sha256[:12]},")
        file.flush()
        rows = judge()
        file.write(f"{rows[0].accuracy.value:.4f}\n")
    return rows


def _stream(options: argparse.Namespace) -> None:
    from edge.config import ListenConfig  # noqa: PLC0415 - as above
    from edge.pipeline import prepare  # noqa: PLC0415
    from export.evaluation.stream import judge_background, judge_clips  # noqa: PLC0415
    from export.starter.data import load_clips  # noqa: PLC0415

    pipeline = prepare(ListenConfig(labels=(options.labels,), bundle=options.bundle))
    clips = [clip for clip in load_clips(options.data) if clip.fold in options.folds]
    recalls, alarms = judge_clips(pipeline, clips)
    print(f"bundle {pipeline.bundle.manifest.name}, sha256 {pipeline.bundle.sha256[:12]}")
    _print_table(
        ("label", "found", "share (95 % interval)"),
        ((r.label, f"{r.n_found} of {r.n_clips}", str(r.share)) for r in recalls if r.n_clips),
    )
    rows = [alarms]
    if options.minutes > 0:
        kinds = ("speech", "music", "noise", "hum", "quiet")
        rows += judge_background(pipeline, options.work, dict.fromkeys(kinds, options.minutes), seed=2)
    _print_table(
        ("sound without the labels", "hours", "false alarms", "an hour (95 % interval)"),
        ((a.material, f"{a.hours:.2f}", str(a.by_label.total()), str(a.per_hour)) for a in rows),
    )


def _print_table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    print()
    for index, row in enumerate(table):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if index == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Returns: the exit code."""
    options = parse_args(arguments)
    return finish("edge-eval", lambda: run(options), debug=options.debug, when_interrupted="interrupted")


if __name__ == "__main__":
    sys.exit(main())
