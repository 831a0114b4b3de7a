"""`edge-eval paper`: the experiment of the paper that the product is built on, by the encoder that ships."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError
from export.evaluation.commands.arguments import add_encoder, add_methods, add_report, choice_of, inputs_of

if TYPE_CHECKING:
    from export.evaluation.datasets.dataset import Dataset

INTERRUPTED = "interrupted; the same command embeds on where it stopped, and judges anew"
_DESCRIPTION = """\
Zero-shot, prototypes found by text, supervised prototypes and the MLP on ESC-50, UrbanSound8K and FSD50K,
with the paper's ablations over prompts and k and what goes beyond it, in the layout of its Tables 1 and 2.
The bundle must hold a text encoder (edge-export clap --text-encoder). Embeddings are kept, so an interrupted
run goes on where it stopped."""


def add_parser(commands: Any) -> None:
    """Add the command to `argparse`'s subparsers."""
    paper = commands.add_parser("paper", help="the paper's tables and figures", description=_DESCRIPTION)
    paper.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="DIR",
        help="unpacked ESC-50, UrbanSound8K and FSD50K downloads, or some of them",
    )  # fmt: skip
    add_encoder(paper, "none, if all embeddings come from files")
    add_methods(paper)
    add_report(paper)


def run(options: argparse.Namespace) -> None:
    """Judge, print, write. Raises: SoundError."""
    from edge.bundle import load_bundle  # noqa: PLC0415 - heavy imports only when the command runs
    from export.evaluation.datasets.find import find_dataset  # noqa: PLC0415
    from export.evaluation.embed_dataset import peak_memory_mib  # noqa: PLC0415
    from export.evaluation.paper import run_paper  # noqa: PLC0415
    from export.evaluation.paper_report import paper_report  # noqa: PLC0415
    from export.evaluation.report import made_now, make_folder, print_report, write_report  # noqa: PLC0415

    choice = choice_of(options)
    if options.bundle is None and not options.embeddings:
        raise ConfigError("say what embeds: --bundle with a CLAP bundle, or --embeddings made elsewhere")
    bundle = None if options.bundle is None else load_bundle(options.bundle)
    datasets = [find_dataset(place) for place in options.data]
    _check_distinct(datasets)
    inputs = inputs_of(options, bundle)
    inputs.check(datasets)
    if options.out is not None:
        make_folder(options.out)
    found = run_paper(datasets, inputs, choice)
    name, sha256 = (None, None) if bundle is None else (bundle.manifest.name, bundle.sha256)
    made = made_now(options.seed, name, sha256)
    report = paper_report(found, made, peak_memory_mib(), options.out)
    print_report(report)
    if options.out is not None:
        write_report(report, options.out)
        print(f"\nwrote {options.out / 'report.md'}")


def _check_distinct(datasets: Sequence[Dataset]) -> None:
    names = [dataset.name for dataset in datasets]
    for dataset in datasets:
        if names.count(dataset.name) > 1:
            raise ConfigError(f"--data names {dataset.title} twice: once is enough")
