"""Which data set a folder holds, by what lies in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.evaluation.datasets.dataset import Dataset, DatasetError, check_folder, some_of
from export.evaluation.datasets.esc50 import load_esc50
from export.evaluation.datasets.folder import has_table, has_unfit_table, load_folder
from export.evaluation.datasets.fsd50k import load_fsd50k
from export.evaluation.datasets.urbansound8k import load_urbansound8k

Loader = Callable[[Path], Dataset]


@dataclass(frozen=True)
class _Layout:
    """A known data set.

    Attributes:
        title: for people.
        marks: files or folders, any of which tells it from others.
        load: lists it.
    """

    title: str
    marks: tuple[str, ...]
    load: Loader


_LAYOUTS = (
    _Layout("ESC-50", ("meta/esc50.csv", "esc50.csv"), load_esc50),
    _Layout("UrbanSound8K", ("metadata/UrbanSound8K.csv",), load_urbansound8k),
    # The audio alone tells it too: then its loader says that the tables are missing.
    _Layout("FSD50K", ("FSD50K.ground_truth", "FSD50K.dev_audio", "FSD50K.eval_audio"), load_fsd50k),
)


def find_dataset(folder: Path) -> Dataset:
    """List the data set that a folder holds, itself or in the only one of its folders that holds any.

    Raises: DatasetError if there is none, several, or the one that there is lacks something.
    """
    check_folder(folder)
    try:
        loader = _loader(folder)
        if loader:
            return loader(folder)
        below = _below(folder)
        if not below and has_unfit_table(folder):
            return load_folder(folder)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read ({error.strerror}); name another folder") from None
    if len(below) > 1:
        names = some_of([place.name for place, _ in below])
        raise DatasetError(f"{folder}: holds several data sets: {names}; name the folder of one")
    for place, load in below:
        return load(place)
    marks = "; ".join(f"{' or '.join(layout.marks)} ({layout.title})" for layout in _LAYOUTS)
    raise DatasetError(
        f"{folder}: holds no known data set, neither itself nor in a folder of it; looked for {marks}; "
        "or a table: any folder of recordings serves with a CSV of the columns filename,fold,label"
    )


def _loader(folder: Path) -> Loader | None:
    """What lists a folder, None if nothing does. Raises: OSError, DatasetError if it holds two data sets."""
    known = [layout for layout in _LAYOUTS if any((folder / mark).exists() for mark in layout.marks)]
    if len(known) > 1:
        titles = " and ".join(layout.title for layout in known)
        raise DatasetError(f"{folder}: holds {titles} side by side; give each a folder of its own")
    if known:
        return known[0].load
    return load_folder if has_table(folder) else None


def _below(folder: Path) -> list[tuple[Path, Loader]]:
    found = []
    for place in sorted(folder.iterdir()):
        if place.name.startswith((".", "__MACOSX")) or not place.is_dir():
            continue
        try:
            loader = _loader(place)
        except OSError:
            continue
        if loader:
            found.append((place, loader))
    return found
