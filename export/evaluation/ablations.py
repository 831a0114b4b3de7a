"""The paper's ablations: the prompts of its Table 2, and k from 1 to the whole pool, as in its Figure 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.evaluation.judging import Judged, Prepared, judge
from export.evaluation.methods import PAPER_K, Vectors, cosines, proto, zero_shot
from export.evaluation.metrics import point
from export.evaluation.texts import ALL_PROMPTS, TABLE_2, Prompt, Sentences, class_texts

N_KS = 24


@dataclass(frozen=True)
class PromptFigures:
    """One prompt on one data set.

    Attributes:
        prompt: the prompt.
        proto: the figure of Proto with texts made so: accuracy, or per-clip AP if multi-label.
        zero_shot: of the text itself.
    """

    prompt: Prompt
    proto: float
    zero_shot: float


def prompt_figures(prepared: Prepared, sentences: Sentences, k: int) -> list[PromptFigures]:
    """Every prompt of which all sentences are there; the paper's five and their lower-case forms."""
    classes = prepared.dataset.classes
    return [
        PromptFigures(
            prompt,
            point(judge(prepared, proto(k), texts), multi_label=prepared.dataset.multi_label),
            point(judge(prepared, zero_shot, texts), multi_label=prepared.dataset.multi_label),
        )
        for prompt in ALL_PROMPTS
        if all(prompt.sentence(name) in sentences for name in classes)
        for texts in [class_texts(classes, [prompt], sentences)]
    ]


def chosen_prompt(figures: Mapping[str, Sequence[PromptFigures]], judged: str) -> Prompt | None:
    """Which of the paper's five serves Proto best on the data sets other than the one judged.

    Returns: None if there is no other, or it lacks sentences.
    """
    others = [of_set for name, of_set in figures.items() if name != judged]
    means = {
        prompt: np.mean([f.proto for of_set in others for f in of_set if f.prompt == prompt])
        for prompt in TABLE_2
        if others and all(any(f.prompt == prompt for f in of_set) for of_set in others)
    }
    return max(means, key=lambda prompt: means[prompt]) if means else None


def k_values(n_pool: int) -> list[int]:
    """From 1 to the pool's size, evenly on a log scale, the paper's 35 among them."""
    spaced = np.unique(np.round(np.geomspace(1, n_pool, N_KS)).astype(int)).tolist()
    return sorted({*spaced, min(PAPER_K, n_pool)})


def k_curve(prepared: Prepared, texts: Vectors, ks: Sequence[int]) -> NDArray[np.float64]:
    """Proto's figure for each k, which ascend. Returns: (n_k,) float64."""
    parts = [part for part in map(prepared.parts, prepared.dataset.splits) if len(part[1])]
    means = [_means_of_ks(texts, prepared.vectors[pool], ks) for pool, _ in parts]
    at = np.concatenate([judged for _, judged in parts])
    truth, folds = prepared.truth[at], prepared.folds[at]
    sources = np.array([prepared.dataset.clips[place].source for place in at])
    values = []
    for index in range(len(ks)):
        scores = [
            cosines(prepared.vectors[judged], of_split[index])
            for (_, judged), of_split in zip(parts, means, strict=True)
        ]
        judged_k = Judged(at, np.concatenate(scores), truth, folds, sources)
        values.append(point(judged_k, multi_label=prepared.dataset.multi_label))
    return np.array(values)


def _means_of_ks(texts: Vectors, pool: Vectors, ks: Sequence[int]) -> NDArray[np.float32]:
    """Means of the k nearest for every k at once. Returns: (n_k, n_classes, dim) float32."""
    means = np.empty((len(ks), len(texts), pool.shape[1]), np.float32)
    starts = np.array([0, *ks[:-1]])
    for index, text in enumerate(texts):
        order = np.argsort(-(pool @ text), kind="stable")[: ks[-1]]
        sums = np.cumsum(np.add.reduceat(pool[order], starts, axis=0), axis=0, dtype=np.float64)
        means[:, index] = sums / np.array(ks)[:, None]
    return means
