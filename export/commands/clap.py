"""`edge-export clap`: a bundle for any labels, from a LAION-CLAP checkpoint."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError
from edge.frontend import CLAP_UNFUSED
from edge.prompts import DEFAULT_PROMPT, check_prompt
from edge.stream_time import whole_samples

if TYPE_CHECKING:
    from edge.bundle import Bundle

BUILDER = "export.clap.build"
INSTALL = 'pip install "edge-listen[export,cpu]"'
CHECKPOINT = "630k-audioset-best"
DEFAULT_K = 35
_DESCRIPTION = """\
Make a bundle from a LAION-CLAP checkpoint: its audio encoder as ONNX, and for each label the
centroid of those recordings of a pool that are nearest to its text. The pool needs no labels.
Interrupt it at any time; the same command goes on where it stopped."""
_EPILOG = """\
examples:
  edge-export clap --labels "dog bark,siren,kettle whistle" --pool recordings/ --out my-bundle
  edge-export clap --labels-file labels.txt --pool esc50 --text-encoder --out my-bundle

then, on the device:
  edge-listen --bundle my-bundle --labels "kettle whistle"
"""


def add_parser(commands: Any) -> None:
    """Add the command to `argparse`'s subparsers."""
    parser = commands.add_parser(
        "clap",
        help="make a bundle for any labels from LAION-CLAP",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_DESCRIPTION,
    )
    parser.add_argument(
        "--labels", action="append", default=[], metavar="NAMES",
        help='what to listen for, such as "dog bark,siren,kettle whistle"; repeatable',
    )  # fmt: skip
    parser.add_argument(
        "--labels-file", type=Path, metavar="FILE", help="the same from a text file, a label on each line"
    )
    parser.add_argument(
        "--pool", metavar="DIR",
        help="a folder of recordings, at any depth, or a data set to download: esc50, urbansound8k or fsd50k",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the bundle goes")
    parser.add_argument("--replace", action="store_true", help="replace the bundle that is there already")
    parser.add_argument(
        "--checkpoint", default=CHECKPOINT, metavar="WEIGHTS",
        help="a file; a directory in transformers' layout; or a published name, which is downloaded: "
        "630k-audioset-best, 630k-audioset-fusion-best (the paper's), 630k-best, 630k-fusion-best, "
        "laion/clap-htsat-unfused and the like (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--sha256", metavar="HEX", help="what the checkpoint's file must hash to")
    parser.add_argument(
        "--tokenizer", type=Path, metavar="FILE",
        help="RoBERTa's tokenizer.json (default: the checkpoint's, or FacebookAI/roberta-base's, downloaded)",
    )  # fmt: skip
    parser.add_argument(
        "--method", choices=("proto", "zero-shot"), default="proto",
        help="proto: the centroid of the pool's recordings nearest to a label's text. zero-shot: the text "
        "itself; needs no pool, and is less accurate (.91 against .96 on ESC-50 in the paper)",
    )  # fmt: skip
    parser.add_argument(
        "--prompt", action="append", metavar="TEXT",
        help=f'what a label is put into; repeatable, several are averaged (default: "{DEFAULT_PROMPT}")',
    )  # fmt: skip
    parser.add_argument(
        "--k", type=int, default=DEFAULT_K, metavar="N",
        help="recordings to a prototype; no more than a quarter of the pool (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--precision", nargs="+", choices=("int8", "fp32"), default=["int8", "fp32"],
        help="the encoders that go into the bundle: int8 for CPUs, fp32 for GPUs (default: both)",
    )  # fmt: skip
    parser.add_argument(
        "--window-s", type=float, default=5.0, metavar="SECONDS",
        help="length of the windows that the device listens in, at most 10 (default: %(default)g)",
    )  # fmt: skip
    parser.add_argument(
        "--text-encoder", action="store_true",
        help="put the text encoder and the pool's embeddings in, so that the device takes any label",
    )  # fmt: skip
    parser.add_argument(
        "--accept-parity", action="store_true",
        help="write the bundle even if an encoder differs from the original by more than the limits",
    )  # fmt: skip
    parser.add_argument(
        "--cache", type=Path, metavar="DIR",
        help="where embeddings are kept, to make none twice (default: ~/.cache/edge-listen/embeddings)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> Bundle:
    """Make it. Raises: SoundError."""
    from export.cache_folder import cache_folder  # noqa: PLC0415
    from export.clap.build import ClapSettings, build_clap  # noqa: PLC0415 - torch, only when needed
    from export.clap.wanted import read_labels  # noqa: PLC0415

    prompts = tuple(options.prompt or [DEFAULT_PROMPT])
    for prompt in prompts:
        check_prompt(prompt)
    if options.k < 1:
        raise ConfigError(f"--k must be at least 1, not {options.k}")
    if not 1 <= options.window_s <= 10:
        raise ConfigError(f"--window-s must be from 1 to 10 seconds, not {options.window_s:g}")
    whole_samples(options.window_s, CLAP_UNFUSED.sample_rate_hz, "--window-s")
    if options.pool is None and options.method == "proto":
        raise ConfigError(
            "say where sounds are to be found: --pool with a folder of recordings; or do without: "
            "--method zero-shot"
        )
    settings = ClapSettings(
        labels=tuple(read_labels(options.labels, options.labels_file)),
        checkpoint=options.checkpoint,
        sha256=options.sha256,
        tokenizer=options.tokenizer,
        pool=options.pool,
        method=options.method,
        prompts=prompts,
        k=options.k,
        precisions=tuple(name for name in ("int8", "fp32") if name in options.precision),
        window_s=options.window_s,
        with_text_encoder=options.text_encoder,
        accept_parity=options.accept_parity,
        replace=options.replace,
    )
    created = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    cache = options.cache or cache_folder("embeddings")
    return build_clap(settings, options.out, cache, cache_folder("datasets"), created)
