"""Recordings in folders: background, and the labels' own sounds in a folder each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edge.errors import AudioSourceError, ConfigError, LabelError
from edge.labels import find_label
from edge.manifest import LabelEntry
from edge.sources.audio_file import AudioFileSource
from edge.types import Samples
from export.background.sound import Sound
from export.pool.recordings import find_recordings

SILENCE_S = 1.0
"""Before and behind each sound of a label, as it comes out of quiet and goes back into it."""


def folder_sounds(folder: Path, sample_rate_hz: int) -> list[Sound]:
    """Every audio file of a folder, at any depth, sorted by name.

    Raises: ConfigError if there is no such folder; PoolError if there is no audio in it.
    """
    _check_folder(folder)
    return [file_sound(recording.path, sample_rate_hz) for recording in find_recordings(folder)]


def member_sounds(folder: Path, labels: Sequence[LabelEntry], sample_rate_hz: int) -> list[tuple[int, Sound]]:
    """The audio files of each label's folder with the label's place, and silence about them.

    folder: with a folder for each label that there are recordings of, called by any of the label's names.
    Raises: ConfigError if there is no such folder, or none in it; LabelError if one is called by no label's
        name; PoolError if there is no audio in one.
    """
    _check_folder(folder)
    of_labels = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not of_labels:
        raise ConfigError(f"{folder} holds no folders: put each label's recordings in one with its name")
    found = []
    for path in of_labels:
        label = find_label(path.name, labels)
        if label is None or label.kind != "label":
            raise LabelError(f"{path} is not called by the name of one of the bundle's labels: rename it")
        place = labels.index(label)
        found += [
            (place, file_sound(recording.path, sample_rate_hz, SILENCE_S))
            for recording in find_recordings(path)
        ]
    return found


def file_sound(path: Path, sample_rate_hz: int, silence_s: float = 0.0) -> Sound:
    """A file, with so much silence before it and behind it."""

    def blocks() -> Iterator[Samples]:
        silence = np.zeros(round(silence_s * sample_rate_hz), np.float32)
        yield silence
        with AudioFileSource(path, sample_rate_hz) as source:
            yield from (block.samples for block in source.blocks())
        yield silence

    return Sound(str(path), _key(path, silence_s), blocks)


def _key(path: Path, silence_s: float) -> str:
    """Of the file's content. Raises: AudioSourceError."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise AudioSourceError(
            f"{path} cannot be read ({error.strerror or error}): mend it or take it away"
        ) from error
    return f"file {digest.hexdigest()} and {silence_s:g} s of silence"


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise ConfigError(f"{folder} {what}: name a folder of recordings")
