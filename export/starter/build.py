"""The order of steps from a data set to the built-in bundle; each step keeps its result, so a run continues.

clips, generated background → corpus → the final encoder → ONNX → bundle
                                     → four cross-validated encoders → thresholds → bundle
other generated background, the last fold → background.npz ────────────────────┘
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.frontend import STARTER, LogMelFrontEnd
from export.starter import augment
from export.starter.background_store import background_clips
from export.starter.calibration import with_calibration
from export.starter.corpus import Corpus, build_corpus
from export.starter.cross_validation import (
    WINDOW_LENGTH,
    clip_scores,
    torch_embed,
    window_log_mels,
)
from export.starter.data import DEVELOPMENT_FOLDS, Clip, DatasetError, common_quality, load_clips
from export.starter.graph import export_graphs
from export.starter.material import fold_materials
from export.starter.pack import Background, Trained, centroids, graph_embed, pack
from export.starter.thresholds import WindowScores, shrunk_thresholds
from export.starter.train import TrainedEncoder, TrainSettings, train
from export.starter.vocabulary import VOCABULARY

logger = logging.getLogger(__name__)

CALIBRATION_MINUTES = 4.0
"""Of each kind of background, made for the thresholds alone."""
N_CENTROIDS = {"speech": 12, "music": 16, "noise": 6, "hum": 4, "quiet": 3}


@dataclass(frozen=True)
class StarterSettings:
    """How much of everything.

    Attributes:
        crops_per_fold: augmented crops made of each fold, and of background.
        cross_validation_steps: optimiser steps of each cross-validated encoder.
        final_steps: optimiser steps of the one that ships.
        background_minutes: generated audio of each kind.
        false_share: share of other clips with a false alarm that costs as much as missing every clip.
        seed: of everything drawn.
        hold_out: a development fold that nothing is made from, so that rules can be judged on it; None for
            the bundle that ships.
        without: names of labels whose clips nothing is made from, so that they are new to the encoder; none
            for the bundle that ships.
    """

    crops_per_fold: int = 12000
    cross_validation_steps: int = 1300
    final_steps: int = 5000
    background_minutes: tuple[tuple[str, float], ...] = (
        ("speech", 20.0), ("music", 20.0), ("noise", 8.0), ("hum", 8.0), ("quiet", 8.0),
    )  # fmt: skip
    false_share: float = 0.05
    seed: int = 1
    hold_out: int | None = None
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises: DatasetError if `without` names what is no label."""
        unknown = set(self.without) - {word.name for word in VOCABULARY}
        if unknown:
            raise DatasetError(f"no labels are called {', '.join(sorted(unknown))}: see vocabulary.py")

    @property
    def folds(self) -> tuple[int, ...]:
        """What everything is made from."""
        return tuple(fold for fold in DEVELOPMENT_FOLDS if fold != self.hold_out)

    @property
    def targets(self) -> tuple[int, ...]:
        """ESC-50's numbers of the labels that the bundle gets."""
        return tuple(target for target, word in enumerate(VOCABULARY) if word.name not in self.without)


def build_starter(
    data: Path, teacher: Path, work: Path, out: Path, settings: StarterSettings, created: str
) -> Bundle:
    """Make the bundle, going on from what `work` holds.

    data: an ESC-50 folder, see `load_clips`. teacher: `yamnet.tflite`.
    created: RFC 3339 UTC, recorded in the manifest.
    Raises: DatasetError, TeacherError, BundleError, EncoderError, ProgramError.
    """
    clips = [clip for clip in load_clips(data) if clip.target in settings.targets]
    background = background_clips(
        work / "background", dict(settings.background_minutes), settings.seed, "train"
    )
    _claim(work, settings, clips)
    unheard = background_clips(
        work / "background", dict.fromkeys(N_CENTROIDS, CALIBRATION_MINUTES), settings.seed + 1, "train"
    )
    materials = fold_materials(clips, settings.folds, np.concatenate(list(background.values())))
    corpus = build_corpus(
        materials, settings.crops_per_fold, settings.seed, teacher, work / "corpus", torch.get_num_threads()
    )
    trained = train(
        corpus, settings.folds, TrainSettings(settings.final_steps, seed=settings.seed), work / "final.pt"
    )
    held_out = cross_validate(clips, unheard, corpus, work, settings)
    thresholds, common = shrunk_thresholds(held_out.windows, settings.false_share)
    logger.info("common threshold %.2f, labels' own %.2f to %.2f", common, thresholds.min(), thresholds.max())
    graphs = export_graphs(trained.encoder)
    folds = "_".join(map(str, settings.folds))
    front_end = LogMelFrontEnd(STARTER)
    golden = front_end(
        augment.coloured_noise(WINDOW_LENGTH, np.random.default_rng(settings.seed)) * np.float32(0.1)
    )
    packed = pack(
        work / "packed",
        Trained(
            graphs,
            settings.targets,
            trained.directions,
            thresholds,
            background_prototypes(graphs, background, settings.seed),
            [clip for clip in clips if clip.fold in settings.folds and clip.permissive],
            golden,
            {
                f"cross_validated_accuracy_folds_{folds}": round(held_out.accuracy, 4),
                "cross_validated_clips": str(held_out.n_clips),
                "common_threshold": round(common, 3),
                "settings": json.dumps(asdict(settings)),
            },
            created,
        ),
    )
    return with_calibration(packed, clips, work / "calibration", out, created)


