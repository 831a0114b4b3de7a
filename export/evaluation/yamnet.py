"""The peer to compare with: YAMNet Lite, and two ways to make it tell a data set's classes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from edge.types import Samples
from export.evaluation.methods import Material, Method, Scores
from export.progress import progress
from export.starter.teacher import Yamnet

FRAME_HOP = 7680
"""Samples between YAMNet's frames, 0.48 s, as in its authors' own pipeline."""

Features = NDArray[np.float64]
Classifier = Callable[[Features, NDArray[np.intp], Features], NDArray[np.intp]]
"""(train features, train targets, test features) → test predictions."""


def yamnet_features(clips: Sequence[Callable[[], Samples]], model: Path) -> tuple[Features, Features]:
    """Mean embedding (n, 1024) and mean scores (n, 521) of each clip over its frames.

    clips: give (n_samples,) at 16 kHz when called.
    Raises: TeacherError if YAMNet cannot be run.
    """
    yamnet = Yamnet(model)
    rows = [yamnet.clip(read(), FRAME_HOP) for read in progress(clips, desc="YAMNet", unit=" clips")]
    return np.array([r[0] for r in rows], np.float64), np.array([r[1] for r in rows], np.float64)


def by_classifier(classify: Classifier) -> Method:
    """A classifier as a method: 1 for the class it says, 0 for the others."""

    def scores(material: Material) -> Scores:
        targets = np.argmax(material.classes, axis=1)
        said = classify(material.pool.astype(np.float64), targets, material.judged.astype(np.float64))
        return np.eye(material.classes.shape[1], dtype=np.float32)[said]

    return scores


def nearest_class_mean(train: Features, targets: NDArray[np.intp], test: Features) -> NDArray[np.intp]:
    """Nearest class centroid by cosine, after the training mean is taken off."""
    mean = train.mean(axis=0)
    classes = np.unique(targets)
    means = np.stack([(train[targets == c] - mean).mean(axis=0) for c in classes])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(classes[np.argmax((test - mean) @ means.T, axis=1)])


def linear(train: Features, targets: NDArray[np.intp], test: Features) -> NDArray[np.intp]:
    """Multinomial logistic regression on standardised features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    model.fit(train, targets)
    return np.asarray(model.predict(test))
