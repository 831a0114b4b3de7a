"""A LAION-CLAP checkpoint by path or name, verified whole, whichever layout it has."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from edge.bundle_files import sha256_of
from edge.frontend import CLAP_FUSED, CLAP_UNFUSED, LogMelSpec
from export.clap import hub
from export.clap.architecture import Architecture
from export.clap.errors import CheckpointError
from export.clap.laion_layout import check_laion
from export.clap.transformers_config import read_architecture
from export.clap.transformers_layout import (
    CONFIG,
    PREPROCESSOR,
    TOKENIZER,
    WEIGHTS,
    TransformersFiles,
    check_transformers,
    find_files,
)
from export.clap.weights_file import read_tensors

UNKNOWN_LICENCE = "not known: that of the checkpoint it was made from"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Weights, and what is known of them.

    Attributes:
        state: tensors by LAION's keys without "module."; float32, counters and indices int64, all finite.
            Every key that embedding needs; masks and LAION's own front end only if the file has them.
        architecture: their sizes.
        log_mel: the front end that they were trained with.
        sha256: of the file of weights.
        origin: where they come from, for the manifest; no path of this machine.
        licence: under which they were published, as far as is known.
        tokenizer: a tokenizer.json that came with them.
    """

    state: Mapping[str, torch.Tensor]
    architecture: Architecture
    log_mel: LogMelSpec
    sha256: str
    origin: str
    licence: str
    tokenizer: Path | None


def open_checkpoint(source: str, sha256: str | None = None) -> Checkpoint:
    """Open a checkpoint, fetching it first if it is given by name.

    source: path of a file in LAION's layout or of a directory in transformers'; or a name of `hub.PUBLISHED`.
    sha256: what the file of weights must hash to.

    Raises: CheckpointError, of one line.
    """
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise CheckpointError(f"--sha256 must be 64 hexadecimal digits, not {sha256!r}")
    path = Path(source)
    published = None if path.exists() else _find_published(source)
    files = _fetch(published) if published else _find(path)
    weights = files.weights if isinstance(files, TransformersFiles) else files
    found = _hash(weights, sha256, published)
    known = published or hub.find_by_hash(found)
    if known and known.caution:
        logger.warning("%s: %s", known.repository, known.caution)
    state, architecture = _read(files)
    return Checkpoint(
        state=state,
        architecture=architecture,
        log_mel=CLAP_FUSED if architecture.fusion else CLAP_UNFUSED,
        sha256=found,
        origin=hub.page_of(known.repository, known.file) if known else weights.name,
        licence=known.licence if known else UNKNOWN_LICENCE,
        tokenizer=files.tokenizer if isinstance(files, TransformersFiles) else None,
    )


def _find(path: Path) -> TransformersFiles | Path:
    return find_files(path) if path.is_dir() else path


def _find_published(name: str) -> hub.Published:
    published = hub.find_published(name)
    if published is None:
        raise CheckpointError(
            f"no file, directory or published checkpoint {name!r}: "
            f"give a path, or one of {', '.join(hub.PUBLISHED)}"
        )
    return published


def _fetch(published: hub.Published) -> TransformersFiles | Path:
    if published.file:
        return hub.fetch(published.repository, published.file)
    config = hub.fetch(published.repository, CONFIG)
    preprocessor = hub.fetch(published.repository, PREPROCESSOR)
    tokenizer = hub.fetch(published.repository, TOKENIZER)
    try:
        weights = hub.fetch(published.repository, WEIGHTS[0])
    except hub.NotOnHubError:
        weights = hub.fetch(published.repository, WEIGHTS[1])
    return TransformersFiles(config, preprocessor, weights, tokenizer)


def _hash(weights: Path, wanted: str | None, published: hub.Published | None) -> str:
    try:
        found = sha256_of([weights])
    except OSError as error:
        raise CheckpointError(f"{weights} cannot be read: {error.strerror}") from error
    if wanted is not None and found != wanted.lower():
        raise CheckpointError(
            f"{weights} has sha256 {found}, not {wanted.lower()} as --sha256 asks: take the right file"
        )
    # A person who names a hash knows better than what was found out about a published file.
    if wanted is None and published and published.sha256 not in (None, found):
        raise CheckpointError(
            f"{weights} has sha256 {found}, but {published.sha256} was published: delete it and try again; "
            "or, if you trust it, give the hash that it has as --sha256"
        )
    return found


def _read(files: TransformersFiles | Path) -> tuple[dict[str, torch.Tensor], Architecture]:
    if isinstance(files, TransformersFiles):
        architecture = read_architecture(files.config, files.preprocessor)
        return check_transformers(files.weights, read_tensors(files.weights), architecture), architecture
    tensors = read_tensors(files)
    if any(key.startswith("text_model.") for key in tensors):
        raise CheckpointError(
            f"{files} is of transformers' layout: give the directory with it, its {CONFIG} and {PREPROCESSOR}"
        )
    return check_laion(files, tensors)
