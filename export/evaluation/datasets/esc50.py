"""ESC-50 and ESC-10: five folds of environmental sounds, eight clips of each class in a fold.

Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from export.evaluation.datasets.dataset import (
    Dataset,
    DatasetError,
    LabelledClip,
    check_files,
    check_parts,
    in_order,
    is_file,
    leave_one_out,
)
from export.evaluation.datasets.table import read_table, shown, whole_number
from export.starter.data import load_clips
from export.starter.vocabulary import VOCABULARY

CLASSES = tuple(word.dataset_name for word in VOCABULARY)
ESC10_CLASSES = (
    *("dog", "rooster", "rain", "sea_waves", "crackling_fire"),
    *("crying_baby", "sneezing", "clock_tick", "helicopter", "chainsaw"),
)
FOLDS = ("1", "2", "3", "4", "5")
CLIPS_PER_FOLD = 400

_NAME = re.compile(r"[1-5]-[0-9]+-[A-Z]-[0-9]{1,2}\.wav")
_ADVICE = "give the folder of an unpacked ESC-50 download (github.com/karolpiczak/ESC-50)"


def load_esc50(folder: Path) -> Dataset:
    """List ESC-50: 2,000 clips, 50 classes in the order of their targets.

    Args:
        folder: an official download, or one with the columns that `export.starter.data.load_clips` names.

    Raises: DatasetError if the folder is neither, or something of it is missing.
    """
    return Dataset("esc50", "ESC-50", CLASSES, _clips(folder), leave_one_out(FOLDS))


def load_esc10(folder: Path) -> Dataset:
    """List ESC-10, the 400 clips of ESC-50 that are of ten classes, numbered anew in the same order.

    Raises: DatasetError as for `load_esc50`, whose folder it is.
    """
    of_ten = {CLASSES.index(name): place for place, name in enumerate(ESC10_CLASSES)}
    clips = tuple(
        replace(clip, classes=(of_ten[clip.classes[0]],))
        for clip in _clips(folder)
        if clip.classes[0] in of_ten
    )
    return Dataset("esc10", "ESC-10", ESC10_CLASSES, clips, leave_one_out(FOLDS))


def _clips(folder: Path) -> tuple[LabelledClip, ...]:
    annotated, official = folder / "esc50.csv", folder / "meta" / "esc50.csv"
    table = annotated if is_file(annotated) and not is_file(official) else official
    _check_table(table, ("file",) if table == annotated else ())
    try:
        listed = load_clips(folder)
    except DatasetError as error:
        raise DatasetError(f"{error}; {_ADVICE}") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder}: cannot be read ({error}); {_ADVICE}") from None
    clips = in_order(
        (LabelledClip(c.filename, c.path, str(c.fold), (c.target,), c.source_id) for c in listed), FOLDS
    )
    check_parts(clips, dict.fromkeys(FOLDS, CLIPS_PER_FOLD), CLASSES, table, _ADVICE)
    check_files(clips, folder)
    return clips


def _check_table(table: Path, more_columns: tuple[str, ...]) -> None:
    """Refuse what `load_clips` takes for granted in a row."""
    for row in read_table(table, ("filename", "fold", "target", "category", *more_columns), _ADVICE):
        fold, target = (whole_number(row, column, table, _ADVICE) for column in ("fold", "target"))
        name = row["filename"]
        if not _NAME.fullmatch(name):
            raise DatasetError(f"{table}: {shown(name)} is no ESC-50 clip's name; {_ADVICE}")
        if str(fold) not in FOLDS:
            raise DatasetError(f"{table}: {name} is in fold {fold}, of folds 1 to 5; {_ADVICE}")
        if target >= len(CLASSES) or row["category"] != CLASSES[target]:
            wrong = f"class {target} is called {shown(row['category'])}"
            raise DatasetError(f"{table}: {wrong}, which ESC-50 has not; {_ADVICE}")
