"""Whose recordings a pool holds, and under which licence, as far as a known data set's own tables tell."""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from export.pool.recordings import Recording
from export.starter.data import read_licences

UNKNOWN = "unknown"
_LEVELS = 3
"""Of folders above a recording in which its data set's tables may lie, as in UrbanSound8K/audio/fold1."""

logger = logging.getLogger(__name__)


class Credit(NamedTuple):
    """A row of a bundle's attribution file.

    Attributes:
        file: the recording's name in the pool.
        author: who made it, or "unknown".
        licence: as its data set names it, or "unknown".
        source: page of the original, or "unknown".
        labels: names of the labels whose prototypes it is part of, with "; " between them.
    """

    file: str
    author: str
    licence: str
    source: str
    labels: str = ""


@dataclass(frozen=True)
class _Table:
    """What a data set tells of its recordings.

    Attributes:
        name: pattern of a file's name without its ending; "key" in it is what the table goes by, and "id" the
            recording's number at freesound.org.
        rows: author, licence and source by that key.
    """

    name: re.Pattern[str]
    rows: Mapping[str, tuple[str, str, str]]


_ESC50 = re.compile(r"(?P<key>\d-(?P<id>\d+)-[A-Z])-\d+")
_URBANSOUND8K = re.compile(r"(?P<key>(?P<id>\d+))-\d-\d+-\d+")
_FSD50K = re.compile(r"(?P<key>(?P<id>\d+))")


def credits_of(recordings: Sequence[Recording]) -> list[Credit]:
    """One row for each recording, in their order.

    Tables are looked for in the folders above each recording, so a pool may be a data set, its audio folder
    alone, or a folder with several of them in it. A table that cannot be read is passed over with a warning.
    """
    tables: dict[Path, _Table | None] = {}
    rows = []
    for recording in recordings:
        found = (UNKNOWN, UNKNOWN, UNKNOWN)
        for folder in recording.path.resolve().parents[:_LEVELS]:
            if folder not in tables:
                tables[folder] = _table_in(folder)
            table = tables[folder]
            match = table.name.fullmatch(recording.path.stem) if table else None
            if table and match:
                page = f"https://freesound.org/s/{match['id']}/"
                found = table.rows.get(match["key"], (UNKNOWN, UNKNOWN, page))
                break
        rows.append(Credit(recording.name, *found))
    return rows


def _table_in(folder: Path) -> _Table | None:
    """The table of the data set that a folder is the top of, or None if it is none."""
    readers = {
        "meta/esc50.csv": (_ESC50, _esc50),
        "esc50.csv": (_ESC50, _esc50_annotated),
        "metadata/UrbanSound8K.csv": (_URBANSOUND8K, _urbansound8k),
        "FSD50K.metadata": (_FSD50K, _fsd50k),
    }
    for mark, (name, read) in readers.items():
        if (folder / mark).exists():
            try:
                return _Table(name, read(folder))
            except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
                logger.warning("%s: authors and licences noted as unknown: %s", folder, error)
                return _Table(name, {})
    return None


def _esc50(folder: Path) -> dict[str, tuple[str, str, str]]:
    licences = read_licences(folder / "LICENSE")
    return {take: (author, licence, source) for take, (licence, author, source) in licences.items()}


def _esc50_annotated(folder: Path) -> dict[str, tuple[str, str, str]]:
    with (folder / "esc50.csv").open(newline="", encoding="utf-8") as file:
        return {
            row["filename"].rsplit("-", 1)[0]: (row["author"], row["licence"], row["source"])
            for row in csv.DictReader(file)
        }


def _urbansound8k(folder: Path) -> dict[str, tuple[str, str, str]]:
    """Lines `100032 by nfrae`; the licence is the data set's, for it lists none of the recordings' own."""
    text = (folder / "FREESOUNDCREDITS.txt").read_text(encoding="utf-8", errors="replace")
    return {
        number: (author, "CC-BY-NC (UrbanSound8K)", f"https://freesound.org/s/{number}/")
        for number, author in re.findall(r"^(\d+) by (.+?)\s*$", text, re.MULTILINE)
    }


def _fsd50k(folder: Path) -> dict[str, tuple[str, str, str]]:
    rows = {}
    for part in ("dev", "eval"):
        text = (folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json").read_text(encoding="utf-8")
        for number, clip in json.loads(text).items():
            rows[number] = (clip["uploader"], clip["license"], f"https://freesound.org/s/{number}/")
    return rows
