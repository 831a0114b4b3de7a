"""The order of steps from a checkpoint, labels and a pool to a bundle.

labels → texts ─────────────────────────────┐
checkpoint → encoders, measured → pool ─────┴→ prototypes, thresholds → bundle
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.bundle_writer import check_target
from edge.errors import SoundError
from edge.prototypes import LEAST_RECORDINGS, Method, Pool, n_neighbours
from export.clap.background import BACKGROUND
from export.clap.checkpoint import Checkpoint, open_checkpoint
from export.clap.encoders import AudioGraph, Precision, make_encoders
from export.clap.geometry import Image
from export.clap.heard import Heard, hear
from export.clap.label_prototypes import make_prototypes, nearest_prototypes, report
from export.clap.label_texts import LabelTexts, export_text_encoder, read_texts
from export.clap.pack import Contents, pack
from export.clap.sample import sample_log_mels
from export.clap.tokenizer_file import find_tokenizer
from export.parity import Measured
from export.pool.attribution import Credit, credits_of
from export.pool.cache import EmbeddingCache
from export.pool.embed import PoolEmbeddings, embed_pool, summary
from export.pool.errors import PoolError
from export.pool.fetch import find_pool
from export.pool.recordings import Recording, find_recordings
from export.pool.windows import WindowSettings

logger = logging.getLogger(__name__)

CLIP_S = 10.0
ADD_SOME = "add some, or use --method zero-shot without a pool"


@dataclass(frozen=True)
class ClapSettings:
    """What is to be made.

    Attributes:
        labels: what can be listened for.
        checkpoint: a path or a name.
        sha256: that the checkpoint must have, or None.
        tokenizer: a tokenizer.json, or None for the checkpoint's or RoBERTa's own.
        pool: a folder or a data set's name; None only with "zero-shot".
        method: how a text becomes a prototype.
        prompts: templates that are averaged.
        k: recordings of the pool to a prototype, at most.
        precisions: the encoders that go into the bundle.
        window_s: length of the windows that the device will listen in, at most 10.
        with_text_encoder: put the text encoder, and the pool, into the bundle.
        accept_parity: write the bundle even if encoders differ by more than the limits.
        replace: a bundle that is at `out` already.
    """

    labels: tuple[str, ...]
    checkpoint: str
    sha256: str | None
    tokenizer: Path | None
    pool: str | None
    method: Method
    prompts: tuple[str, ...]
    k: int
    precisions: tuple[Precision, ...]
    window_s: float
    with_text_encoder: bool
    accept_parity: bool
    replace: bool


def build_clap(settings: ClapSettings, out: Path, cache: Path, downloads: Path, created: str) -> Bundle:
    """Make the bundle.

    cache: folder of the embeddings that were made before. downloads: folder of data sets.
    created: RFC 3339 UTC, recorded in the manifest.
    Raises: SoundError of one line; nothing is left at `out` then.
    """
    check_target(out, replace=settings.replace)
    if settings.method == "zero-shot":
        logger.info(
            "zero-shot: labels are their texts alone, which costs accuracy: .91 against .96 with a pool, on "
            "ESC-50 in the paper"
        )
    recordings = _recordings(settings.pool, downloads)
    checkpoint = open_checkpoint(settings.checkpoint, settings.sha256)
    logger.info("checkpoint %s, sha256 %s", checkpoint.origin, checkpoint.sha256[:12])
    tokenizer = find_tokenizer(settings.tokenizer, checkpoint.tokenizer)
    texts = read_texts(checkpoint, tokenizer, settings.labels, settings.prompts, settings.method, settings.k)
    windows = WindowSettings(checkpoint.log_mel, settings.window_s, CLIP_S)
    log_mels = sample_log_mels(recordings, windows)
    with tempfile.TemporaryDirectory(prefix="edge-export-") as folder:
        graphs, text_file, measured = _make_graphs(
            settings, checkpoint, tokenizer, texts, log_mels, Path(folder)
        )
        embedded = _embedded(settings, recordings, graphs, windows, cache)
        heard = [hear(graph, texts, embedded, with_pool=settings.with_text_encoder) for graph in graphs]
        for each in heard:
            logger.info("\n%s", "\n".join(report(texts, each.prototypes, each.graph.precision)))
        contents = Contents(
            name=f"CLAP {', '.join(settings.labels)}"[:80].strip(),
            created=created,
            checkpoint=checkpoint,
            settings=windows,
            texts=texts,
            prompts=settings.prompts,
            heard=heard,
            golden=log_mels[0],
            text_encoder=None if text_file is None else (text_file, tokenizer),
            credits=_credits(heard, embedded, texts),
            parity=measured.figures,
        )
        return pack(out, contents, replace_old=settings.replace)


def _recordings(pool: str | None, downloads: Path) -> list[Recording]:
    if pool is None:
        return []
    recordings = find_recordings(find_pool(pool, downloads))
    if len(recordings) < LEAST_RECORDINGS:
        raise PoolError(
            f"pool {pool} holds {len(recordings)} recordings, and {LEAST_RECORDINGS} are needed: {ADD_SOME}"
        )
    return recordings


def _make_graphs(
    settings: ClapSettings,
    checkpoint: Checkpoint,
    tokenizer: Path,
    texts: LabelTexts,
    log_mels: NDArray[np.float32],
    folder: Path,
) -> tuple[list[AudioGraph], Path | None, Measured]:
    """The audio encoders and the text encoder's file, measured and accepted. Raises: SoundError."""

    def nearest(embeddings: NDArray[np.float32]) -> NDArray[np.intp]:
        own = Pool(embeddings, np.arange(len(embeddings)), tuple(map(str, range(len(embeddings)))))
        return nearest_prototypes(embeddings, make_prototypes(texts, own))

    # Half the image serves where the other half is the window again.
    images = (Image.HALF, Image.WHOLE) if 2 * settings.window_s == CLIP_S else (Image.WHOLE,)
    text_file = folder / "text_encoder.onnx" if settings.with_text_encoder else None
    try:
        graphs, measured = make_encoders(checkpoint, settings.precisions, log_mels, nearest, folder, images)
        if text_file is not None:
            measured += export_text_encoder(checkpoint, tokenizer, texts, text_file)
    except OSError as error:
        if isinstance(error, SoundError):
            raise
        raise SoundError(
            f"the graphs cannot be written to {folder} ({error.strerror or error}): make room there, or have "
            "the environment variable TMPDIR name another folder"
        ) from error
    return graphs, text_file, measured.accepted(overrule=settings.accept_parity)