def _claim(work: Path, settings: StarterSettings, clips: Sequence[Clip]) -> None:
    """Make sure that what `work` holds was made from the same things.

    Raises: DatasetError if it was not.
    """
    listing = "\n".join(f"{clip.filename} {clip.path.suffix} {clip.path.stat().st_size}" for clip in clips)
    made_from = {
        "settings": {name: value for name, value in asdict(settings).items() if name != "false_share"},
        "training": asdict(TrainSettings(0)),
        "clips_sha256": hashlib.sha256(listing.encode()).hexdigest(),
    }
    text = json.dumps(made_from, indent=2)
    path = work / "made-from.json"
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise DatasetError(
            f"{work} holds results for other data or settings (see {path}); give another --work"
        )
    path.write_text(text, encoding="utf-8")


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What encoders make of clips of the fold that they were not trained on.

    Attributes:
        accuracy: share of clips whose best label is their own, all folds together.
        n_clips: clips judged.
        windows: scores of the permissive clips' windows, and of background that was not trained on.
    """

    accuracy: float
    n_clips: int
    windows: WindowScores


def cross_validate(
    clips: Sequence[Clip],
    background: dict[str, NDArray[np.int16]],
    corpus: Corpus,
    work: Path,
    settings: StarterSettings,
) -> HeldOut:
    """Train an encoder for each fold without it, and score that fold's clips with it."""
    degraded = any(clip.degraded for clip in clips)
    right: list[bool] = []
    windows: list[WindowScores] = []
    for fold in settings.folds:
        others = tuple(f for f in settings.folds if f != fold)
        trained = train(
            corpus,
            others,
            TrainSettings(settings.cross_validation_steps, seed=settings.seed),
            work / f"cv{fold}.pt",
        )
        judged = [clip for clip in clips if clip.fold == fold]
        samples = [common_quality(clip, degraded=degraded) for clip in judged]
        scores = clip_scores(samples, torch_embed(trained), trained.directions)
        targets = np.array([clip.target for clip in judged])
        of_fold = np.argmax(scores, axis=1) == targets
        logger.info("fold %d, not trained on: %.4f of %d clips", fold, of_fold.mean(), len(judged))
        right.extend(of_fold.tolist())
        windows.append(_window_scores(judged, samples, trained, fold))
        windows.append(_background_scores(background, trained, fold))
    return HeldOut(float(np.mean(right)), len(right), _joined(windows))


def _window_scores(
    clips: Sequence[Clip], samples: Sequence[NDArray[np.float32]], trained: TrainedEncoder, fold: int
) -> WindowScores:
    embed, rows = torch_embed(trained), []
    for index, (clip, clip_samples) in enumerate(zip(clips, samples, strict=True)):
        if clip.permissive:
            scores = embed(window_log_mels(clip_samples)[0]) @ trained.directions.T
            n = len(scores)
            rows.append(WindowScores(scores, np.full(n, fold * 1000 + index), np.full(n, clip.target)))
    return _joined(rows)


def _background_scores(
    background: dict[str, NDArray[np.int16]], trained: TrainedEncoder, fold: int
) -> WindowScores:
    embed, rows = torch_embed(trained), []
    chosen = [clip for kind in sorted(background) for clip in background[kind]]
    for index, clip in enumerate(chosen):
        scores = embed(window_log_mels(clip.astype(np.float32) / 32768.0)[0]) @ trained.directions.T
        n = len(scores)
        rows.append(WindowScores(scores, np.full(n, -1000 * fold - index), np.full(n, -1)))
    return _joined(rows)


def _joined(parts: Sequence[WindowScores]) -> WindowScores:
    return WindowScores(
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.clip for p in parts]),
        np.concatenate([p.target for p in parts]),
    )


def background_prototypes(
    graphs: tuple[bytes, bytes], background: dict[str, NDArray[np.int16]], seed: int
) -> list[Background]:
    """Centroids of each kind of generated background, as the shipped graph embeds it."""
    embed = graph_embed(graphs)
    found = []
    for kind in sorted(background):
        log_mels = [window_log_mels(clip.astype(np.float32) / 32768.0)[0][::6] for clip in background[kind]]
        embeddings = embed(np.concatenate(log_mels))
        vectors = centroids(embeddings, N_CENTROIDS[kind], seed)
        found.append(Background(f"background {kind}", vectors, len(background[kind])))
    return found
