"""The evaluation's data sets in their true layouts and sizes, but small on disk: links to a few short sounds.

Every maker takes a sound for each class, and all clips of a class are links to it, so that what goes by a
file's content computes each but once. `write_sounds` makes such sounds.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from export.starter.vocabulary import VOCABULARY

ESC50_CLASSES = tuple(word.dataset_name for word in VOCABULARY)
URBANSOUND8K_CLASSES = (
    *("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling"),
    *("engine_idling", "gun_shot", "jackhammer", "siren", "street_music"),
)
FSD50K_REAL_CLASSES = (
    *("Bark", "Siren", "Rain", "Accordion", "Applause", "Bathtub_(filling_or_washing)"),
    *("Burping_and_eructation", "Car_passing_by", "Chicken_and_rooster", "Thunder"),
)
FSD50K_CLASSES = (*FSD50K_REAL_CLASSES, *(f"Class_{n:03d}" for n in range(len(FSD50K_REAL_CLASSES), 200)))
LICENCES = ("CC0", "CC-BY", "CC-BY-NC", "CC-Sampling+")

URBANSOUND8K_SIZES = (
    (100, 36, 100, 100, 100, 96, 35, 120, 86, 100),
    (100, 42, 100, 100, 100, 100, 35, 120, 91, 100),
    (100, 43, 100, 100, 100, 107, 36, 120, 119, 100),
    (100, 59, 100, 100, 100, 107, 38, 120, 166, 100),
    (100, 98, 100, 100, 100, 107, 40, 120, 71, 100),
    (100, 28, 100, 100, 100, 107, 46, 68, 74, 100),
    (100, 28, 100, 100, 100, 106, 51, 76, 77, 100),
    (100, 30, 100, 100, 100, 88, 30, 78, 80, 100),
    (100, 32, 100, 100, 100, 89, 31, 82, 82, 100),
    (100, 33, 100, 100, 100, 93, 32, 96, 83, 100),
)
"""Clips of each class, by fold."""
FSD50K_SIZES = {"train": 36796, "val": 4170, "eval": 10231}


def write_sounds(
    folder: Path, classes: Sequence[str], seconds: float = 0.3, rate_hz: int = 16000
) -> dict[str, Path]:
    """A sound of each class: a tone of a pitch of its own, in a little noise."""
    folder.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    sounds = {}
    for number, name in enumerate(classes):
        noise = np.random.default_rng(number).standard_normal(len(time_s))
        hz = 150.0 * (0.4 * rate_hz / 150.0) ** (number / max(1, len(classes) - 1))
        sounds[name] = folder / f"{number:03d}.wav"
        soundfile.write(sounds[name], 0.3 * np.sin(2 * np.pi * hz * time_s) + 0.01 * noise, rate_hz)
    return sounds


def write_esc50(folder: Path, sounds: Mapping[str, Path]) -> Path:
    """An official download: 2,000 clips, each of a recording of its own, licences in turn."""
    (folder / "audio").mkdir(parents=True)
    rows: list[tuple[object, ...]] = []
    lines = ["# ESC-50: Dataset for Environmental Sound Classification", ""]
    for number in range(2000):
        fold, target, source = number % 5 + 1, number // 40, 10000 + number
        name = f"{fold}-{source}-A-{target}.wav"
        rows.append((name, fold, target, ESC50_CLASSES[target], False, source, "A"))
        _link(sounds[ESC50_CLASSES[target]], folder / "audio" / name)
        page = f"http://www.freesound.org/people/Some%20One/sounds/{source}/"
        lines.append(
            f"- [{fold}-{source}-A.ogg]:  clip derived from a (b) by c.wav ({page}) "
            f"by Some One [{LICENCES[number % 4]}]"
        )
    header = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
    write_csv(folder / "meta" / "esc50.csv", [header, *rows])
    (folder / "LICENSE").write_text("\n".join(lines))
    return folder


def write_urbansound8k(folder: Path, sounds: Mapping[str, Path]) -> Path:
    """8,732 clips in folds and classes of their true sizes, up to four of each recording."""
    rows: list[tuple[object, ...]] = []
    sources = []
    for fold, sizes in enumerate(URBANSOUND8K_SIZES, start=1):
        place = folder / "audio" / f"fold{fold}"
        place.mkdir(parents=True)
        for number, (category, size) in enumerate(zip(URBANSOUND8K_CLASSES, sizes, strict=True)):
            for clip in range(size):
                source, cut = 100000 * fold + 1000 * number + clip // 4, clip % 4
                name = f"{source}-{number}-0-{cut}.wav"
                rows.append((name, source, cut / 2, cut / 2 + 4, 1 + clip % 2, fold, number, category))
                sources.append(source)
                _link(sounds[category], place / name)
    header = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
    write_csv(folder / "metadata" / "UrbanSound8K.csv", [header, *sorted(rows, key=lambda row: str(row[0]))])
    lines = [f"{source} by user_{source % 100}" for source in sorted(set(sources))]
    (folder / "FREESOUNDCREDITS.txt").write_text("\n".join(lines))
    return folder


def write_fsd50k(folder: Path, sounds: Mapping[str, Path], sizes: Mapping[str, int] = FSD50K_SIZES) -> Path:
    """51,197 clips, or fewer, with one to three labels each; a clip sounds like the first of them."""
    tables = folder / "FSD50K.ground_truth"
    mids = [f"/m/0{n:03d}" for n in range(200)]
    write_csv(tables / "vocabulary.csv", list(zip(range(200), FSD50K_CLASSES, mids, strict=True)))
    splits = [split for split in ("train", "val") for _ in range(sizes[split])]
    for part, first, size in (("dev", 10000, len(splits)), ("eval", 300000, sizes["eval"])):
        audio = folder / f"FSD50K.{part}_audio"
        audio.mkdir(parents=True)
        rows: list[tuple[object, ...]] = [("fname", "labels", "mids", *(["split"] if part == "dev" else []))]
        notes = {}
        for number in range(size):
            places = _fsd50k_places(number)
            labels = ",".join(FSD50K_CLASSES[place] for place in places)
            split = [splits[number]] if part == "dev" else []
            rows.append((first + number, labels, ",".join(mids[place] for place in places), *split))
            notes[str(first + number)] = _fsd50k_note(number, part)
            _link(sounds[FSD50K_CLASSES[places[0]]], audio / f"{first + number}.wav")
        write_csv(tables / f"{part}.csv", rows)
        (folder / "FSD50K.metadata").mkdir(exist_ok=True)
        (folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json").write_text(json.dumps(notes))
    return folder


def write_folder(
    folder: Path, sounds: Mapping[str, Path], folds: Sequence[str] = ("1", "2", "3"), n_each: int = 2
) -> Path:
    """Anybody's data set: so many clips of each class in each fold, and their table, clips.csv."""
    (folder / "audio").mkdir(parents=True)
    rows: list[tuple[object, ...]] = [("filename", "fold", "label")]
    for fold in folds:
        for label, sound in sounds.items():
            for number in range(n_each):
                name = f"{label}-{fold}-{number}.wav"
                rows.append((name, fold, label))
                _link(sound, folder / "audio" / name)
    write_csv(folder / "clips.csv", rows)
    return folder


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def _link(sound: Path, path: Path) -> None:
    os.symlink(os.path.abspath(sound), path)  # noqa: PTH100, PTH211 - for 50,000 links pathlib is slow


def _fsd50k_places(number: int) -> list[int]:
    return [(number + 7 * more) % 200 for more in range(number % 3 + 1)]


def _fsd50k_note(number: int, part: str) -> dict[str, object]:
    """Nobody uploaded clips of both parts, as in the true one."""
    return {
        "title": f"sound {number}.wav",
        "description": "",
        "tags": [],
        "license": "http://creativecommons.org/licenses/by/3.0/",
        "uploader": f"{part}_user_{number % 700}",
    }
