"""Embeddings whose right answers are known: classes as directions, clips around them, texts a way off.

In a space of many dimensions, independent random directions are nearly orthogonal; a clip is its class's
direction and noise. Texts share an offset, as CLAP's do, that no clip has.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.evaluation.datasets.dataset import Dataset, LabelledClip, leave_one_out
from export.evaluation.embed_dataset import ClipVectors
from export.evaluation.embeddings_file import save_embeddings
from export.evaluation.texts import ALL_PROMPTS

DIM = 64
ENCODER = "f" * 64


def unit(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def directions(n_classes: int, seed: int = 0) -> NDArray[np.float32]:
    """(n_classes, DIM), orthonormal."""
    square = np.random.default_rng(seed).standard_normal((DIM, DIM))
    return np.linalg.qr(square)[0][:n_classes].astype(np.float32)


def small_dataset(n_classes: int = 4, n_folds: int = 3, per_class: int = 10, name: str = "small") -> Dataset:
    """Clips of each class in each fold; each two of them are of one source."""
    clips = tuple(
        LabelledClip(
            f"{fold}-{index}-{number}.wav", Path("none"), str(fold), (index,), f"{fold}-{index}-{number // 2}"
        )
        for fold in range(1, n_folds + 1)
        for index in range(n_classes)
        for number in range(per_class)
    )
    classes = tuple(f"class_{index}" for index in range(n_classes))
    folds = [str(fold) for fold in range(1, n_folds + 1)]
    return Dataset(name, name.title(), classes, clips, leave_one_out(folds))


def planted(dataset: Dataset, noise: float = 0.3, seed: int = 0) -> NDArray[np.float32]:
    """A vector for each clip: the mean of its classes' directions, and noise of that length beside it."""
    rng = np.random.default_rng(seed)
    of_class = directions(len(dataset.classes))
    rows = [of_class[list(clip.classes)].mean(axis=0) for clip in dataset.clips]
    beside = unit(rng.standard_normal((len(rows), DIM)))
    return unit(np.stack(rows) + noise * beside)


def planted_texts(n_classes: int, noise: float = 0.5, seed: int = 1) -> NDArray[np.float32]:
    """A text for each class: its direction, an offset that all texts share, and noise of that length."""
    rng = np.random.default_rng(seed)
    offset = unit(rng.standard_normal(DIM))
    return unit(directions(n_classes) + offset + noise * unit(rng.standard_normal((n_classes, DIM))))


def write_planted(path: Path, dataset: Dataset, noise: float = 0.3, encoder: str = ENCODER) -> Path:
    """An embeddings file for a data set; every prompt has texts of its own, the default's the best."""
    sentences = {}
    for number, prompt in enumerate(ALL_PROMPTS):
        noise_of_text = 0.3 + 0.2 * (len(ALL_PROMPTS) - number)
        texts = planted_texts(len(dataset.classes), noise_of_text, seed=number)
        for name, text in zip(dataset.classes, texts, strict=True):
            sentences.setdefault(prompt.sentence(name), text)
    save_embeddings(path, dataset, ClipVectors(planted(dataset, noise), encoder, ""), sentences)
    return path
