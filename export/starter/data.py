"""ESC-50 as training and test material: an official download, or a folder of its clips with more columns.

Piczak, "ESC: Dataset for Environmental Sound Classification", ACM Multimedia 2015. The set as a whole is CC
BY-NC, but each clip has a licence of its own, listed in the download's LICENSE; only clips under CC0 and
CC BY are trained on.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from edge.errors import SoundError
from edge.frontend import STARTER
from edge.types import Samples
from export.starter import augment

N_CLASSES = 50
N_CLIPS = 2000
DEVELOPMENT_FOLDS = (1, 2, 3, 5)
FINAL_FOLD = 4
PERMISSIVE = ("CC0", "CC-BY")


class DatasetError(SoundError, ValueError):
    """A data set's folder lacks something, or holds something else than expected."""

    exit_code = 7


@dataclass(frozen=True)
class Clip:
    """One ESC-50 clip.

    Attributes:
        filename: official name, such as `1-100032-A-0.wav`.
        path: the audio file.
        fold: 1 to 5.
        target: class number, 0 to 49.
        category: class name, such as `crying_baby`.
        licence: "CC0", "CC-BY", "CC-BY-NC" or "CC-Sampling+".
        author: Freesound user.
        source: page of the original recording.
        degraded: whether only an 8-bit copy at 16 kHz is at hand.
        certain: whether the file is surely this clip (degraded copies were matched by spectrogram).
    """

    filename: str
    path: Path
    fold: int
    target: int
    category: str
    licence: str
    author: str
    source: str
    degraded: bool = False
    certain: bool = True

    @property
    def source_id(self) -> str:
        """Freesound number of the recording that the clip was cut from: `1-100032-A-0` is of 100032."""
        return self.filename.split("-")[1]

    @property
    def permissive(self) -> bool:
        """Whether it may be trained on: CC0 or CC BY."""
        return self.licence in PERMISSIVE


def load_clips(data: Path) -> list[Clip]:
    """List the clips of an ESC-50 folder, sorted by name.

    data: an official download (`meta/esc50.csv`, `audio/*.wav`, `LICENSE`), or a folder whose `esc50.csv` has
        the columns `file`, `licence`, `author` and `source` besides the official ones.

    Raises: DatasetError if the folder is neither, or clips are missing.
    """
    if (data / "meta" / "esc50.csv").is_file():
        clips = _load_official(data)
    elif (data / "esc50.csv").is_file():
        clips = _load_annotated(data)
    else:
        raise DatasetError(
            f"{data}: neither meta/esc50.csv nor esc50.csv is there; "
            "give the folder of an unpacked ESC-50 download (github.com/karolpiczak/ESC-50)"
        )
    missing = [clip.path for clip in clips if not clip.path.is_file()]
    if missing:
        raise DatasetError(f"{data}: {len(missing)} audio files are missing, the first is {missing[0]}")
    absent = sorted(set(range(1, 6)) - {clip.fold for clip in clips})
    if absent:
        raise DatasetError(f"{data}: fold {absent[0]} is missing: ESC-50 has folds 1 to 5; download it again")
    if len(clips) != N_CLIPS or set(Counter(clip.target for clip in clips).values()) != {
        N_CLIPS // N_CLASSES
    }:
        raise DatasetError(f"{data}: ESC-50 has 40 clips of each of 50 classes; found {len(clips)} clips")
    return sorted(clips, key=lambda clip: clip.filename)


def _load_official(data: Path) -> list[Clip]:
    licences = read_licences(data / "LICENSE")
    clips = []
    for row in _rows(data / "meta" / "esc50.csv", ("filename", "fold", "target", "category")):
        take = row["filename"].rsplit("-", 1)[0]
        if take not in licences:
            raise DatasetError(f"{data / 'LICENSE'}: no licence line for {row['filename']}")
        licence, author, source = licences[take]
        path = data / "audio" / row["filename"]
        clips.append(
            Clip(
                row["filename"], path, int(row["fold"]), int(row["target"]), row["category"],
                licence, author, source,
            )
        )  # fmt: skip
    return clips


def _load_annotated(data: Path) -> list[Clip]:
    columns = (
        "filename",
        "file",
        "fold",
        "target",
        "category",
        "quality",
        "match",
        "licence",
        "author",
        "source",
    )
    clips = []
    for row in _rows(data / "esc50.csv", columns):
        score = re.match(r"spec:([0-9.]+)", row["match"])
        clips.append(
            Clip(
                row["filename"], data / row["file"], int(row["fold"]), int(row["target"]), row["category"],
                row["licence"], row["author"], row["source"],
                degraded=row["quality"] == "16k-8bit", certain=score is None or float(score[1]) >= 0.6,
            )
        )  # fmt: skip
    return clips


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        absent = [name for name in columns if name not in (reader.fieldnames or ())]
        if absent:
            raise DatasetError(f"{path}: column {absent[0]} is missing; is this ESC-50's table?")
        rows = list(reader)
    for row in rows:
        if not (row["fold"].isdecimal() and row["target"].isdecimal()):
            raise DatasetError(f"{path}: fold or target of {row['filename']} is no whole number")
    return rows


def read_licences(path: Path) -> dict[str, tuple[str, str, str]]:
    """Licence, author and source page of each clip, keyed by fold, recording and take: `1-100032-A`.

    The lines read `- [1-100032-A.ogg]: clip derived from TITLE (PAGE) by AUTHOR [CC0]`.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: missing; the licence of each clip is read from it")
    line = re.compile(
        r"- \[(\d-\d+-[A-Z])(?:-\d+)?\.(?:ogg|wav)\]:.*\((https?://\S+)\) by (.*) \[(CC[^\]]*)\]"
    )
    text = path.read_text(encoding="utf-8", errors="replace")
    found = {match[1]: (match[4], match[3], match[2]) for match in line.finditer(text)}
    if not found:
        raise DatasetError(f"{path}: no clip's licence could be read from it")
    return found


def read_mono(path: Path, sample_rate_hz: int) -> NDArray[np.float32]:
    """Read an audio file whole, down-mixed and resampled.

    Returns: (n_samples,) float32 in [-1, 1].
    Raises: DatasetError if it can't be decoded.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DatasetError(f"{path}: cannot be decoded ({error})") from None
    mono = samples.mean(axis=1)
    return np.asarray(soxr.resample(mono, rate_hz, sample_rate_hz), np.float32)


def common_quality(clip: Clip, *, degraded: bool) -> Samples:
    """A clip at the quality that all development clips are at hand in, so that quality tells no class.

    degraded: whether some of the data set's clips are 8-bit copies.
    """
    samples = read_mono(clip.path, STARTER.sample_rate_hz)
    return augment.requantise(samples) if degraded and not clip.degraded else samples
