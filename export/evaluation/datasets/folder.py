"""Anybody's own data set: a folder of recordings and a table of the columns filename, fold, label."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from export.evaluation.datasets.dataset import (
    Dataset,
    DatasetError,
    LabelledClip,
    check_files,
    check_folder,
    in_order,
    is_file,
    leave_one_out,
    some_of,
)
from export.evaluation.datasets.table import columns_of, read_table, shown

logger = logging.getLogger(__name__)

COLUMNS = ("filename", "fold", "label")

_NAME_LENGTH = 40
_ADVICE = "a data set of your own needs one CSV in UTF-8 with the columns filename,fold,label"


def load_folder(folder: Path) -> Dataset:
    """List a folder by its table; each fold is judged by what the others give.

    Args:
        folder: holds one CSV with the columns filename, fold and label; others are ignored, but for `source`,
            what a clip was cut from, which otherwise is the clip itself. A filename is relative to the folder
            or to its subfolder `audio`. Several labels of a clip are parted by ";", or in rows of their own.

    Returns: classes sorted by name, folds as numbers where they are numbers.
    Raises: DatasetError if there is no such table, a file is missing, rows of a clip contradict each other,
        or there are fewer than two folds or classes.
    """
    check_folder(folder)
    table = _table(folder)
    rows = _rows_by_clip(table)
    folds = tuple(sorted({row["fold"] for of_clip in rows.values() for row in of_clip}, key=_natural))
    classes = tuple(sorted({label for of_clip in rows.values() for label in _labels(of_clip)}))
    for what, found in (("folds", folds), ("classes", classes)):
        if len(found) < 2:
            raise DatasetError(
                f"{table}: needs two {what} at least, and has but {shown(found[0])}; {_ADVICE}"
            )
    clips = in_order((_clip(name, rows[name], folder, table, classes) for name in rows), folds)
    check_files(clips, folder)
    _warn_of_shared_sources(clips, table)
    title = folder.name if folder.name not in ("", "..") else folder.resolve().name
    multi_label = any(len(clip.classes) > 1 for clip in clips)
    return Dataset(_short(title), title, classes, clips, leave_one_out(folds), multi_label)


def _warn_of_shared_sources(clips: Sequence[LabelledClip], table: Path) -> None:
    folds: dict[str, set[str]] = {}
    for clip in clips:
        folds.setdefault(clip.source, set()).add(clip.fold)
    shared = [source for source, of_source in folds.items() if len(of_source) > 1]
    if shared:
        logger.warning(
            "%s: %d sources, such as %s, have clips in several folds: methods learn from what they judge",
            table, len(shared), shared[0],
        )  # fmt: skip


def has_table(folder: Path) -> bool:
    """Whether a table of this kind is in a folder.

    Raises: OSError if it cannot be listed.
    """
    return any(_fits(path) for path in _tables(folder))


def has_unfit_table(folder: Path) -> bool:
    """Whether the only table in a folder looks meant to be of this kind: cannot be read, or lacks a column.

    Raises: OSError if it cannot be listed.
    """
    tables = _tables(folder)
    if len(tables) != 1:
        return False
    try:
        columns = columns_of(tables[0], _ADVICE)
    except DatasetError:
        return True
    return not columns or "filename" in columns


def _tables(folder: Path) -> list[Path]:
    found = (path for path in folder.iterdir() if path.suffix.lower() == ".csv" and path.name[0] != ".")
    return sorted(path for path in found if is_file(path))


def _fits(table: Path) -> bool:
    try:
        return set(COLUMNS) <= set(columns_of(table, _ADVICE))
    except DatasetError:
        return False


def _table(folder: Path) -> Path:
    try:
        tables = _tables(folder)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror}); {_ADVICE}") from None
    fitting = [path for path in tables if _fits(path)]
    if len(fitting) == 1 or len(tables) == 1:
        return (fitting or tables)[0]
    if not tables:
        raise DatasetError(f"{folder}: holds no CSV; {_ADVICE}")
    names = some_of([path.name for path in fitting or tables])
    what = "several tables fit" if fitting else "none of its tables fits"
    raise DatasetError(f"{folder}: {what}: {names}; {_ADVICE}")


def _rows_by_clip(table: Path) -> dict[str, list[Mapping[str, str]]]:
    rows: dict[str, list[Mapping[str, str]]] = {}
    for row in read_table(table, COLUMNS, _ADVICE, optional=("source",)):
        path = PurePosixPath(row["filename"])
        if path.is_absolute() or ".." in path.parts:
            raise DatasetError(f"{table}: {shown(row['filename'])} leads out of the folder; {_ADVICE}")
        if not _labels([row]):
            raise DatasetError(f"{table}: {shown(row['filename'])} has no label; {_ADVICE}")
        # By the path in its plain form, so that ./a.wav and a.wav are one clip.
        rows.setdefault(str(path), []).append(row)
    return rows


def _labels(rows: Iterable[Mapping[str, str]]) -> set[str]:
    return {label.strip() for row in rows for label in row["label"].split(";")} - {""}


def _clip(
    name: str, rows: Sequence[Mapping[str, str]], folder: Path, table: Path, classes: tuple[str, ...]
) -> LabelledClip:
    for column in ("fold", "source"):
        told = sorted({row.get(column, "") for row in rows})
        if len(told) > 1:
            differing = " and ".join(map(shown, told[:2]))
            raise DatasetError(
                f"{table}: the rows of {shown(name)} differ in {column}: {differing}; {_ADVICE}"
            )
    labels = _labels(rows)
    places = tuple(place for place, label in enumerate(classes) if label in labels)
    return LabelledClip(name, _path(folder, name), rows[0]["fold"], places, rows[0].get("source") or name)


def _path(folder: Path, name: str) -> Path:
    inside = folder / "audio" / name
    return inside if is_file(inside) and not is_file(folder / name) else folder / name


def _natural(fold: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key by which 10 comes after 9."""
    parts = re.split("([0-9]{1,9})", fold)
    return [(0, int(p), "") if n % 2 else (1, 0, p) for n, p in enumerate(parts) if p], fold


def _short(title: str) -> str:
    """A name that every file system takes."""
    return re.sub("[^a-z0-9]+", "-", title.lower())[:_NAME_LENGTH].strip("-") or "folder"
