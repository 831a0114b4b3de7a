"""Which clips of a data set a bundle was made from, so that no figure judges what was learnt by heart."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from edge.bundle import Bundle
from edge.errors import BundleError
from edge.manifest_entries import COPY_AGAIN
from export.evaluation.datasets.dataset import Dataset, LabelledClip
from export.starter.data import FINAL_FOLD


@dataclass(frozen=True)
class Seen:
    """What a bundle knows of a data set.

    Attributes:
        names: clips that its encoder was trained on; or, if it was made from texts, those of its pool, whose
            labels had no part in it.
        kept: the fold that is opened for a final figure only, or None: fold 4 of the data that a bundle was
            trained on, if it left it out.
    """

    names: frozenset[str]
    kept: str | None

    def unseen(self, clips: Sequence[LabelledClip], *, final: bool) -> list[LabelledClip]:
        """The clips that may be judged.

        final: whether the kept fold is to be opened: then it alone is judged, if there is one.
        """
        return [
            clip
            for clip in clips
            if clip.name not in self.names and (self.kept is None or (clip.fold == self.kept) == final)
        ]


def seen_clips(bundle: Bundle, dataset: Dataset) -> Seen:
    """Compare a data set with the bundle's attribution file. Raises: BundleError if that cannot be read."""
    listed = _attributed(bundle)
    names = frozenset(clip.name for clip in dataset.clips if PurePosixPath(clip.name).stem in listed)
    folds = {clip.fold for clip in dataset.clips if clip.name in names}
    final = str(FINAL_FOLD)
    is_trained = bundle.manifest.recipe is None and bool(names)
    is_kept = is_trained and final not in folds and any(clip.fold == final for clip in dataset.clips)
    return Seen(names, final if is_kept else None)


def _attributed(bundle: Bundle) -> set[str]:
    """Names of the recordings that the bundle credits, without folder and ending, in which copies differ."""
    if bundle.manifest.provenance.attribution is None:
        return set()
    path = bundle.directory / bundle.manifest.provenance.attribution
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {PurePosixPath(row["file"]).stem for row in csv.DictReader(file)}
    except (KeyError, ValueError, OSError) as error:
        raise BundleError(f"{path} is no table with a column file; {COPY_AGAIN}") from error
