"""A file of the embedding log: a line of JSON, then a row of fixed size for each window.

docs/embedding-log.md describes it. Within a file, times never go back and span a day at most.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import SoundError, one_line
from edge.times import utc

_FORMAT = {"format": "edge-listen embedding log", "version": 1}
_LONGEST_HEADER_BYTES = 4096
_OURS = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}(-\d+)?\.emb")
_READ_BYTES = 4_000_000
"""What is read at a time: a few thousand rows."""
_NORM_TOLERANCE = 0.01
"""Far more than half precision costs, far less than what isn't an embedding differs by."""


class LogFileError(SoundError, ValueError):
    """A file of the embedding log is damaged, or of another version."""


@dataclass(frozen=True)
class LogHeader:
    """What all rows of a file have in common.

    Attributes:
        encoder_sha256: of the encoder that made them.
        embedding_dim: values of a row.
        hop_s: seconds between two windows.
        window_s: seconds of a window.
        source: what a person calls the source.
        created: when the file was begun, UTC in RFC 3339.
    """

    encoder_sha256: str
    embedding_dim: int
    hop_s: float
    window_s: float
    source: str
    created: str

    def as_bytes(self) -> bytes:
        """The first line of the file."""
        told = _FORMAT | asdict(self) | {"source": one_line(self.source)}
        return json.dumps(told).encode("ascii") + b"\n"


@dataclass(frozen=True, eq=False)
class LogPart:
    """Some rows of a file.

    Attributes:
        unix_s: (n,) float64, Unix time of the middle of each window.
        level_dbfs: (n,) float32, level of each, in dB against full scale.
        embeddings: (n, embedding_dim) float32, unit L2 norm to half precision.
        hop_s: seconds between two windows.
    """

    unix_s: NDArray[np.float64]
    level_dbfs: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    hop_s: float


@dataclass(frozen=True)
class LogFile:
    """A file and what its beginning and end tell.

    Attributes:
        path: where it lies.
        header: its first line.
        header_bytes: how long that is.
        first_unix_s: time of its first row; nan without one.
        last_unix_s: time of its last whole row; nan without one.
    """

    path: Path
    header: LogHeader
    header_bytes: int
    first_unix_s: float
    last_unix_s: float

    def may_hold(self, since_unix_s: float, until_unix_s: float) -> bool:
        """Whether it may hold a row of that time, both ends included."""
        if not self.first_unix_s <= self.last_unix_s:  # no row, or a last one that a power cut spoilt
            return not math.isnan(self.first_unix_s)
        return self.first_unix_s <= until_unix_s and self.last_unix_s >= since_unix_s


def row_type(embedding_dim: int) -> np.dtype[np.void]:
    """A row as it lies in the file, little-endian and without gaps."""
    return np.dtype([("unix_s", "<f8"), ("level_dbfs", "<f4"), ("embedding", "<f2", (embedding_dim,))])


def file_name(unix_s: float, encoder_sha256: str, number: int = 1) -> str:
    """Such as 20261126T031500Z-1a2b3c4d.emb; -2.emb and so on for more of the same second.

    unix_s: time of its first row.
    """
    more = "" if number == 1 else f"-{number}"
    return f"{utc(unix_s):%Y%m%dT%H%M%SZ}-{encoder_sha256[:8]}{more}.emb"


def log_paths(directory: Path) -> list[Path]:
    """The files of the log in a directory, by name; others are left out. Raises: OSError."""
    return sorted(path for path in directory.iterdir() if _OURS.fullmatch(path.name))


def open_log_file(path: Path) -> LogFile:
    """Read what a file's beginning and end tell. Raises: OSError; LogFileError."""
    with path.open("rb") as file:
        line = file.readline(_LONGEST_HEADER_BYTES)
        header = _header(path, line)
        row_bytes = row_type(header.embedding_dim).itemsize
        n_rows = (path.stat().st_size - len(line)) // row_bytes
        times = []
        for row in (0, n_rows - 1) if n_rows else ():
            file.seek(len(line) + row * row_bytes)
            times.append(float(np.frombuffer(file.read(8), "<f8")[0]))
    first, last = times or (math.nan, math.nan)
    return LogFile(path, header, len(line), first, last)


def read_rows(file: LogFile, since_unix_s: float, until_unix_s: float) -> Iterator[LogPart]:
    """Read the rows of a time, both ends included, some thousands at a time.

    A last row that is half written is passed over, and so is what a power cut left in place of rows.
    Raises: OSError.
    """
    row = row_type(file.header.embedding_dim)
    at_a_time = max(1, _READ_BYTES // row.itemsize) * row.itemsize
    with file.path.open("rb") as stream:
        stream.seek(file.header_bytes)
        while content := stream.read(at_a_time):
            rows = np.frombuffer(content, row, len(content) // row.itemsize)
            embeddings = rows["embedding"].astype(np.float32)
            norms = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings))
            unix_s = rows["unix_s"].astype(np.float64)
            is_wanted = (unix_s >= since_unix_s) & (unix_s <= until_unix_s) & np.isfinite(unix_s)
            is_wanted &= np.abs(norms - 1.0) <= _NORM_TOLERANCE
            if is_wanted.any():
                level_dbfs = rows["level_dbfs"].astype(np.float32)
                yield LogPart(
                    unix_s[is_wanted], level_dbfs[is_wanted], embeddings[is_wanted], file.header.hop_s
                )


def _header(path: Path, line: bytes) -> LogHeader:
    try:
        told: Any = json.loads(line)
        found = {name: told[name] for name in _FORMAT}
        header = LogHeader(**{each.name: told[each.name] for each in fields(LogHeader)})
    except (ValueError, KeyError, TypeError):
        raise LogFileError(f"{path} is no file of an embedding log, or a damaged one: delete it") from None
    if found != _FORMAT:
        raise LogFileError(f"{path} was made by another version of edge-listen: search it with that one")
    numbers = (header.embedding_dim, header.hop_s, header.window_s)
    if (
        not all(type(number) in {int, float} and 0 < number < 1e6 for number in numbers)
        or type(header.embedding_dim) is not int
        or not isinstance(header.encoder_sha256, str)
    ):
        raise LogFileError(f"{path} has a damaged first line: delete it")
    return header
