"""`edge-eval esc50` and `edge-eval folder`: how right a bundle is on clips whose class is known."""

from __future__ import annotations

import argparse
import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.errors import ConfigError
from edge.prompts import DEFAULT_PROMPT, check_prompt
from export.evaluation.commands.arguments import (
    add_data,
    add_encoder,
    add_methods,
    add_report,
    choice_of,
    inputs_of,
)

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from export.evaluation.accuracy import Row
    from export.evaluation.datasets.dataset import Dataset
    from export.evaluation.inputs import Inputs
    from export.evaluation.judging import Prepared
    from export.evaluation.looks import Look
    from export.evaluation.methods import Vectors

logger = logging.getLogger(__name__)

INTERRUPTED = "interrupted; the same command goes on where it stopped"
_ESC50 = """\
Accuracy on ESC-50 by the encoder as it ships: a clip's score is the energy-weighted mean of its windows'.
A bundle that was trained on ESC-50, as the built-in one, is judged on clips that it was not trained on;
its fold 4 is kept for final figures: --final opens it, and counts the look."""
_FOLDER = """\
The same on any folder with a CSV table of the columns filename, fold and label, or on an unpacked
UrbanSound8K or FSD50K."""


def add_parser(commands: Any) -> None:
    """Add both commands to `argparse`'s subparsers."""
    esc50 = commands.add_parser("esc50", help="accuracy on ESC-50, fold by fold", description=_ESC50)
    add_data(esc50, "an unpacked ESC-50 download (ESC-50-master)")
    esc50.add_argument("--esc10", action="store_true", help="its ten-class part alone")
    esc50.add_argument("--yamnet", type=Path, metavar="FILE", help="yamnet.tflite, to have YAMNet's rows too")
    esc50.add_argument(
        "--final", type=Path, metavar="LOG", help="open fold 4, and add a line on this look to the file LOG"
    )
    _add_common(esc50)
    folder = commands.add_parser("folder", help="accuracy on clips of your own", description=_FOLDER)
    add_data(folder, "a folder of clips with a CSV table of filename, fold and label")
    folder.set_defaults(esc10=False, yamnet=None, final=None)
    _add_common(folder)


def _add_common(parser: argparse.ArgumentParser) -> None:
    add_encoder(parser, "the built-in one")
    parser.add_argument(
        "--prompt",
        default=DEFAULT_PROMPT,
        metavar="TEXT",
        help='what a class is put into (default: "%(default)s")',
    )
    add_methods(parser)
    add_report(parser)


def run(options: argparse.Namespace) -> None:
    """Judge, print, write. Raises: SoundError."""
    from edge.bundle import load_bundle  # noqa: PLC0415 - heavy imports only when the command runs
    from edge.pipeline import builtin_bundle  # noqa: PLC0415
    from export.evaluation.accuracy import bundle_rows, check_k, judgeable, prepare  # noqa: PLC0415
    from export.evaluation.accuracy_report import accuracy_report  # noqa: PLC0415
    from export.evaluation.report import made_now, make_folder, print_report, write_report  # noqa: PLC0415
    from export.starter.teacher import Yamnet  # noqa: PLC0415

    check_prompt(options.prompt)
    choice = choice_of(options)
    bundle = load_bundle(options.bundle or builtin_bundle())
    dataset = judgeable(bundle, _dataset(options))
    inputs = inputs_of(options, bundle)
    inputs.check([dataset])
    if options.yamnet is not None:
        Yamnet(options.yamnet)  # before anything is embedded, or a look counted
    if options.out is not None:
        make_folder(options.out)
    if inputs.may_have_texts(dataset):
        no_vectors = np.empty((len(dataset.clips), 0), np.float32)
        check_k(choice.k, prepare(bundle, dataset, no_vectors, final=options.final is not None))
    look = _look(options, bundle, dataset)
    vectors, texts = _embedded(options, dataset, inputs)
    prepared = prepare(bundle, dataset, vectors, final=options.final is not None)
    entry = bundle.encoder_entry() if inputs.run is None else inputs.run.entry
    with look as taken:
        rows = bundle_rows(bundle, entry, prepared, texts, choice)
        if options.yamnet is not None:
            rows += _yamnet_rows(options, prepared, rows[0])
        taken.found = f"{rows[0].figures[0].overall.value:.4f}"
    made = made_now(options.seed, bundle.manifest.name, bundle.sha256)
    report = accuracy_report(bundle, entry, dataset, rows, made, options.out)
    print_report(report)
    if options.out is not None:
        write_report(report, options.out)
        print(f"\nwrote {options.out / 'report.md'}")


def _dataset(options: argparse.Namespace) -> Dataset:
    from export.evaluation.datasets.esc50 import load_esc10, load_esc50  # noqa: PLC0415
    from export.evaluation.datasets.find import find_dataset  # noqa: PLC0415

    if options.command == "folder":
        return find_dataset(options.data)
    return load_esc10(options.data) if options.esc10 else load_esc50(options.data)


def _embedded(
    options: argparse.Namespace, dataset: Dataset, inputs: Inputs
) -> tuple[Vectors, Vectors | None]:
    """The clips' vectors, and the classes' texts if they can be had."""
    from export.evaluation.texts import Prompt, class_texts  # noqa: PLC0415

    prompt = Prompt(options.prompt)
    wanted = [prompt.sentence(name) for name in dataset.classes]
    clips, sentences = inputs.embed(dataset, wanted)
    if set(wanted) <= set(sentences):
        return clips.vectors, class_texts(dataset.classes, [prompt], sentences)
    if inputs.may_have_texts(dataset):
        logger.info("not all classes have their sentence: Proto and zero-shot are left out")
    return clips.vectors, None


def _look(options: argparse.Namespace, bundle: Bundle, dataset: Dataset) -> AbstractContextManager[Look]:
    """The look at the kept fold, on record from here on; or none."""
    from export.evaluation.looks import Look, look  # noqa: PLC0415
    from export.evaluation.seen_clips import seen_clips  # noqa: PLC0415

    if options.final is None:
        return nullcontext(Look())
    if seen_clips(bundle, dataset).kept is None:
        raise ConfigError(
            f"--final: the bundle {bundle.manifest.name} was not trained on {dataset.title} with a fold kept "
            "for the end: judge it without"
        )
    return look(options.final, dataset.name, bundle.sha256)


def _yamnet_rows(options: argparse.Namespace, prepared: Prepared, first: Row) -> list[Row]:
    from export.evaluation.peers import cross_validated_rows, yamnet_rows  # noqa: PLC0415
    from export.starter.data import load_clips  # noqa: PLC0415

    clips = {clip.filename: clip for clip in load_clips(options.data)}
    rows = yamnet_rows(prepared, first, options.yamnet)
    if not prepared.may_teach.all():
        rows += cross_validated_rows(prepared, clips, options.yamnet)
    return rows
