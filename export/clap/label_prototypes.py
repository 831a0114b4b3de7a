"""The labels' and backgrounds' texts → a prototype for each, as one encoder hears the pool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge.prototypes import Pool, Prototype, make_prototype, outdone_by
from export.clap.label_texts import LabelTexts


def make_prototypes(texts: LabelTexts, pool: Pool | None) -> list[Prototype]:
    """A prototype for each label, then for each background."""
    return [make_prototype(text, pool, texts.method, texts.k) for text in texts.embeddings]


def kin_by_neighbours(prototypes: Sequence[Prototype], n_labels: int, pool: Pool | None) -> NDArray[np.bool_]:
    """Which backgrounds are as near as a label's own prototype to half of its neighbours.

    prototypes: of the labels, then of the backgrounds. Returns: (n_labels, n_backgrounds) bool.
    """
    backgrounds = np.array([prototype.vector for prototype in prototypes[n_labels:]])
    if pool is None:
        return np.zeros((n_labels, len(backgrounds)), np.bool_)
    return np.array([outdone_by(prototype, pool, backgrounds) for prototype in prototypes[:n_labels]])


def nearest_prototypes(embeddings: NDArray[np.float32], prototypes: Sequence[Prototype]) -> NDArray[np.intp]:
    """Which prototype each clip is nearest to. embeddings: (n, dim). Returns: (n,) intp."""
    nearest: NDArray[np.intp] = np.argmax(embeddings @ np.array([p.vector for p in prototypes]).T, axis=1)
    return nearest


def report(texts: LabelTexts, prototypes: Sequence[Prototype], encoder: str) -> list[str]:
    """What a person should see of the labels: neighbours, threshold, headroom, and what to beware of."""
    width = max(map(len, (*texts.labels, "label")))
    lines = [f"{'label':<{width}}  recordings  threshold  headroom  ({encoder})"]
    labels = list(zip(texts.labels, prototypes, strict=False))
    for name, prototype in labels:
        support = len(prototype.rows) or "text only"
        headroom = "" if prototype.headroom is None else f"{prototype.headroom:+.3f}"
        mark = "  !" if prototype.note else ""
        lines.append(
            f"{name:<{width}}  {support:>10}  {prototype.threshold:9.3f}  {headroom:>8}{mark}".rstrip()
        )
    notes = dict.fromkeys(prototype.note for _, prototype in labels if prototype.note)
    return [*lines, *(f"! {note}" for note in notes)]
