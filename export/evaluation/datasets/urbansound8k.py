"""UrbanSound8K: ten folds of street sounds, up to 4 s each, often several from one recording.

Salamon, Jacoby, Bello, "A Dataset and Taxonomy for Urban Sound Research", ACM Multimedia 2014.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from export.evaluation.datasets.dataset import (
    Dataset,
    DatasetError,
    LabelledClip,
    check_files,
    check_parts,
    in_order,
    leave_one_out,
)
from export.evaluation.datasets.table import read_table, shown, whole_number

CLASSES = (
    *("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling"),
    *("engine_idling", "gun_shot", "jackhammer", "siren", "street_music"),
)
CLIPS_PER_FOLD = {
    str(number): n_clips
    for number, n_clips in enumerate((873, 888, 925, 990, 936, 823, 838, 806, 816, 837), start=1)
}

_NAME = re.compile(r"[0-9]+-[0-9]-[0-9]+-[0-9]+\.wav")
_ADVICE = "give the folder of an unpacked UrbanSound8K download (zenodo.org/records/1203745)"


def load_urbansound8k(folder: Path) -> Dataset:
    """List UrbanSound8K: 8,732 clips, ten classes, ten folds of unequal size.

    Args:
        folder: holds `metadata/UrbanSound8K.csv` and `audio/fold1` to `audio/fold10`.

    Raises: DatasetError if it does not, or something of it is missing.
    """
    table = folder / "metadata" / "UrbanSound8K.csv"
    rows = read_table(table, ("slice_file_name", "fsID", "fold", "classID", "class"), _ADVICE)
    read = [_clip(row, folder, table) for row in rows]
    # Before they are sorted, so that every fold is a known one.
    check_parts(read, CLIPS_PER_FOLD, CLASSES, table, _ADVICE)
    clips = in_order(read, tuple(CLIPS_PER_FOLD))
    check_files(clips, folder)
    return Dataset("urbansound8k", "UrbanSound8K", CLASSES, clips, leave_one_out(tuple(CLIPS_PER_FOLD)))


def _clip(row: Mapping[str, str], folder: Path, table: Path) -> LabelledClip:
    fold, number, source = (
        whole_number(row, column, table, _ADVICE) for column in ("fold", "classID", "fsID")
    )
    name = row["slice_file_name"]
    if not _NAME.fullmatch(name):
        raise DatasetError(f"{table}: {shown(name)} is no UrbanSound8K clip's name; {_ADVICE}")
    if number >= len(CLASSES) or row["class"] != CLASSES[number]:
        wrong = f"class {number} is called {shown(row['class'])}"
        raise DatasetError(f"{table}: {wrong}, which UrbanSound8K has not; {_ADVICE}")
    path = folder / "audio" / f"fold{fold}" / name
    return LabelledClip(name, path, str(fold), (number,), str(source))
