"""The peer to compare with: YAMNet Lite, and two ways to make it tell ESC-50's classes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from export.starter.data import Clip, read_mono
from export.starter.teacher import SAMPLE_RATE_HZ, Yamnet

FRAME_HOP = 7680
"""Samples between YAMNet's frames, 0.48 s, as in its authors' own pipeline."""

Features = NDArray[np.float64]
Classifier = Callable[[Features, NDArray[np.int64], Features], NDArray[np.int64]]
"""(train features, train targets, test features) → test predictions."""


def yamnet_features(
    clips: Sequence[Clip], model: Path, quality: Callable[[Clip], NDArray[np.float32]] | None = None
) -> tuple[Features, Features]:
    """Mean embedding (n, 1024) and mean scores (n, 521) of each clip over its frames."""
    yamnet = Yamnet(model)
    rows = [
        yamnet.clip(quality(clip) if quality else read_mono(clip.path, SAMPLE_RATE_HZ), FRAME_HOP)
        for clip in tqdm(clips, desc="YAMNet", unit="clip")
    ]
    return np.array([r[0] for r in rows], np.float64), np.array([r[1] for r in rows], np.float64)


def nearest_class_mean(train: Features, targets: NDArray[np.int64], test: Features) -> NDArray[np.int64]:
    """Nearest class centroid by cosine, after the training mean is taken off."""
    mean = train.mean(axis=0)
    classes = np.unique(targets)
    means = np.stack([(train[targets == c] - mean).mean(axis=0) for c in classes])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(classes[np.argmax((test - mean) @ means.T, axis=1)])


def linear(train: Features, targets: NDArray[np.int64], test: Features) -> NDArray[np.int64]:
    """Multinomial logistic regression on standardised features."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    model.fit(train, targets)
    return np.asarray(model.predict(test))
