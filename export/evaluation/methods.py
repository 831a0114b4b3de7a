"""The paper's ways to tell classes apart, each a function of embeddings, so that any encoder's will do.

Kushwaha & Fuentes, "A multimodal prototypical approach for unsupervised sound classification", Interspeech
2023. Embeddings are (n, dim) float32 with unit rows, scores (n_judged, n_classes): higher is nearer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError

PAPER_K = 35
Vectors = NDArray[np.float32]
Scores = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Material:
    """What a method may learn from, and what it is to judge.

    Attributes:
        texts: (n_classes, dim), or None if there is no text encoder.
        pool: (n_pool, dim), clips of the training folds.
        classes: (n_pool, n_classes) bool, their classes: for supervised methods alone.
        judged: (n_judged, dim).
        multi_label: whether a clip may have several classes.
    """

    texts: Vectors | None
    pool: Vectors
    classes: NDArray[np.bool_]
    judged: Vectors
    multi_label: bool

    def class_texts(self) -> Vectors:
        """The texts. Raises: ConfigError if there are none."""
        if self.texts is None:
            raise ConfigError("this method needs texts, but the bundle has no text encoder")
        return self.texts


Method = Callable[[Material], Scores]


def zero_shot(material: Material) -> Scores:
    """Cosine to the class's text."""
    return np.asarray(material.judged @ material.class_texts().T, np.float32)


def proto(k: int, *, euclidean: bool = False) -> Method:
    """Nearness to the mean of the k pool clips that are nearest to the text; their labels are unused.

    euclidean: as the authors' code judges ESC-50 and UrbanSound8K: Euclidean distance to the mean as it is;
        otherwise the cosine to it, as the paper says.
    """

    def scores(material: Material) -> Scores:
        means = nearest_means(material.class_texts(), material.pool, k)
        return euclidean_scores(material.judged, means) if euclidean else cosines(material.judged, means)

    return scores


def supervised_prototypes(material: Material) -> Scores:
    """Cosine to the mean of the class's own training clips; -1 for a class that has none."""
    counts = material.classes.sum(axis=0)
    means = material.classes.T.astype(np.float32) @ material.pool / np.maximum(counts, 1)[:, None]
    return np.asarray(np.where(counts, cosines(material.judged, means), np.float32(-1.0)), np.float32)


def nearest_rows(texts: Vectors, pool: Vectors, k: int) -> NDArray[np.intp]:
    """For each text the k rows of the pool that are nearest by cosine, the nearest first.

    Returns: (n_classes, k) intp.
    Raises: ConfigError unless 1 <= k <= n_pool.
    """
    if not 1 <= k <= len(pool):
        raise ConfigError(f"k must be from 1 to the pool's {len(pool)} clips, not {k}")
    return np.argsort(-(texts @ pool.T), axis=1, kind="stable")[:, :k]


def nearest_means(texts: Vectors, pool: Vectors, k: int) -> Vectors:
    """Mean of the k nearest clips of each text, not normalised. Returns: (n_classes, dim) float32."""
    return np.stack([pool[rows].mean(axis=0) for rows in nearest_rows(texts, pool, k)])


def cosines(vectors: Vectors, means: Vectors) -> Scores:
    """Cosine of unit vectors to means of any length; a mean of zeros gives 0."""
    norms = np.linalg.norm(means, axis=1)
    return np.asarray(vectors @ means.T / np.maximum(norms, 1e-12), np.float32)


def euclidean_scores(vectors: Vectors, means: Vectors) -> Scores:
    """Euclidean distance with a minus sign, so that higher is nearer."""
    squared = 1.0 - 2.0 * vectors @ means.T + np.square(means).sum(axis=1)
    return np.asarray(-np.sqrt(np.maximum(squared, 0.0)), np.float32)


def sigmoid(scores: Scores) -> NDArray[np.float64]:
    """A cosine as a probability, as the paper has it for several labels a clip; fine enough to keep ranks."""
    return np.asarray(1.0 / (1.0 + np.exp(-scores.astype(np.float64))))
