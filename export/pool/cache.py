"""What was embedded before: vectors by the content of the audio file, the encoder and the window settings.

One SQLite file, so that fifty thousand recordings are not fifty thousand files, and so that what is stored
stays stored whatever ends the program. It only ever saves time: what is damaged is made anew.
"""

from __future__ import annotations

import logging
import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.pool.errors import PoolError

FILE_NAME = "embeddings-1.sqlite3"
"""The number is the format's: another one begins another file."""
BUSY_TIMEOUT_S = 60.0
_TABLE = """
CREATE TABLE IF NOT EXISTS embeddings (
    content TEXT NOT NULL, encoder TEXT NOT NULL, settings TEXT NOT NULL,
    n_windows INTEGER NOT NULL, crc32 INTEGER NOT NULL, vectors BLOB NOT NULL,
    PRIMARY KEY (content, encoder, settings)
) WITHOUT ROWID
"""

logger = logging.getLogger(__name__)


class EmbeddingCache:
    """The store, to be used in the thread that opened it and then closed. Several processes may share it.

    Args:
        folder: where it lies, made if need be.

    Raises: PoolError, from the constructor and every method, if it cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PoolError(
                f"{folder}: embeddings cannot be kept there ({error.strerror}); "
                "name another folder with --cache"
            ) from error
        self._connection = self._opened()

    def close(self) -> None:
        """Close it; what was put stays."""
        self._connection.close()

    def get(self, content: str, encoder: str, settings: str) -> NDArray[np.float32] | None:
        """Look a recording up.

        content, encoder: sha256 of the audio file and of the encoder. settings: `WindowSettings.key`.
        Returns: (n_windows, dim) float32, unit rows; (0, 0) if none of its windows is worth embedding; None
            if it is not known.
        """
        rows = self._execute(
            "SELECT n_windows, crc32, vectors FROM embeddings "
            "WHERE content = ? AND encoder = ? AND settings = ?",
            [(content, encoder, settings)],
        )
        return _vectors(*rows[0]) if rows else None

    def put(self, content: str, settings: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Store what encoders, named by their sha256, made of a recording. Once this returns it is kept."""
        entries = []
        for encoder, array in vectors.items():
            blob = np.ascontiguousarray(array, "<f4").tobytes()
            entries.append((content, encoder, settings, len(array), zlib.crc32(blob, len(array)), blob))
        self._execute("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?, ?)", entries)

    def _execute(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Run a statement for each row of parameters, in one transaction; on a damaged file, on a new one."""
        try:
            return self._transaction(statement, rows)
        except sqlite3.OperationalError as error:
            raise self._refusal(error) from error
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
        try:
            return self._transaction(statement, rows)
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _transaction(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        found = []
        with self._connection:
            for row in rows:
                found += self._connection.execute(statement, row).fetchall()
        return found

    def _opened(self) -> sqlite3.Connection:
        try:
            try:
                return self._connect()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                self._move_away(error)
                return self._connect()
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S)
        try:
            # Enough for the program's sudden end; a power cut may cost the file, so it may be made anew.
            connection.execute("PRAGMA synchronous = NORMAL")
            with connection:
                connection.execute(_TABLE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        self._connection.close()
        self._move_away(error)
        self._connection = self._opened()

    def _move_away(self, error: sqlite3.Error) -> None:
        damaged = self.path.with_suffix(".damaged")
        logger.warning("%s is damaged (%s): begun anew, kept as %s", self.path, error, damaged.name)
        self.path.replace(damaged)
        # SQLite would apply what it finds under this name to the new file.
        self.path.with_name(f"{FILE_NAME}-journal").unlink(missing_ok=True)

    def _refusal(self, error: sqlite3.Error) -> PoolError:
        return PoolError(
            f"{self.path}: embeddings cannot be kept there ({error}); make room or make it writable, or name "
            "another folder with --cache; what it held is still there"
        )


def _vectors(n_windows: int, crc32: int, blob: bytes) -> NDArray[np.float32] | None:
    """The stored array, or None if the row is not what was written."""
    try:
        if zlib.crc32(blob, n_windows) != crc32:
            return None
        values = np.frombuffer(blob, "<f4").astype(np.float32)
        return values.reshape(n_windows, -1) if n_windows else values.reshape(0, 0)
    except (TypeError, ValueError):
        return None
