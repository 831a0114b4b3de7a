"""ESC-50 accuracy by the published protocol, YAMNet beside it on the same clips.

Trained on: permissive clips of folds 1, 2, 3 and 5. Judged: nearest prototype among all fifty labels, by the
energy-weighted mean of the windows' scores at the clip's own level. Fold 4 is opened only on request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.bundle import Bundle
from edge.encoder import load_encoder
from edge.frontend import STARTER
from export.evaluation.intervals import Interval, source_bootstrap
from export.evaluation.yamnet import Classifier, Features, linear, nearest_class_mean, yamnet_features
from export.starter.cross_validation import WINDOW_HOP, Embed, clip_scores, common_quality
from export.starter.data import DEVELOPMENT_FOLDS, FINAL_FOLD, Clip, read_mono


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        method: what judged.
        folds: what was judged.
        accuracy: share of clips given their own label, with the interval over sources.
        ahead_of_us: this method's accuracy less the bundle's on the same clips; None where not compared.
    """

    method: str
    folds: str
    accuracy: Interval
    ahead_of_us: Interval | None = None


def bundle_embed(bundle: Bundle) -> Embed:
    """The bundle's own encoder, run as on the device."""
    encoder = load_encoder(bundle, bundle.encoder_entry(), WINDOW_HOP, provider="cpu")

    def embed(log_mels: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.stack([encoder.encode(log_mel) for log_mel in log_mels])

    return embed


def bundle_predictions(bundle: Bundle, clips: Sequence[Clip]) -> NDArray[np.int64]:
    """Nearest label of each clip, as ESC-50's target."""
    entry = bundle.encoder_entry()
    prototypes = bundle.prototypes(entry)
    targets = {clip.category: clip.target for clip in clips}
    of_prototype = np.array(
        [
            next((targets[n] for n in bundle.manifest.labels[owner].dataset_names if n in targets), -1)
            for owner in prototypes.owners
        ]
    )
    chosen = np.flatnonzero(of_prototype >= 0)
    samples = (
        read_mono(clip.path, STARTER.sample_rate_hz) for clip in tqdm(clips, desc="bundle", unit="clip")
    )
    scores = clip_scores(samples, bundle_embed(bundle), prototypes.vectors[chosen])
    return np.asarray(of_prototype[chosen[np.argmax(scores, axis=1)]])


def final_rows(bundle: Bundle, clips: Sequence[Clip], yamnet: Path | None) -> list[Row]:
    """Fold 4, which nothing was trained or tuned on."""
    train = [clip for clip in clips if clip.fold in DEVELOPMENT_FOLDS and clip.permissive]
    judged = [clip for clip in clips if clip.fold == FINAL_FOLD]
    targets, sources = _targets(judged), [clip.source_id for clip in judged]
    ours = (bundle_predictions(bundle, judged) == targets).astype(np.float64)
    rows = [Row(bundle.manifest.name, "4", source_bootstrap(ours, sources))]
    for method, predicted in _yamnet_predictions(train, judged, yamnet):
        theirs = (predicted == targets).astype(np.float64)
        rows.append(
            Row(method, "4", source_bootstrap(theirs, sources), source_bootstrap(theirs - ours, sources))
        )
    return rows


def left_out_row(bundle: Bundle, clips: Sequence[Clip]) -> Row:
    """The development folds' clips that their licence kept out of training. No class has its usual share."""
    judged = [clip for clip in clips if clip.fold in DEVELOPMENT_FOLDS and not clip.permissive]
    right = (bundle_predictions(bundle, judged) == _targets(judged)).astype(np.float64)
    return Row(
        f"{bundle.manifest.name}, {len(judged)} clips left out for their licence",
        "1 2 3 5",
        source_bootstrap(right, [clip.source_id for clip in judged]),
    )


def cross_validated_rows(clips: Sequence[Clip], yamnet: Path | None) -> list[Row]:
    """YAMNet over the development folds, each judged by what the others trained, at the common quality."""
    if yamnet is None:
        return []
    development = [clip for clip in clips if clip.fold in DEVELOPMENT_FOLDS]
    degraded = any(clip.degraded for clip in clips)
    embeddings, scores = yamnet_features(
        development, yamnet, lambda clip: common_quality(clip, degraded=degraded)
    )
    targets, folds = _targets(development), np.array([clip.fold for clip in development])
    permissive = np.array([clip.permissive for clip in development])
    rows = []
    for method, features, classify in _yamnet_methods(embeddings, scores):
        right = np.zeros(len(development))
        for fold in DEVELOPMENT_FOLDS:
            train, test = (folds != fold) & permissive, folds == fold
            right[test] = classify(features[train], targets[train], features[test]) == targets[test]
        rows.append(Row(method, "1 2 3 5", source_bootstrap(right, [clip.source_id for clip in development])))
    return rows


def _yamnet_methods(embeddings: Features, scores: Features) -> tuple[tuple[str, Features, Classifier], ...]:
    return (
        ("YAMNet scores, nearest class mean", scores, nearest_class_mean),
        ("YAMNet embedding, nearest class mean", embeddings, nearest_class_mean),
        ("YAMNet embedding, linear", embeddings, linear),
    )


def _yamnet_predictions(
    train: Sequence[Clip], judged: Sequence[Clip], yamnet: Path | None
) -> list[tuple[str, NDArray[np.int64]]]:
    if yamnet is None:
        return []
    embeddings, scores = yamnet_features([*train, *judged], yamnet)
    n = len(train)
    return [
        (method, classify(features[:n], _targets(train), features[n:]))
        for method, features, classify in _yamnet_methods(embeddings, scores)
    ]


def _targets(clips: Sequence[Clip]) -> NDArray[np.int64]:
    return np.array([clip.target for clip in clips])