def _embedded(
    settings: ClapSettings,
    recordings: Sequence[Recording],
    graphs: Sequence[AudioGraph],
    windows: WindowSettings,
    cache: Path,
) -> PoolEmbeddings | None:
    if not recordings:
        return None
    with closing(EmbeddingCache(cache)) as store:
        embedded = embed_pool(
            recordings,
            {graph.precision: graph for graph in graphs},
            windows,
            store,
            n_workers=os.cpu_count() or 1,
            show_progress=True,
        )
    for line in summary(embedded):
        logger.info("%s", line)
    n_usable = len(embedded.recordings)
    if n_usable < LEAST_RECORDINGS:
        raise PoolError(
            f"pool {settings.pool} holds {n_usable} recordings of use, and {LEAST_RECORDINGS} are needed: "
            f"{ADD_SOME}"
        )
    if settings.method == "proto" and n_neighbours(n_usable, settings.k) < settings.k:
        logger.info(
            "the pool is small: prototypes are made of %d recordings, a quarter of it, not of %d",
            n_neighbours(n_usable, settings.k), settings.k,
        )  # fmt: skip
    return embedded


def _credits(heard: Sequence[Heard], embedded: PoolEmbeddings | None, texts: LabelTexts) -> list[Credit]:
    """Of the recordings that the bundle holds something of."""
    if embedded is None:
        return []
    used = np.unique(np.concatenate([each.used for each in heard])).tolist()
    labels: dict[int, list[str]] = {number: [] for number in used}
    for place, name in enumerate([*texts.labels, *(sound.name for sound in BACKGROUND)]):
        of_label = [
            embedded.pools[each.graph.precision].recording[each.prototypes[place].rows] for each in heard
        ]
        for number in np.unique(np.concatenate(of_label)).tolist():
            labels[number].append(name)
    return [
        credit._replace(labels="; ".join(labels[number]))
        for number, credit in zip(used, credits_of([embedded.recordings[n] for n in used]), strict=True)
    ]
