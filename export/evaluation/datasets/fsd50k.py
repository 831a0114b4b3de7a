"""FSD50K: 51,197 clips of up to 30 s, each with all the classes that are heard in it.

Fonseca, Favory, Pons, Font, Serra, "FSD50K: An Open Dataset of Human-Labeled Sound Events", IEEE/ACM
Transactions on Audio, Speech, and Language Processing, 2022.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path

from export.evaluation.datasets.dataset import (
    Dataset,
    DatasetError,
    LabelledClip,
    Split,
    check_files,
    check_parts,
    in_order,
)
from export.evaluation.datasets.table import read_table, shown, whole_number

N_CLASSES = 200
CLIPS_PER_FOLD = {"train": 36796, "val": 4170, "eval": 10231}

_FNAME = re.compile("[0-9]+")
_TABLES = "FSD50K.ground_truth"
_ADVICE = "give the folder of an unpacked FSD50K download (zenodo.org/records/4060432)"

logger = logging.getLogger(__name__)


def load_fsd50k(folder: Path) -> Dataset:
    """List FSD50K: three folds, "train", "val" and "eval", and one split, "eval" judged by "train".

    "val" is for choices, such as that of a threshold. What was chosen on clips must not be judged on them, so
    they are not judged. Nor are they in the pool: a choice made on clips that were learnt from would be the
    wrong one for clips that were not.

    Args:
        folder: holds `FSD50K.ground_truth`, `FSD50K.dev_audio` and `FSD50K.eval_audio`. With
            `FSD50K.metadata` too, a clip's source is who uploaded it; without, each clip is its own.

    Raises: DatasetError if it does not, or something of it is missing.
    """
    classes = _vocabulary(folder / _TABLES / "vocabulary.csv")
    places = {name: place for place, name in enumerate(classes)}
    listed = [*_part(folder, "dev", places), *_part(folder, "eval", places)]
    check_parts(listed, CLIPS_PER_FOLD, classes, folder / _TABLES, _ADVICE)
    clips = in_order(listed, tuple(CLIPS_PER_FOLD))
    check_files(clips, folder)
    return Dataset("fsd50k", "FSD50K", classes, clips, (Split(("train",), "eval"),), multi_label=True)


def _vocabulary(path: Path) -> tuple[str, ...]:
    rows = read_table(path, ("index", "name", "mid"), _ADVICE, has_header=False)
    names = {whole_number(row, "index", path, _ADVICE): row["name"] for row in rows}
    if len(rows) != N_CLASSES or sorted(names) != list(range(N_CLASSES)):
        raise DatasetError(f"{path}: {len(rows)} classes, not {N_CLASSES} numbered from 0; {_ADVICE}")
    if len(set(names.values())) != N_CLASSES:
        raise DatasetError(f"{path}: two classes have the same name; {_ADVICE}")
    return tuple(names[place] for place in range(N_CLASSES))


def _part(folder: Path, part: str, places: Mapping[str, int]) -> list[LabelledClip]:
    """The clips of "dev", which are in "train" or "val", or those of "eval"."""
    table = folder / _TABLES / f"{part}.csv"
    rows = read_table(table, ("fname", "labels", *(["split"] if part == "dev" else [])), _ADVICE)
    audio, uploaders = folder / f"FSD50K.{part}_audio", _uploaders(folder, part)
    clips = []
    for row in rows:
        fname, fold = row["fname"], row.get("split", part)
        if not _FNAME.fullmatch(fname):
            raise DatasetError(f"{table}: fname {shown(fname)} is no whole number; {_ADVICE}")
        if part == "dev" and fold not in ("train", "val"):
            raise DatasetError(f"{table}: {fname} is in split {shown(fold)}, not train or val; {_ADVICE}")
        classes = _classes(row["labels"], places, table)
        name = f"{fname}.wav"
        clips.append(LabelledClip(name, audio / name, fold, classes, uploaders.get(fname, fname)))
    return clips


def _classes(labels: str, places: Mapping[str, int], table: Path) -> tuple[int, ...]:
    names = [name.strip() for name in labels.split(",")]
    unknown = [name for name in names if name not in places]
    if unknown:
        raise DatasetError(f"{table}: class {shown(unknown[0])} is not in vocabulary.csv; {_ADVICE}")
    return tuple(sorted({places[name] for name in names}))


def _uploaders(folder: Path, part: str) -> dict[str, str]:
    """Who uploaded each clip, by its fname, as far as the data set's notes tell."""
    path = folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
    try:
        notes = json.loads(path.read_text(encoding="utf-8"))
        return {fname: str(clip["uploader"]) for fname, clip in notes.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        logger.warning("%s: each clip is taken as a source of its own: %s", path, error)
        return {}
