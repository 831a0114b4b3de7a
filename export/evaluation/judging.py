"""A method over a data set's splits: each fold judged by what the others give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from export.evaluation.datasets.dataset import Dataset, Split
from export.evaluation.methods import Material, Method, Scores, Vectors


@dataclass(frozen=True, eq=False)
class Judged:
    """What a method makes of clips.

    Attributes:
        places: (n,) intp, which of the data set's clips were judged.
        scores: (n, n_classes) float32, higher is nearer.
        truth: (n, n_classes) bool.
        folds: (n,) which fold each is of.
        sources: (n,) what each was cut from.
    """

    places: NDArray[np.intp]
    scores: Scores
    truth: NDArray[np.bool_]
    folds: NDArray[np.str_]
    sources: NDArray[np.str_]

    @property
    def predicted(self) -> NDArray[np.intp]:
        """(n,) the best class of each."""
        return np.asarray(np.argmax(self.scores, axis=1))

    @property
    def targets(self) -> NDArray[np.intp]:
        """(n,) the one class of each; of a data set that isn't multi-label."""
        return np.asarray(np.argmax(self.truth, axis=1))


@dataclass(frozen=True, eq=False)
class Prepared:
    """A data set with its embeddings, ready to be judged by any method.

    Attributes:
        dataset: the data set.
        vectors: (n_clips, dim), in the order of its clips.
        may_judge: (n_clips,) bool: clips that no figure would flatter.
        may_teach: (n_clips,) bool: clips that methods may learn from.
    """

    dataset: Dataset
    vectors: Vectors
    may_judge: NDArray[np.bool_]
    may_teach: NDArray[np.bool_]

    @property
    def truth(self) -> NDArray[np.bool_]:
        """(n_clips, n_classes), which classes each clip is of."""
        truth = np.zeros((len(self.dataset.clips), len(self.dataset.classes)), np.bool_)
        for place, clip in enumerate(self.dataset.clips):
            truth[place, list(clip.classes)] = True
        return truth

    @property
    def folds(self) -> NDArray[np.str_]:
        """(n_clips,) the fold of each clip."""
        return np.array([clip.fold for clip in self.dataset.clips])

    def parts(self, split: Split) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places of the clips to learn from, and of those to judge."""
        teaches = np.isin(self.folds, split.train) & self.may_teach
        judged = (self.folds == split.test) & self.may_judge
        return np.flatnonzero(teaches), np.flatnonzero(judged)

    def pool_sizes(self) -> list[int]:
        """Clips of each pool that something is judged by."""
        return [len(pool) for pool, judged in map(self.parts, self.dataset.splits) if len(judged)]

    def smallest_pool(self) -> int:
        """Clips of the smallest of these; 0 if there are none."""
        return min(self.pool_sizes(), default=0)

    def pool_in_words(self) -> str:
        """What methods learn from."""
        sizes = self.pool_sizes()
        more = " or more" if len(set(sizes)) > 1 else ""
        return f"{min(sizes, default=0)} clips{more} of the other folds"


def all_clips(dataset: Dataset, vectors: Vectors) -> Prepared:
    """A data set of which every clip may be judged and learnt from."""
    every = np.ones(len(dataset.clips), np.bool_)
    return Prepared(dataset, vectors, every, every)


def judge(prepared: Prepared, method: Method, texts: Vectors | None) -> Judged:
    """Run a method over all splits.

    texts: (n_classes, dim), or None where the method needs none.
    Raises: ConfigError if there is nothing to judge; what the method raises.
    """
    truth, places, scores = prepared.truth, [], []
    for split in prepared.dataset.splits:
        pool, judged = prepared.parts(split)
        if len(judged):
            material = Material(
                texts,
                prepared.vectors[pool],
                truth[pool],
                prepared.vectors[judged],
                prepared.dataset.multi_label,
            )
            places.append(judged)
            scores.append(method(material))
    if not places:
        raise ConfigError(f"{prepared.dataset.title} holds no clip that may be judged")
    at = np.concatenate(places)
    sources = np.array([prepared.dataset.clips[place].source for place in at])
    return Judged(at, np.concatenate(scores), truth[at], prepared.folds[at], sources)
