"""Beyond the paper: other ways from a text and a pool to what a label sounds like. All are off by default.

Each is judged beside the paper's own. What it has to choose is chosen on other data sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.cluster import KMeans

from edge.prototypes import Pool, from_pool
from export.evaluation.methods import (
    Material,
    Method,
    Scores,
    Vectors,
    cosines,
    nearest_means,
    nearest_rows,
    proto,
)

LARGEST_K = 200


@dataclass(frozen=True)
class Variant:
    """A family of methods that differ in one number.

    Attributes:
        name: what it is called in tables.
        setting: what the number is.
        values: to choose from; the first is taken where nothing can be chosen.
        make: the number → the method.
        needs_several_prompts: whether its texts are averages over all prompts.
    """

    name: str
    setting: str
    values: tuple[float, ...]
    make: Callable[[float], Method]
    needs_several_prompts: bool = False


def gap_k(texts: Vectors, pool: Vectors, smallest: int, largest: int) -> NDArray[np.intp]:
    """For each text the k behind which the similarity of its neighbours falls most.

    Returns: (n_classes,) intp, from `smallest` to `largest` and less than the pool's clips.
    """
    largest = min(largest, len(pool) - 1)
    smallest = min(smallest, largest)
    descending = -np.sort(-(texts @ pool.T), axis=1)
    falls = descending[:, smallest - 1 : largest] - descending[:, smallest : largest + 1]
    return np.asarray(smallest + np.argmax(falls, axis=1), np.intp)


def proto_gap_k(smallest: float) -> Method:
    """The paper's method with a k of its own for each label."""

    def scores(material: Material) -> Scores:
        texts = material.class_texts()
        ks = gap_k(texts, material.pool, int(smallest), LARGEST_K)
        rows = nearest_rows(texts, material.pool, int(ks.max()))
        means = np.stack([material.pool[near[:k]].mean(axis=0) for near, k in zip(rows, ks, strict=True)])
        return cosines(material.judged, means)

    return scores


def proto_weighted(k: int) -> Callable[[float], Method]:
    """Neighbours weighted by softmax(similarity / temperature)."""

    def make(temperature: float) -> Method:
        def scores(material: Material) -> Scores:
            texts = material.class_texts()
            rows = nearest_rows(texts, material.pool, k)
            near = np.take_along_axis(texts @ material.pool.T, rows, axis=1)
            weights = softmax(near / temperature, axis=1).astype(np.float32)
            return cosines(material.judged, np.einsum("ck,ckd->cd", weights, material.pool[rows]))

        return scores

    return make


def proto_several(k: int, seed: int) -> Callable[[float], Method]:
    """Several centroids a label, by k-means over its neighbours; a clip scores by the nearest."""

    def make(n_centroids: float) -> Method:
        def scores(material: Material) -> Scores:
            columns = []
            for near in nearest_rows(material.class_texts(), material.pool, k):
                n = min(int(n_centroids), len(np.unique(material.pool[near], axis=0)))
                fitted = KMeans(n, n_init=4, random_state=seed).fit(material.pool[near])
                columns.append(cosines(material.judged, fitted.cluster_centers_).max(axis=1))
            return np.stack(columns, axis=1)

        return scores

    return make


def blend(k: int) -> Callable[[float], Method]:
    """Text and prototype in one direction: the sum of both unit vectors, the text's weighted."""

    def make(text_share: float) -> Method:
        def scores(material: Material) -> Scores:
            texts = material.class_texts()
            means = nearest_means(texts, material.pool, k)
            means /= np.linalg.norm(means, axis=1, keepdims=True)
            return cosines(material.judged, text_share * texts + np.float32(1.0 - text_share) * means)

        return scores

    return make


def variants(k: int, seed: int) -> tuple[Variant, ...]:
    """All that are measured, beside Proto with this k."""
    return (
        Variant("k per label, by the gap", "smallest k", (5, 10, 20), proto_gap_k),
        Variant("weighted centroid", "temperature", (0.05, 0.02, 0.1), proto_weighted(k)),
        Variant("several centroids", "centroids a label", (2, 3), proto_several(k, seed)),
        Variant("texts of all five prompts", "k", (k,), lambda _: proto(k), needs_several_prompts=True),
        Variant("text and prototype blended", "share of the text", (0.3, 0.15, 0.5), blend(k)),
    )


def disagreeing(texts: Vectors, pool: Vectors, k: int) -> Mapping[int, float]:
    """Labels that the product itself calls unreliable: their neighbours hardly differ from the rest.

    Returns: class → headroom, for the classes whose prototype bears that note (`edge.prototypes`).
    """
    as_pool = Pool(pool, np.arange(len(pool), dtype=np.intp), tuple(map(str, range(len(pool)))))
    made = {index: from_pool(text, as_pool, k) for index, text in enumerate(texts)}
    return {index: p.headroom or 0.0 for index, p in made.items() if p.note is not None}
