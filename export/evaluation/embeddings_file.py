"""Embeddings of a data set as a file: made elsewhere, or saved by a run; never of another encoder unnoticed.

One npz file a data set, without pickle: `dataset` its short name, `names` of its clips, `vectors`
(n_clips, dim), `encoder_sha256` what made them, `how` clips were cut ("" if unknown); and of texts
`sentences` and `sentence_vectors` (n_sentences, dim), by the text encoder of the same space.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import SoundError, first_line, one_line
from edge.types import Embedding
from export.evaluation.datasets.dataset import Dataset
from export.evaluation.embed_dataset import ClipVectors

_KEYS = ("dataset", "names", "vectors", "encoder_sha256", "how", "sentences", "sentence_vectors")
_SMALLEST_NORM = 1e-6


class EmbeddingsError(SoundError, ValueError):
    """Embeddings made elsewhere don't fit what they are to be used with."""

    exit_code = 10


@dataclass(frozen=True, eq=False)
class Embeddings:
    """What a file holds.

    Attributes:
        path: of the file.
        dataset: short name of the data set.
        names: of its clips.
        clips: their vectors, in the order of `names`.
        sentences: text → its vector; may be empty.
    """

    path: Path
    dataset: str
    names: tuple[str, ...]
    clips: ClipVectors
    sentences: Mapping[str, Embedding]

    def of(self, dataset: Dataset) -> ClipVectors:
        """The vectors in the order of a data set's clips.

        Raises: EmbeddingsError if they are another data set's, or some clip has none.
        """
        if self.dataset != dataset.name:
            raise EmbeddingsError(
                f"{self.path} holds embeddings of {self.dataset!r}, not of {dataset.title}: give the file "
                f"that was saved for {dataset.name}"
            )
        place = {name: index for index, name in enumerate(self.names)}
        lacking = [clip.name for clip in dataset.clips if clip.name not in place]
        if lacking:
            raise EmbeddingsError(
                f"{self.path} lacks {len(lacking)} of {len(dataset.clips)} clips of {dataset.title}, the "
                f"first is {lacking[0]}: embed the whole data set"
            )
        rows = [place[clip.name] for clip in dataset.clips]
        return ClipVectors(self.clips.vectors[rows], self.clips.encoder_sha256, self.clips.how)


def save_embeddings(
    path: Path, dataset: Dataset, clips: ClipVectors, sentences: Mapping[str, Embedding]
) -> None:
    """Write a file that `read_embeddings` takes. Raises: OSError."""
    dim = clips.vectors.shape[1]
    vectors = np.stack(list(sentences.values())) if sentences else np.zeros((0, dim), np.float32)
    partial = path.with_name(f".{path.name}.part")
    with partial.open("wb") as file:
        np.savez(
            file,
            dataset=np.array(dataset.name),
            names=np.array([clip.name for clip in dataset.clips]),
            vectors=clips.vectors,
            encoder_sha256=np.array(clips.encoder_sha256),
            how=np.array(clips.how),
            sentences=np.array(list(sentences), dtype=np.str_),
            sentence_vectors=vectors,
        )
    partial.replace(path)


def read_embeddings(path: Path) -> Embeddings:
    """Read and check a file; rows are brought to unit norm.

    Raises: EmbeddingsError if it is no such file, or shapes and values contradict each other.
    """
    arrays = _arrays(path)
    names, sentences = arrays["names"], arrays["sentences"]
    vectors = _unit_rows(path, "vectors", arrays["vectors"], names)
    texts = arrays["sentence_vectors"]
    if len(sentences) or texts.size:
        texts = _unit_rows(path, "sentence_vectors", texts, sentences)
        if texts.shape[1] != vectors.shape[1]:
            raise EmbeddingsError(
                f"{path}: sentence_vectors have {texts.shape[1]} dimensions and vectors {vectors.shape[1]}: "
                "both must be of one model's space"
            )
    if len(set(names.tolist())) != len(names):
        raise EmbeddingsError(f"{path}: names holds a clip twice; give each clip one row")
    return Embeddings(
        path,
        str(arrays["dataset"]),
        tuple(names.tolist()),
        ClipVectors(vectors, str(arrays["encoder_sha256"]), str(arrays["how"])),
        dict(zip(sentences.tolist(), texts, strict=True)),
    )


def check_same_encoder(embeddings: Embeddings, encoder_sha256: str, embedding_dim: int) -> None:
    """Refuse embeddings of another encoder than the bundle's. Raises: EmbeddingsError."""
    dim = embeddings.clips.vectors.shape[1]
    if dim != embedding_dim:
        raise EmbeddingsError(
            f"{embeddings.path}: embeddings have {dim} dimensions, the bundle's encoder yields "
            f"{embedding_dim}: they are another encoder's; leave --embeddings out to make them anew"
        )
    if embeddings.clips.encoder_sha256 != encoder_sha256:
        raise EmbeddingsError(
            f"{embeddings.path}: made with encoder {embeddings.clips.encoder_sha256[:12]}, but the bundle's "
            f"is {encoder_sha256[:12]}: prototypes of one mean nothing to the other; leave --embeddings out "
            "to make them anew"
        )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # Asked first, because of another file numpy says how to unpickle it.
        if path.is_file() and not zipfile.is_zipfile(path):
            raise EmbeddingsError(f"{path} is no npz file: give one saved with --save-embeddings")
        with np.load(path, allow_pickle=False) as file:
            lacking = [key for key in _KEYS if key not in file.files]
            if lacking:
                raise EmbeddingsError(
                    f"{path} holds no array {lacking[0]!r}: it must hold {', '.join(_KEYS)}"
                )
            arrays = {key: file[key] for key in _KEYS}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, TypeError, AttributeError) as error:
        if isinstance(error, EmbeddingsError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        raise EmbeddingsError(
            f"{path} cannot be read as embeddings ({reason}): give an npz file saved with --save-embeddings"
        ) from error
    for key, ndim in (("dataset", 0), ("encoder_sha256", 0), ("how", 0), ("names", 1), ("sentences", 1)):
        if arrays[key].ndim != ndim or arrays[key].dtype.kind != "U":
            raise EmbeddingsError(f"{path}: {key} must be text, {ndim}-dimensional")
    return arrays


def _unit_rows(path: Path, name: str, rows: NDArray[Any], owners: NDArray[np.str_]) -> NDArray[np.float32]:
    n = len(owners)
    if rows.ndim != 2 or len(rows) != n or not n or not np.issubdtype(rows.dtype, np.floating):
        each = "name" if name == "vectors" else "sentence"
        raise EmbeddingsError(
            f"{path}: {name} must be float ({n or 'n'}, dim), a row for each {each}, "
            f"not {rows.dtype} {rows.shape}"
        )
    norms = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    wrong = np.flatnonzero(~(np.isfinite(norms) & (norms >= _SMALLEST_NORM)))
    if len(wrong):
        raise EmbeddingsError(
            f"{path}: {len(wrong)} of {n} rows of {name} are zero or not finite, the first is that of "
            f"{one_line(str(owners[wrong[0]]))}; embed them again"
        )
    return np.asarray(rows / norms[:, None].astype(rows.dtype), np.float32)
