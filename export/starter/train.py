"""Training of one encoder on the crops of some folds: seeded, checkpointed, resumable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from export.starter.corpus import Corpus
from export.starter.data import N_CLASSES
from export.starter.model import StarterEncoder, StarterTraining
from export.starter.teacher import EMBEDDING_DIM, N_SCORES


@dataclass(frozen=True)
class TrainSettings:
    """How an encoder is trained.

    Attributes:
        n_steps: optimiser steps.
        batch_size: crops a step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: AdamW's.
        cosine_scale: factor on the cosines before the softmax.
        none_cosine: constant cosine of "none of them", which background is trained towards.
        embedding_weight: of the loss against the teacher's embedding.
        scores_weight: of the loss against the teacher's scores.
        seed: of initial weights, order and masks.
    """

    n_steps: int
    batch_size: int = 64
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    cosine_scale: float = 20.0
    none_cosine: float = 0.4
    embedding_weight: float = 1.5
    scores_weight: float = 8.0
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TrainedEncoder:
    """What training leaves.

    Attributes:
        encoder: in evaluation mode.
        directions: (50, 512) float32 of unit norm, in order of ESC-50's targets.
    """

    encoder: StarterEncoder
    directions: NDArray[np.float32]


def train(
    corpus: Corpus, folds: tuple[int, ...], settings: TrainSettings, checkpoint: Path
) -> TrainedEncoder:
    """Train on the crops of `folds` and background, going on from `checkpoint` where it exists."""
    torch.manual_seed(settings.seed)
    crops = corpus.of_folds(folds)
    embedding_mean, embedding_std = _moments(corpus.embedding[crops[::7]])
    model = StarterTraining(N_CLASSES, EMBEDDING_DIM, N_SCORES)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, settings.n_steps)
    state = {"model": model, "optimiser": optimiser, "schedule": schedule}
    first_step = _resume(checkpoint, state)
    # Without AVX-512, PyTorch emulates it: a step then takes seven times as long as in single precision.
    bfloat16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - torch has no public name
    progress = tqdm(range(first_step, settings.n_steps), desc=checkpoint.stem, initial=first_step,
                    total=settings.n_steps, unit="step", mininterval=5)  # fmt: skip
    for step in progress:
        rng = np.random.default_rng((settings.seed, step))
        batch = np.sort(rng.choice(crops, settings.batch_size, replace=False))
        log_mel = mask(torch.from_numpy(corpus.log_mel[batch].astype(np.float32)), rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            cosines, embedding, scores = model(log_mel)
        class_loss = classification_loss(
            cosines, torch.from_numpy(corpus.target[batch].astype(np.float32)), settings
        )
        wanted = (
            torch.from_numpy(corpus.embedding[batch].astype(np.float32)) - embedding_mean
        ) / embedding_std
        embedding_loss = functional.mse_loss(embedding, wanted)
        scores_loss = functional.binary_cross_entropy_with_logits(
            scores, torch.from_numpy(corpus.scores[batch].astype(np.float32))
        )
        loss = class_loss + settings.embedding_weight * embedding_loss + settings.scores_weight * scores_loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            progress.set_postfix(
                label=f"{class_loss.item():.3f}", teacher=f"{embedding_loss.item():.3f}", refresh=False
            )
        if step % 200 == 199 or step == settings.n_steps - 1:
            _save(checkpoint, state, step + 1)
    model.eval()
    directions = functional.normalize(model.directions.detach(), dim=1).numpy()
    return TrainedEncoder(model.encoder, directions)


def classification_loss(cosines: Tensor, target: Tensor, settings: TrainSettings) -> Tensor:
    """Cross-entropy over the classes and a constant "none", which gets what the target leaves of 1."""
    none = torch.full((len(cosines), 1), settings.none_cosine)
    logits = settings.cosine_scale * torch.cat([cosines, none], dim=1)
    remainder = (1.0 - target.sum(1, keepdim=True)).clamp(min=0.0)
    return functional.cross_entropy(logits, torch.cat([target, remainder], dim=1), label_smoothing=0.02)


def mask(log_mel: Tensor, rng: np.random.Generator) -> Tensor:
    """SpecAugment (Park et al., 2019), filled with the crop's mean, and a random smooth response.

    log_mel: (batch, n_frames, n_mels), changed in place.
    """
    n_batch, n_frames, n_mels = log_mel.shape
    for crop in range(n_batch):
        filler = float(log_mel[crop].mean())
        width, height = int(rng.integers(0, 48)), int(rng.integers(0, 12))
        first_frame, first_band = (
            int(rng.integers(0, n_frames - width)),
            int(rng.integers(0, n_mels - height)),
        )
        log_mel[crop, first_frame : first_frame + width] = filler
        log_mel[crop, :, first_band : first_band + height] = filler
    knots = torch.from_numpy(rng.normal(0.0, 0.25, (n_batch, 1, 6)).astype(np.float32))
    response = functional.interpolate(knots, n_mels, mode="linear", align_corners=True)
    return log_mel + response


def _moments(embedding: NDArray[np.float16]) -> tuple[Tensor, Tensor]:
    values = torch.from_numpy(embedding.astype(np.float32))
    return values.mean(0), values.std(0) + 0.02


def _resume(checkpoint: Path, state: dict[str, object]) -> int:
    if not checkpoint.is_file():
        return 0
    saved = torch.load(checkpoint, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(saved[name])  # type: ignore[attr-defined]
    return int(saved["step"])


def _save(checkpoint: Path, state: dict[str, object], step: int) -> None:
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    temporary = checkpoint.with_suffix(".tmp")
    torch.save({"step": step} | {name: part.state_dict() for name, part in state.items()}, temporary)  # type: ignore[attr-defined]
    temporary.replace(checkpoint)
