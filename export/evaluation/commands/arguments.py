"""Options that several of `edge-eval`'s commands share, and what they come to."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edge.errors import ConfigError, SoundError
from edge.settings import Provider
from export.evaluation.methods import PAPER_K

if TYPE_CHECKING:
    from edge.bundle import Bundle
    from export.evaluation.accuracy import Choice
    from export.evaluation.inputs import Inputs

DEFAULT_SEED = 1


def add_data(parser: argparse.ArgumentParser, what: str) -> None:
    """Where the data set lies."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=what)


def add_report(parser: argparse.ArgumentParser) -> None:
    """Where the report goes, and the seed."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write report.md, report.json and plots there as well"
    )
    parser.add_argument(
        "--seed", type=int, default=DEFAULT_SEED, help="of scenes, k-means and the MLP (default: %(default)s)"
    )


def add_encoder(parser: argparse.ArgumentParser, default_bundle: str) -> None:
    """What embeds."""
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help=f"what is judged (default: {default_bundle})"
    )
    parser.add_argument(
        "--encoder", metavar="NAME", help="which of its encoders (default: the one meant for the provider)"
    )
    parser.add_argument(
        "--provider", choices=get_args(Provider), default="auto",
        help="what computes; auto takes the best there is (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--hop-s", type=float, metavar="SECONDS",
        help="from one window of a clip to the next; longer is faster (default: the bundle's own)",
    )  # fmt: skip
    parser.add_argument(
        "--embeddings", type=Path, action="append", default=[], metavar="FILE",
        help="take the embeddings of a data set from a file made elsewhere or saved before; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--save-embeddings", type=Path, metavar="DIR", help="save each data set's embeddings there"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR",
        help="where embeddings are kept, to make none twice (default: ~/.cache/edge-listen/embeddings)",
    )  # fmt: skip


def add_methods(parser: argparse.ArgumentParser) -> None:
    """Which methods are judged, and how."""
    parser.add_argument(
        "--k", type=int, default=PAPER_K, metavar="N", help="neighbours of a text (default: %(default)s)"
    )
    parser.add_argument(
        "--euclidean", action="store_true",
        help="a row of Proto by Euclidean distance too, as the authors' code judges ESC-50 and UrbanSound8K",
    )  # fmt: skip
    parser.add_argument(
        "--mlp", action="store_true", help="train the paper's supervised MLP too (needs torch; takes minutes)"
    )


def choice_of(options: argparse.Namespace) -> Choice:
    """The options of `add_methods` as what they mean. Raises: ConfigError."""
    from export.evaluation.accuracy import Choice  # noqa: PLC0415 - heavy imports only when a command runs

    if options.k < 1:
        raise ConfigError(f"--k must be at least 1, not {options.k}")
    if not 0 <= options.seed < 2**32:  # which all that draws will take
        raise ConfigError(f"--seed must be from 0 to {2**32 - 1}, not {options.seed}")
    if options.mlp and find_spec("torch") is None:
        raise SoundError('--mlp needs PyTorch: pip install "edge-listen[export]"')
    return Choice(options.k, options.euclidean, options.mlp, options.seed)


def inputs_of(options: argparse.Namespace, bundle: Bundle | None) -> Inputs:
    """The options of `add_encoder` as what they mean.

    Raises: ConfigError for a hop that cannot be; BundleError, EmbeddingsError.
    """
    from edge.onnx_session import prefers_gpu  # noqa: PLC0415 - heavy imports only when a command runs
    from edge.stream_time import whole_samples  # noqa: PLC0415
    from export.cache_folder import cache_folder  # noqa: PLC0415
    from export.evaluation.clip_embedding import Hearing  # noqa: PLC0415
    from export.evaluation.embed_dataset import Run  # noqa: PLC0415
    from export.evaluation.inputs import Inputs, make_save_folder, read_files  # noqa: PLC0415

    run = None
    if bundle is not None:
        if bundle.manifest.text_encoder is not None and find_spec("tokenizers") is None:
            raise SoundError('the bundle\'s texts need tokenizers: pip install "edge-listen[text]"')
        entry = bundle.encoder_entry(options.encoder, for_gpu=prefers_gpu(options.provider))
        if options.hop_s is not None:  # so that a bad one is told by the option's name
            whole_samples(options.hop_s, bundle.manifest.log_mel.sample_rate_hz, "--hop-s")
        hearing = Hearing.of_bundle(bundle, options.hop_s)
        if not 1 <= hearing.window_hop <= hearing.window_length:
            raise ConfigError(
                f"--hop-s must be above 0 and at most the window's {hearing.window_s:g} s, "
                f"not {hearing.hop_s:g}"
            )
        run = Run(entry, hearing, options.provider)
    files = read_files(options.embeddings, bundle, run)
    if options.save_embeddings is not None:
        make_save_folder(options.save_embeddings)
    return Inputs(
        bundle=bundle,
        run=run,
        files=files,
        cache=options.cache or cache_folder("embeddings"),
        save=options.save_embeddings,
    )
