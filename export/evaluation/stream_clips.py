"""Which clips a stream evaluation plays, and what it listens for."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from edge.errors import ConfigError
from edge.manifest import LabelEntry
from export.evaluation.datasets.dataset import Dataset, LabelledClip
from export.evaluation.scene_sounds import Sound, label_of
from export.evaluation.seen_clips import Seen
from export.progress import progress
from export.starter.data import read_mono

logger = logging.getLogger(__name__)


def playable_clips(
    seen: Seen, dataset: Dataset, folds: Sequence[str] | None, *, final: bool
) -> list[LabelledClip]:
    """The clips that the bundle was not made from, of the folds asked for; None for all folds.

    Raises: ConfigError if there is no such fold, or no clip is left.
    """
    known = sorted({clip.fold for clip in dataset.clips})
    for fold in folds or ():
        if fold not in known:
            raise ConfigError(f"{dataset.title} has no fold {fold!r}, only {', '.join(known)}")
    unseen = seen.unseen(dataset.clips, final=final)
    clips = [clip for clip in unseen if folds is None or clip.fold in folds]
    if not clips:
        raise ConfigError(
            f"no clip of {dataset.title} can be played: the bundle was made from them"
            + (", or they are kept for final figures; open these with --final LOG" if seen.kept else "")
            + "; or take another --data, --folds or --bundle"
        )
    return clips


def labels_heard(
    dataset: Dataset, clips: Sequence[LabelledClip], known: Sequence[LabelEntry]
) -> tuple[str, ...]:
    """Every label of the bundle that some of the clips are of. Raises: ConfigError if none is."""
    classes = {index for clip in clips for index in clip.classes}
    of_class = {label_of(dataset.classes[index], known, ()) for index in classes}
    labels = tuple(label.name for label in known if label.name in of_class)
    if not labels:
        raise ConfigError(f"no class of {dataset.title} is one of the bundle's labels: take other data")
    return labels


def warn_of_missing(targets: Sequence[Sound], listened: Sequence[str], dataset: Dataset) -> None:
    """Name the labels that no clip is of. Raises: ConfigError if that is all of them."""
    there = {target.label for target in targets}
    missing = [label for label in listened if label not in there]
    if len(missing) == len(listened):
        raise ConfigError(
            f"no clip of {dataset.title} that can be played is of {', '.join(missing)}: "
            "take other labels or other data"
        )
    if missing:
        logger.warning("no clip to be played is of %s: only false alarms are counted", ", ".join(missing))


def check_readable(sounds: Sequence[Sound], sample_rate_hz: int) -> None:
    """Decode every clip once. Raises: DatasetError if one cannot be."""
    for sound in progress(sounds, desc="reading clips", unit=" clips"):
        read_mono(sound.path, sample_rate_hz)
