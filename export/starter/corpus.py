"""The training corpus: augmented crops with their targets, made once and shared by every model trained.

Augmenting and asking the teacher cost as much as training does, so each crop is made once, and used by the
cross-validated models (which take the crops of their folds) and by the final one. Only clips of one fold are
mixed with one another. Written in parts, each from a seed of its own, so an interrupted run continues.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from tqdm import tqdm

from edge.frontend import STARTER, LogMelFrontEnd
from edge.types import Samples
from export.starter import augment
from export.starter.data import N_CLASSES
from export.starter.teacher import FRAME_LENGTH, Yamnet

CROP_FRAMES = 257
"""Half a stride more than the network's window: no output reaches the last eight."""
CROP_LENGTH = STARTER.win_length + (CROP_FRAMES - 1) * STARTER.hop_length
PART_SIZE = 1000
BACKGROUND_FOLD = 0


@dataclass(frozen=True, eq=False)
class Material:
    """What the crops of one fold are cut from.

    Attributes:
        fold: number of the fold; 0 for background alone.
        clips: (n_samples,) float32 at 16 kHz each.
        targets: class of each clip.
        weights: how often a clip is drawn against others of its class.
        background: (n, n_samples) int16 at 16 kHz, drawn alike.
    """

    fold: int
    clips: Sequence[Samples]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]
    background: NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Crops, all arrays of equal length n.

    Attributes:
        log_mel: (n, 257, 64) float16.
        target: (n, 50) float16, sums to 1, or to 0 for background.
        embedding: (n, 1024) float16, the teacher's.
        scores: (n, 521) float16 in [0, 1], the teacher's.
        fold: (n,) int64; 0 for background.
    """

    log_mel: NDArray[np.float16]
    target: NDArray[np.float16]
    embedding: NDArray[np.float16]
    scores: NDArray[np.float16]
    fold: NDArray[np.int64]

    def of_folds(self, folds: Sequence[int]) -> NDArray[np.int64]:
        """Indices of the crops of some folds, and of background."""
        return np.flatnonzero(np.isin(self.fold, [*folds, BACKGROUND_FOLD]))


def make_scene(material: Material, rng: Generator) -> tuple[Samples, NDArray[np.float32]]:
    """Draw one augmented crop. Returns: (CROP_LENGTH,) samples and (50,) target."""
    target = np.zeros(N_CLASSES, np.float32)
    if material.fold == BACKGROUND_FOLD:
        scene = _background(material, rng)
        if rng.random() < 0.3:
            scene = scene + _background(material, rng)
        return _record_background(scene, rng), target
    first = _draw(material, rng)
    scene = augment.vary(material.clips[first], CROP_LENGTH, rng)
    target[material.targets[first]] = 1.0
    if rng.random() < 0.35:
        second = _draw(material, rng)
        louder_db = float(rng.uniform(-10.0, 10.0))
        share = 1.0 / (1.0 + 10.0 ** (-louder_db / 10.0))
        scene = _mix(scene, augment.vary(material.clips[second], CROP_LENGTH, rng), louder_db)
        target *= share
        target[material.targets[second]] += 1.0 - share
    if rng.random() < 0.35:
        scene = _mix(scene, _background(material, rng), float(rng.uniform(0.0, 25.0)))
    return augment.record(scene, rng), target


def _draw(material: Material, rng: Generator) -> int:
    of_class = np.flatnonzero(material.targets == rng.choice(np.unique(material.targets)))
    weights = material.weights[of_class]
    return int(rng.choice(of_class, p=weights / weights.sum()))


def _background(material: Material, rng: Generator) -> Samples:
    clip = material.background[rng.integers(len(material.background))].astype(np.float32) / 32768.0
    start = int(rng.integers(0, len(clip) - CROP_LENGTH + 1))
    return np.asarray(clip[start : start + CROP_LENGTH], np.float32)


def _mix(first: Samples, second: Samples, louder_db: float) -> Samples:
    gain = augment.rms(first) / augment.rms(second) * 10.0 ** (-louder_db / 20.0)
    return np.asarray(first + second * min(gain, 1e3), np.float32)


def _record_background(scene: Samples, rng: Generator) -> Samples:
    # Quiet must be learnt at its own level: half of the crops keep theirs.
    return augment.record(scene, rng) if rng.random() < 0.5 else scene.astype(np.float32)


def build_corpus(
    materials: Sequence[Material],
    crops_per_fold: int,
    seed: int,
    teacher: Path,
    directory: Path,
    n_workers: int,
) -> Corpus:
    """Make what is missing of the corpus in `directory` and load it.

    crops_per_fold: rounded up to a multiple of PART_SIZE, for each material alike.
    Raises: TeacherError if YAMNet can't be run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    parts = [
        (index, (seed, material.fold, part), directory / f"fold{material.fold}-{part:03d}.npz")
        for part in range(-(-crops_per_fold // PART_SIZE))
        for index, material in enumerate(materials)
    ]
    # Forked, so that the workers see the clips without a copy of them being sent along with every part.
    with ProcessPoolExecutor(
        n_workers, get_context("fork"), initializer=_prepare_worker, initargs=(materials, teacher)
    ) as pool:
        jobs = [pool.submit(_write_part, *part) for part in parts if not part[2].is_file()]
        for job in tqdm(jobs, desc="corpus", unit="part", disable=not jobs):
            job.result()
    return _load([path for _, _, path in parts])


_materials: Sequence[Material] = ()
_teacher: Yamnet | None = None


def _prepare_worker(materials: Sequence[Material], teacher: Path) -> None:
    global _materials, _teacher  # a worker process holds its material for all of its parts
    _materials, _teacher = materials, Yamnet(teacher)


def _write_part(index: int, seed: tuple[int, int, int], path: Path) -> None:
    material, yamnet = _materials[index], _teacher
    if yamnet is None:
        raise RuntimeError("_write_part runs in a worker prepared by _prepare_worker")
    rng = np.random.default_rng(seed)
    front_end = LogMelFrontEnd(STARTER)
    rows = []
    for _ in range(PART_SIZE):
        scene, target = make_scene(material, rng)
        hop_length = (CROP_LENGTH - FRAME_LENGTH) // 2
        embedding, scores = yamnet.clip(scene, hop_length)
        rows.append((front_end(scene), target, embedding, scores))
    log_mel, targets, embeddings, teacher_scores = (
        np.stack(c).astype(np.float16) for c in zip(*rows, strict=True)
    )
    fold = np.full(PART_SIZE, material.fold)
    temporary = path.with_suffix(".part.npz")
    np.savez(
        temporary, log_mel=log_mel, target=targets, embedding=embeddings, scores=teacher_scores, fold=fold
    )
    temporary.replace(path)


def _load(paths: Sequence[Path]) -> Corpus:
    names = ("log_mel", "target", "embedding", "scores", "fold")
    columns: dict[str, list[NDArray[np.float16]]] = {name: [] for name in names}
    for path in paths:
        with np.load(path, allow_pickle=False) as part:
            for name in names:
                columns[name].append(part[name])
    log_mel, target, embedding, scores, fold = (np.concatenate(columns.pop(name)) for name in names)
    return Corpus(log_mel, target, embedding, scores, fold.astype(np.int64))
