"""The site's background as prototypes: made of many embeddings, set beside the others as one more rival."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.overlay.content import SiteBackground
from edge.scoring import PrototypeSet

SITE_NAME = "this place"
"""What the site's background is called among the prototypes."""
WORTH_ONE_MORE = 0.01
"""Prototypes are added until all that may follow would raise the mean cosine by less than this."""
LESS_OF_LABEL = 0.5
"""benchmarks/learn_background.py: none costs more recall, all of it lets false alarms pass."""
_ROUNDS = 25


def with_site(prototypes: PrototypeSet, site: SiteBackground | None) -> PrototypeSet:
    """The same prototypes, and behind them the site's as a background; without a site, as they are.

    Raises: ValueError if they have one already, or the vectors are of another length.
    """
    if site is None:
        return prototypes
    return PrototypeSet(
        vectors=np.concatenate([prototypes.vectors, site.vectors]),
        owners=np.append(prototypes.owners, np.full(len(site.vectors), len(prototypes.names))),
        names=(*prototypes.names, SITE_NAME),
        background=(*prototypes.background, True),
        rivals_groups=(*prototypes.rivals_groups, None),
    )


def site_prototypes(embeddings: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Spherical k-means (Dhillon & Modha, 2001), one centre more at a time; the same for the same embeddings.

    A new centre begins at a row drawn as in k-means++ (Arthur & Vassilvitskii, 2007).

    embeddings: (m, embedding_dim) float32 of unit norm, m >= 1.
    n: the most prototypes wanted, 1 or more.
    Returns: (k, embedding_dim) float32 of unit norm, k <= n: as few as explain nearly what n would.
    """
    rng = np.random.default_rng(0)
    mean = embeddings.mean(axis=0, keepdims=True)
    found = [(mean / np.linalg.norm(mean)).astype(np.float32)]
    explained = [_best(embeddings, found[0]).mean()]
    while len(found) < min(n, len(embeddings)):
        missing = np.square(np.clip(1.0 - _best(embeddings, found[-1]).astype(np.float64), 1e-12, None))
        drawn = embeddings[rng.choice(len(embeddings), p=missing / missing.sum())]
        found.append(_settled(embeddings, np.vstack([found[-1], drawn])))
        explained.append(_best(embeddings, found[-1]).mean())
    return next(c for c, e in zip(found, explained, strict=True) if e >= max(explained) - WORTH_ONE_MORE)


def away_from_labels(vectors: NDArray[np.float32], label_vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn each prototype away from the label that it is likest, so that it stands for what else it has.

    A place's sound that is taken for a label's shares a part of its prototype. With LESS_OF_LABEL of that
    part taken off, the place's own windows stay nearly as like as before, and the label's sounds become less
    so.

    vectors: (k, embedding_dim) float32 of unit norm.
    label_vectors: (n, embedding_dim) float32 of unit norm.
    Returns: (k, embedding_dim) float32 of unit norm.
    """
    cosines = vectors @ label_vectors.T
    likest = cosines.argmax(axis=1)
    shared = np.maximum(cosines[np.arange(len(vectors)), likest], 0.0)
    turned = vectors - LESS_OF_LABEL * shared[:, None] * label_vectors[likest]
    return np.asarray(turned / np.linalg.norm(turned, axis=1, keepdims=True), np.float32)


def _settled(embeddings: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    nearest = np.full(len(embeddings), -1)
    for _ in range(_ROUNDS):
        before, nearest = nearest, np.argmax(embeddings @ centres.T, axis=1)
        if np.array_equal(before, nearest):
            break
        for k in range(len(centres)):
            total = embeddings[nearest == k].sum(axis=0)
            norm = float(np.linalg.norm(total))
            if norm > 0.0:
                centres[k] = total / norm
    return centres.astype(np.float32)


def _best(embeddings: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray((embeddings @ centres.T).max(axis=1), np.float32)
