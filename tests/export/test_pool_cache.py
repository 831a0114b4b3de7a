from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from export.cache_folder import cache_folder
from export.pool.cache import FILE_NAME, EmbeddingCache
from export.pool.errors import PoolError

VECTORS = np.random.default_rng(4).standard_normal((3, 512)).astype(np.float32)


def test_what_was_put_is_found_again_bit_for_bit(tmp_path: Path) -> None:
    with closing(EmbeddingCache(tmp_path / "new" / "folder")) as cache:
        cache.put("content", "settings", {"int8": VECTORS, "fp32": VECTORS[:1]})
    with closing(EmbeddingCache(tmp_path / "new" / "folder")) as cache:
        found = cache.get("content", "int8", "settings")
        assert found is not None
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, VECTORS)
        np.testing.assert_array_equal(cache.get("content", "fp32", "settings"), VECTORS[:1])


def test_another_content_encoder_or_setting_is_not_known(tmp_path: Path) -> None:
    with closing(EmbeddingCache(tmp_path)) as cache:
        cache.put("content", "settings", {"encoder": VECTORS})
        assert cache.get("content", "encoder", "settings") is not None
        assert cache.get("other", "encoder", "settings") is None
        assert cache.get("content", "other", "settings") is None
        assert cache.get("content", "encoder", "other") is None


def test_a_recording_with_nothing_to_hear_is_remembered_as_such(tmp_path: Path) -> None:
    with closing(EmbeddingCache(tmp_path)) as cache:
        cache.put("silence", "settings", {"encoder": np.zeros((0, 0), np.float32)})
        found = cache.get("silence", "encoder", "settings")
    assert found is not None
    assert len(found) == 0


@pytest.mark.parametrize(
    "damage",
    ["vectors = zeroblob(length(vectors))", "n_windows = 4", "n_windows = 1", "vectors = 'x'", "crc32 = 'x'"],
)
def test_a_damaged_entry_is_not_known(tmp_path: Path, damage: str) -> None:
    with closing(EmbeddingCache(tmp_path)) as cache:
        cache.put("content", "settings", {"encoder": VECTORS})
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection, connection:
        connection.execute(f"UPDATE embeddings SET {damage}")  # noqa: S608
    with closing(EmbeddingCache(tmp_path)) as cache:
        assert cache.get("content", "encoder", "settings") is None


@pytest.mark.parametrize("n_kept", [0, 50, 5000])
def test_a_file_that_is_no_database_is_kept_aside_and_begun_anew(
    tmp_path: Path, n_kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(EmbeddingCache(tmp_path)) as cache:
        cache.put("content", "settings", {"encoder": VECTORS})
    path = tmp_path / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:n_kept] + b"\x55" * (len(whole) - n_kept))
    (tmp_path / f"{FILE_NAME}-journal").write_bytes(b"left by whatever happened")
    with caplog.at_level(logging.WARNING), closing(EmbeddingCache(tmp_path)) as cache:
        assert cache.get("content", "encoder", "settings") is None
        cache.put("content", "settings", {"encoder": VECTORS})
        np.testing.assert_array_equal(cache.get("content", "encoder", "settings"), VECTORS)
    assert "is damaged" in caplog.text
    assert path.with_suffix(".damaged").exists()


def put_hundred(cache: EmbeddingCache) -> None:
    for number in range(100):
        cache.put(str(number), "settings", {"encoder": VECTORS})


def test_a_full_disk_is_told_in_one_line_and_costs_nothing_that_was_stored(tmp_path: Path) -> None:
    with closing(EmbeddingCache(tmp_path)) as cache:
        # SQLite's own way to say how large its file may grow: the error is that of a full disk.
        cache._connection.execute("PRAGMA max_page_count = 20")
        with pytest.raises(PoolError, match="full") as caught:
            put_hundred(cache)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "--cache" in str(caught.value)
    with closing(EmbeddingCache(tmp_path)) as cache:
        is_stored = [cache.get(str(number), "encoder", "settings") is not None for number in range(100)]
    assert 0 < sum(is_stored) < 20
    assert all(is_stored[: sum(is_stored)])


@pytest.mark.parametrize("in_the_way", ["the folder is a file", "the database is a folder"])
def test_a_place_that_cannot_hold_a_cache_is_named(tmp_path: Path, in_the_way: str) -> None:
    folder = tmp_path / "cache"
    if in_the_way == "the folder is a file":
        folder.touch()
    else:
        (folder / FILE_NAME).mkdir(parents=True)
    with pytest.raises(PoolError, match="--cache") as caught:
        EmbeddingCache(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_it_lies_where_the_environment_says_or_in_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("embeddings") == tmp_path / "edge-listen" / "embeddings"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for unusable in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        assert cache_folder("datasets") == tmp_path / "home" / ".cache" / "edge-listen" / "datasets"
