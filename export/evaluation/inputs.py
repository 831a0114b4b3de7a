"""Where a run's embeddings come from: the bundle's own encoders, or files made elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edge.bundle import Bundle
from edge.types import Embedding
from export.evaluation.datasets.dataset import Dataset
from export.evaluation.embed_dataset import ClipVectors, Run, embed_dataset
from export.evaluation.embeddings_file import (
    Embeddings,
    EmbeddingsError,
    check_same_encoder,
    read_embeddings,
    save_embeddings,
)
from export.evaluation.texts import read_sentences
from export.pool.cache import EmbeddingCache

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What embeds, and what need not be embedded.

    Attributes:
        bundle: whose encoders embed; None if everything comes from files.
        run: how its audio encoder is run; None likewise.
        files: embeddings by the short name of their data set.
        cache: folder where embeddings are kept.
        save: folder where each data set's embeddings are saved, or None.
    """

    bundle: Bundle | None
    run: Run | None
    files: Mapping[str, Embeddings]
    cache: Path
    save: Path | None

    def embed(self, dataset: Dataset, wanted: Sequence[str]) -> tuple[ClipVectors, dict[str, Embedding]]:
        """A data set's clips, and the sentences that are wanted, as far as they can be had.

        They are a file's, and what it lacks of them the bundle's text encoder's, if there is one.
        Raises: EmbeddingsError, DatasetError, BundleError, EncoderError, PoolError.
        """
        file = self.files.get(dataset.name)
        clips = self._clips(dataset) if file is None else file.of(dataset)
        sentences = {} if file is None else dict(file.sentences)
        lacking = [sentence for sentence in wanted if sentence not in sentences]
        if self.bundle is not None and lacking:
            with closing(EmbeddingCache(self.cache)) as cache:
                sentences.update(read_sentences(self.bundle, lacking, cache) or {})
        if self.save is not None:
            path = self.save / f"{dataset.name}.npz"
            save_embeddings(path, dataset, clips, sentences)
            logger.info("saved %s", path)
        return clips, sentences

    def may_have_texts(self, dataset: Dataset) -> bool:
        """Whether there is any text of a data set's classes, or what makes them."""
        file = self.files.get(dataset.name)
        has_encoder = self.bundle is not None and self.bundle.manifest.text_encoder is not None
        return has_encoder or (file is not None and bool(file.sentences))

    def check(self, datasets: Sequence[Dataset]) -> None:
        """Before the work begins, refuse files that no data set needs, and data sets that nothing embeds.

        Raises: EmbeddingsError.
        """
        names = [dataset.name for dataset in datasets]
        for name, file in self.files.items():
            if name not in names:
                raise EmbeddingsError(
                    f"{file.path} holds embeddings of {name!r}, but --data holds {', '.join(names)}: "
                    "give the file that was saved for that, or the data set too"
                )
        for dataset in datasets:
            if self.bundle is None and dataset.name not in self.files:
                raise self._absent(dataset)

    def _clips(self, dataset: Dataset) -> ClipVectors:
        if self.bundle is None or self.run is None:
            raise self._absent(dataset)
        with closing(EmbeddingCache(self.cache)) as cache:
            return embed_dataset(dataset, self.bundle, self.run, cache)

    def _absent(self, dataset: Dataset) -> EmbeddingsError:
        return EmbeddingsError(
            f"there are no embeddings of {dataset.title} (only of {', '.join(self.files) or 'nothing'}): "
            "give a --bundle to make them, or a file of them with --embeddings"
        )


def make_save_folder(folder: Path) -> None:
    """Have it before the work begins. Raises: EmbeddingsError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddingsError(
            f"{folder}: embeddings cannot be saved there ({error.strerror}); name another folder with "
            "--save-embeddings"
        ) from error


def read_files(paths: Sequence[Path], bundle: Bundle | None, run: Run | None) -> dict[str, Embeddings]:
    """Embeddings by data set, all of one encoder: the bundle's if there is one.

    Raises: EmbeddingsError if a file cannot be read, is of another encoder, or two are of one data set.
    """
    files: dict[str, Embeddings] = {}
    for path in paths:
        read = read_embeddings(path)
        if read.dataset in files:
            raise EmbeddingsError(
                f"{path} and {files[read.dataset].path} both hold embeddings of {read.dataset}: give one"
            )
        if bundle is not None and run is not None:
            check_same_encoder(read, bundle.arrays[run.entry.name].encoder_sha256, run.entry.embedding_dim)
            if read.clips.how not in ("", run.hearing.key):
                logger.warning("%s: clips were cut otherwise than this bundle cuts them", path)
        for other in list(files.values())[:1]:
            dim = other.clips.vectors.shape[1]
            if read.clips.encoder_sha256 != other.clips.encoder_sha256 or read.clips.vectors.shape[1] != dim:
                raise EmbeddingsError(
                    f"{path} and {other.path} are of different encoders: embed both with one"
                )
        files[read.dataset] = read
    return files
