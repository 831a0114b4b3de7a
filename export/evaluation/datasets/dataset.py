"""What every data set is to the rest of the evaluation: clips with their classes, and who judges whom."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from export.starter.data import DatasetError

__all__ = [
    "Dataset",
    "DatasetError",
    "LabelledClip",
    "Split",
    "check_files",
    "check_folder",
    "check_parts",
    "in_order",
    "is_file",
    "leave_one_out",
    "some_of",
]

N_NAMED = 3
"""Of what is missing, as much is named."""


@dataclass(frozen=True)
class LabelledClip:
    """One clip of a data set.

    Attributes:
        name: the file's name in the data set, each once.
        path: the audio file.
        fold: the part of the data set that it is in, such as "1" or "eval".
        classes: places in the data set's `classes` of what is heard in it; one unless it is multi-label.
        source: what it was cut from; clips of one source are not independent.
    """

    name: str
    path: Path
    fold: str
    classes: tuple[int, ...]
    source: str


@dataclass(frozen=True)
class Split:
    """What is judged, and what may be learnt from.

    Attributes:
        train: folds whose clips serve as the pool, labels unused, or as the supervised methods' material.
        test: the fold that is judged.
    """

    train: tuple[str, ...]
    test: str


@dataclass(frozen=True)
class Dataset:
    """A data set, listed and checked; no audio is read yet.

    Attributes:
        name: short, as files are named by it: "esc50".
        title: for people: "ESC-50".
        classes: their names as the data set has them, such as "crying_baby".
        clips: sorted by fold and name.
        splits: what is judged by what, in order.
        multi_label: whether a clip may have several classes, or none.
    """

    name: str
    title: str
    classes: tuple[str, ...]
    clips: tuple[LabelledClip, ...]
    splits: tuple[Split, ...]
    multi_label: bool = False


def leave_one_out(folds: Sequence[str]) -> tuple[Split, ...]:
    """Each fold judged by what the others give."""
    return tuple(Split(tuple(other for other in folds if other != fold), fold) for fold in folds)


def in_order(clips: Iterable[LabelledClip], folds: Sequence[str]) -> tuple[LabelledClip, ...]:
    """Clips sorted by fold, in the order given, and by name."""
    rank = {fold: place for place, fold in enumerate(folds)}
    return tuple(sorted(clips, key=lambda clip: (rank[clip.fold], clip.name)))


def check_folder(folder: Path) -> None:
    """Refuse what is no folder.

    Raises: DatasetError that says what it is instead.
    """
    try:
        is_folder, exists = folder.is_dir(), folder.exists()
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror}); name another folder") from None
    if exists and not is_folder:
        raise DatasetError(f"{folder}: is a file; unpack it if it is an archive, and name the folder")
    if not is_folder:
        raise DatasetError(f"{folder}: does not exist; name the folder of a data set")


def check_parts(
    clips: Sequence[LabelledClip], sizes: Mapping[str, int], classes: Sequence[str], table: Path, advice: str
) -> None:
    """Refuse a table that lacks folds, clips or classes, or has too many.

    Args:
        clips: what was read of the table.
        sizes: how many clips each fold must have.
        classes: of each, there must be a clip.
        table: where they were read.
        advice: what a person is told to do.

    Raises: DatasetError that names what is missing, or a fold of the wrong size.
    """
    found = Counter(clip.fold for clip in clips)
    missing = [fold for fold in sizes if not found[fold]]
    if missing:
        raise DatasetError(f"{table}: no clips of {_named('fold', missing)}; {advice}")
    # Folds that should not be there come first: they tell why another has too few.
    for fold, n in sorted(found.items(), key=lambda item: item[0] in sizes):
        if n != sizes.get(fold, 0):
            raise DatasetError(f"{table}: fold {fold} has {n} clips, not {sizes.get(fold, 0)}; {advice}")
    heard = {place for clip in clips for place in clip.classes}
    silent = [name for place, name in enumerate(classes) if place not in heard]
    if silent:
        raise DatasetError(f"{table}: no clips of {_named('class', silent)}; {advice}")


def check_files(clips: Sequence[LabelledClip], place: Path) -> None:
    """Refuse a data set of which a file is missing, or named twice.

    Raises: DatasetError that says how many, and names the first.
    """
    for name, times in Counter(clip.name for clip in clips).most_common(1):
        if times > 1:
            raise DatasetError(f"{place}: {name} is listed {times} times; each clip must be listed once")
    missing = _missing(clips)
    if missing:
        named = some_of([str(p.relative_to(place) if p.is_relative_to(place) else p) for p in missing])
        raise DatasetError(
            f"{place}: {len(missing)} of {len(clips)} audio files are missing: {named}; "
            "download or unpack the data set again"
        )


def some_of(names: Sequence[str]) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(names[:N_NAMED]) + more


def is_file(path: Path) -> bool:
    """Whether a file is there and may be looked at."""
    try:
        return path.is_file()
    except OSError:
        return False


def _named(what: str, names: Sequence[str]) -> str:
    plural = {"fold": "folds", "class": "classes"}[what]
    return f"{what if len(names) == 1 else plural} {some_of(names)}"


def _missing(clips: Sequence[LabelledClip]) -> list[Path]:
    """Files that are not there. Folders are listed: to ask for each of 50,000 files is slow on a card."""
    listed: dict[Path, set[str]] = {}
    missing = []
    for clip in clips:
        folder = clip.path.parent
        if folder not in listed:
            listed[folder] = _files_in(folder)
        if clip.path.name not in listed[folder] and not is_file(clip.path):
            missing.append(clip.path)
    return missing


def _files_in(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}
    except OSError:
        return set()
