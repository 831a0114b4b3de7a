"""Which clips play in the scenes: those of the labels listened for, and all others as distractors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.random import Generator

from edge.labels import find_label, fold
from edge.manifest import LabelEntry
from export.evaluation.datasets.dataset import Dataset, LabelledClip

OVERLAPPED_SHARE = 0.2
"""Of the targets, so many are overlapped by another sound."""


@dataclass(frozen=True)
class Sound:
    """A clip in its part.

    Attributes:
        label: the label listened for that it is of; None for a distractor.
        what: the data set's name of it.
        clip: the file's name in the data set.
        source: what it was cut from.
        path: the audio file.
    """

    label: str | None
    what: str
    clip: str
    source: str
    path: Path


@dataclass(frozen=True)
class Part:
    """A sound that is to be placed, at a signal-to-noise ratio in dB."""

    sound: Sound
    snr_db: float


_T = TypeVar("_T")
Group = tuple[Part, ...]
"""One part; or two, of which the second is to begin within the first."""


def label_of(name: str, known: Sequence[LabelEntry], listened: Sequence[str]) -> str | None:
    """The label that a data set's class is of, None if it is none.

    known: the bundle's labels and backgrounds.
    listened: labels listened for; those that were made for this run are not among `known`.
    Raises: LabelError if the name may mean several labels.
    """
    found = find_label(name, known)
    if found is not None:
        return found.name if found.kind == "label" else None
    return next((label for label in listened if fold(label) == fold(name)), None)


def cast(
    dataset: Dataset,
    clips: Sequence[LabelledClip],
    listened: Sequence[str],
    label_of_class: Callable[[str], str | None],
) -> tuple[list[Sound], list[Sound]]:
    """Part clips into targets and distractors. A clip of several labels listened for is neither.

    label_of_class: see `label_of`.
    Returns: targets, distractors.
    """
    labels = [label_of_class(name) for name in dataset.classes]
    targets: list[Sound] = []
    distractors: list[Sound] = []
    for clip in clips:
        heard = {labels[i] for i in clip.classes} & set(listened)
        what = " + ".join(dataset.classes[i] for i in clip.classes)
        if len(heard) <= 1:
            sound = Sound(next(iter(heard), None), what, clip.name, clip.source, clip.path)
            (targets if heard else distractors).append(sound)
    return targets, distractors


def arrange(
    targets: Sequence[Sound], distractors: Sequence[Sound], snrs_db: Sequence[float], seed: int
) -> list[Group]:
    """What is placed with what, in random order.

    Each target comes once at each SNR. Distractors come as often as targets, each at least once, at the SNRs
    in turn. A fifth of the targets has a distractor begin within it, at the same SNR; where there are no
    distractors, targets of different labels pair up, so that a fifth of them are in pairs.
    """
    rng = np.random.default_rng([seed, 0])
    wanted = _shuffled([Part(target, snr_db) for target in targets for snr_db in snrs_db], rng)
    n_others = max(len(wanted), len(distractors)) if distractors else 0
    drawn = _shuffled(distractors, rng)
    others = [
        Part(drawn[i % len(drawn)], snrs_db[(i + i // len(drawn)) % len(snrs_db)]) for i in range(n_others)
    ]
    if others:
        n_pairs = min(round(OVERLAPPED_SHARE * len(wanted)), len(others))
        pairs: list[Group] = [
            (part, Part(other.sound, part.snr_db))
            for part, other in zip(wanted[:n_pairs], others[:n_pairs], strict=True)
        ]
        alone = wanted[n_pairs:] + others[n_pairs:]
    else:
        pairs, alone = _paired(wanted, round(OVERLAPPED_SHARE / 2.0 * len(wanted)))
    return _shuffled([*pairs, *((part,) for part in alone)], rng)


def _paired(parts: Sequence[Part], n_pairs: int) -> tuple[list[Group], list[Part]]:
    """Up to so many pairs of different labels at one SNR, and the rest."""
    pairs: list[Group] = []
    used: set[int] = set()
    for i, first in enumerate(parts):
        second = next((j for j in range(i + 1, len(parts)) if j not in used and _fit(first, parts[j])), None)
        if len(pairs) < n_pairs and i not in used and second is not None:
            used |= {i, second}
            pairs.append((first, parts[second]))
    return pairs, [part for i, part in enumerate(parts) if i not in used]


def _fit(one: Part, other: Part) -> bool:
    return one.snr_db == other.snr_db and one.sound.label != other.sound.label


def _shuffled(items: Sequence[_T], rng: Generator) -> list[_T]:
    return [items[i] for i in rng.permutation(len(items))]
