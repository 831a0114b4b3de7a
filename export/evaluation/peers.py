"""YAMNet's rows beside a bundle that was trained on ESC-50: same clips, same protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.types import Samples
from export.evaluation.accuracy import Row, compared, figures_of
from export.evaluation.judging import Prepared, judge
from export.evaluation.methods import Method
from export.evaluation.yamnet import Features, by_classifier, linear, nearest_class_mean, yamnet_features
from export.starter.data import DEVELOPMENT_FOLDS, Clip, common_quality, read_mono
from export.starter.teacher import SAMPLE_RATE_HZ


def yamnet_rows(prepared: Prepared, first: Row, model: Path) -> list[Row]:
    """YAMNet on the clips that the bundle is judged on, having learnt from those that it was made from.

    Raises: TeacherError if YAMNet cannot be run.
    """
    used = prepared.may_judge | prepared.may_teach
    clips = prepared.dataset.clips
    reads = {
        place: lambda path=clips[place].path: read_mono(path, SAMPLE_RATE_HZ)
        for place in np.flatnonzero(used).tolist()
    }
    return [compared(row, first, multi_label=False) for row in _rows(prepared, reads, model, "")]


def cross_validated_rows(prepared: Prepared, clips: Mapping[str, Clip], model: Path) -> list[Row]:
    """YAMNet over the development folds, each judged by what the clips trained on of the others give.

    All at the one quality that all are at hand in, as the bundle's recipe was cross-validated.

    clips: ESC-50's, by name.
    Raises: TeacherError if YAMNet cannot be run.
    """
    folds = [str(fold) for fold in DEVELOPMENT_FOLDS]
    development = np.isin(prepared.folds, folds)
    degraded = any(clip.degraded for clip in clips.values())
    reads = {
        place: lambda clip=clips[prepared.dataset.clips[place].name]: common_quality(clip, degraded=degraded)
        for place in np.flatnonzero(development).tolist()
    }
    splits = tuple(
        replace(split, train=tuple(fold for fold in split.train if fold in folds))
        for split in prepared.dataset.splits
        if split.test in folds
    )
    part = replace(
        prepared,
        dataset=replace(prepared.dataset, splits=splits),
        may_judge=development,
        may_teach=development & prepared.may_teach,
    )
    return _rows(part, reads, model, ", cross-validated")


def _rows(
    prepared: Prepared, reads: Mapping[int, Callable[[], Samples]], model: Path, suffix: str
) -> list[Row]:
    embeddings, scores = yamnet_features(list(reads.values()), model)
    places = np.array(list(reads))
    methods: tuple[tuple[str, Features, Method], ...] = (
        ("YAMNet scores, nearest class mean", scores, by_classifier(nearest_class_mean)),
        ("YAMNet embedding, nearest class mean", embeddings, by_classifier(nearest_class_mean)),
        ("YAMNet embedding, linear", embeddings, by_classifier(linear)),
    )
    rows = []
    for name, features, method in methods:
        of_clip = replace(prepared, vectors=_at(places, features, len(prepared.dataset.clips)))
        judged = judge(of_clip, method, None)
        source = f"{prepared.pool_in_words()} and their labels"
        rows.append(Row(name + suffix, source, judged, figures_of(judged, prepared.dataset)))
    return rows


def _at(places: NDArray[np.intp], features: Features, n_clips: int) -> NDArray[np.float32]:
    """(n_clips, dim): the features at their places, zeros elsewhere."""
    vectors = np.zeros((n_clips, features.shape[1]), np.float32)
    vectors[places] = features
    return vectors
