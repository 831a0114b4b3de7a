"""Embedding a pool: what is done once, what is left out, and what an end at any moment leaves behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("soxr")
pytest.importorskip("tqdm")
from pool_material import RATE_HZ, CountingEncoder, embed, noise, write, write_noises

from edge.errors import EncoderError
from edge.types import Embedding, LogMel
from export.pool.cache import FILE_NAME, EmbeddingCache
from export.pool.contents import Skipped, read_contents
from export.pool.embed import N_LISTED, summary
from export.pool.errors import PoolError
from export.pool.recordings import find_recordings

PROGRAM = Path(__file__).resolve().parents[1] / "pool_material.py"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_each_recording_gives_its_windows_and_names_them(tmp_path: Path, cache: Path) -> None:
    pool = tmp_path / "pool"
    write(pool / "long.wav", noise(7.5, 1))
    write(pool / "in" / "short.flac", noise(0.5, 2))
    encoder = CountingEncoder()
    embedded = embed(pool, cache, [encoder])
    of_pool = embedded.pools["0"]
    assert of_pool.names == ("in/short.flac", "long.wav")
    assert [recording.name for recording in embedded.recordings] == ["in/short.flac", "long.wav"]
    np.testing.assert_array_equal(of_pool.recording, [0, 1, 1, 1, 1])
    assert of_pool.recording.dtype == np.intp
    assert of_pool.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(of_pool.embeddings, axis=1), 1.0, atol=1e-6)
    # Every clip is brought to the length that the encoder takes.
    assert {log_mel.shape for log_mel in encoder.heard} == {(401, 12)}
    assert (embedded.n_cached, embedded.n_duplicates, embedded.skipped) == (0, 0, ())


def test_a_second_run_embeds_nothing_and_gives_the_same(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 5, seconds=3.5)
    first = embed(pool, cache, [CountingEncoder()])
    encoder = CountingEncoder()
    second = embed(pool, cache, [encoder])
    assert not encoder.heard
    assert second.n_cached == 5
    np.testing.assert_array_equal(first.pools["0"].embeddings, second.pools["0"].embeddings)
    np.testing.assert_array_equal(first.pools["0"].recording, second.pools["0"].recording)


@pytest.mark.parametrize("n_workers", [1, 3])
def test_after_an_interrupt_only_the_rest_is_embedded(tmp_path: Path, cache: Path, n_workers: int) -> None:
    pool = write_noises(tmp_path / "pool", 12)
    whole = embed(pool, tmp_path / "other cache", [CountingEncoder()])
    interrupted = CountingEncoder(interrupted_at=6)
    with pytest.raises(KeyboardInterrupt):
        embed(pool, cache, [interrupted], n_workers)
    encoder = CountingEncoder()
    embedded = embed(pool, cache, [encoder], n_workers)
    # What was in hand when it ended may have been stored or not.
    assert 12 - 5 - n_workers <= len(encoder.heard) <= 12 - 5 + n_workers
    np.testing.assert_array_equal(embedded.pools["0"].embeddings, whole.pools["0"].embeddings)


def test_many_workers_give_what_one_gives(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 20, seconds=5.0)
    one = embed(pool, cache, [CountingEncoder()])
    many = embed(pool, tmp_path / "other cache", [CountingEncoder()], n_workers=6)
    assert one.pools["0"].names == many.pools["0"].names
    np.testing.assert_array_equal(one.pools["0"].embeddings, many.pools["0"].embeddings)


def test_encoders_share_rows_and_each_recording_is_cut_once_for_all(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 4, seconds=3.5)
    encoders = [CountingEncoder("0" * 64), CountingEncoder("1" * 64)]
    pools = embed(pool, cache, encoders).pools
    np.testing.assert_array_equal(pools["0"].recording, pools["1"].recording)
    np.testing.assert_array_equal(np.roll(pools["0"].embeddings, 1, axis=1), pools["1"].embeddings)
    assert all(a is b for a, b in zip(encoders[0].heard, encoders[1].heard, strict=True))


def test_a_new_encoder_does_not_get_what_another_made(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 3)
    embed(pool, cache, [CountingEncoder("0" * 64)])
    old, new = CountingEncoder("0" * 64), CountingEncoder("1" * 64)
    embedded = embed(pool, cache, [old, new])
    assert (len(old.heard), len(new.heard)) == (0, 3)
    assert embedded.n_cached == 0
    rolled = np.roll(embedded.pools["0"].embeddings, 1, axis=1)
    np.testing.assert_array_equal(rolled, embedded.pools["1"].embeddings)


def test_what_was_cut_otherwise_is_embedded_again_by_all(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 3)
    whole = embed(pool, cache, [CountingEncoder("0" * 64)])
    store = EmbeddingCache(cache)
    rows = store._connection.execute("SELECT content, settings FROM embeddings").fetchall()
    for content, settings in rows:
        store.put(content, settings, {"0" * 64: np.zeros((2, 3), np.float32)})
    store.close()
    old, new = CountingEncoder("0" * 64), CountingEncoder("1" * 64)
    embedded = embed(pool, cache, [old, new])
    assert len(old.heard) == 3
    np.testing.assert_array_equal(embedded.pools["0"].embeddings, whole.pools["0"].embeddings)
    np.testing.assert_array_equal(embedded.pools["0"].recording, embedded.pools["1"].recording)
    again = CountingEncoder("0" * 64)
    embed(pool, cache, [again, new])
    assert not again.heard


def test_the_same_bytes_under_two_names_are_one_recording(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 3)
    (pool / "z copy.wav").write_bytes((pool / "00.wav").read_bytes())
    (pool / "z link.wav").symlink_to(pool / "01.wav")
    encoder = CountingEncoder()
    embedded = embed(pool, cache, [encoder])
    assert embedded.pools["0"].names == ("00.wav", "01.wav", "02.wav")
    assert embedded.n_duplicates == 2
    assert len(encoder.heard) == 3


def test_a_renamed_recording_is_not_embedded_again_but_a_changed_one_is(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 3)
    before = embed(pool, cache, [CountingEncoder()])
    (pool / "00.wav").rename(pool / "new name.wav")
    write(pool / "01.wav", noise(2.0, seed=99))
    encoder = CountingEncoder()
    after = embed(pool, cache, [encoder])
    assert len(encoder.heard) == 1
    assert after.pools["0"].names == ("01.wav", "02.wav", "new name.wav")
    np.testing.assert_array_equal(after.pools["0"].embeddings[2], before.pools["0"].embeddings[0])
    assert not np.array_equal(after.pools["0"].embeddings[0], before.pools["0"].embeddings[1])


def test_what_cannot_be_read_is_skipped_and_named(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 2)
    write(pool / "cut.flac", noise(20.0, seed=5))
    (pool / "cut.flac").write_bytes((pool / "cut.flac").read_bytes()[:4000])
    (pool / "empty.wav").touch()
    (pool / "empty too.wav").touch()
    (pool / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    (pool / "phone.m4a").write_bytes(b"\x00\x00\x00\x20ftypM4A " + bytes(400))
    (pool / "text.wav").write_text("not a sound\n" * 50)
    soundfile.write(pool / "nan.wav", np.full(3000, np.nan, np.float32), RATE_HZ, subtype="FLOAT")
    write(pool / "silent.wav", np.zeros(3000, np.float32))
    write(pool / "silent too.wav", np.zeros(3000, np.float32))
    embedded = embed(pool, cache, [CountingEncoder()])
    assert embedded.pools["0"].names == ("00.wav", "01.wav")
    reasons = dict(embedded.skipped)
    expected = {
        "cut.flac": "is damaged",
        "empty too.wav": "is empty",
        "empty.wav": "is empty",
        "gone.wav": "no such file",
        "nan.wav": "nothing to hear",
        "phone.m4a": "convert it",
        "silent too.wav": "silent",
        "silent.wav": "silent",
        "text.wav": "not audio",
    }
    assert list(reasons) == sorted(expected)
    for name, phrase in expected.items():
        assert phrase in reasons[name]
        assert str(pool) not in reasons[name]
        assert "\n" not in reasons[name]


def test_a_recording_that_may_not_be_read_is_skipped(tmp_path: Path) -> None:
    pool = write_noises(tmp_path / "pool", 2)
    (pool / "00.wav").chmod(0)
    recordings = find_recordings(pool)
    # What pytest made is for its user alone.
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    tmp_path.chmod(0o755)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        contents, skipped = read_contents(recordings)
    finally:
        os.seteuid(was)
    assert [content.recording.name for content in contents] == ["01.wav"]
    assert skipped == [Skipped("00.wav", "permission denied; check the file and who may read it")]


def test_what_could_not_be_read_is_tried_again_and_silence_is_not(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = write_noises(tmp_path / "pool", 1)
    (pool / "text.wav").write_text("not a sound")
    write(pool / "silent.wav", np.zeros(3000, np.float32))
    embed(pool, cache, [CountingEncoder()])
    tried = []
    from export.pool import workers  # noqa: PLC0415 - what it reads by is replaced

    read = workers.read_windows
    monkeypatch.setattr(workers, "read_windows", lambda path, s: (tried.append(path.name), read(path, s))[1])
    assert len(embed(pool, cache, [CountingEncoder()]).skipped) == 2
    assert tried == ["text.wav"]


def test_silent_and_quiet_windows_are_left_out(tmp_path: Path, cache: Path) -> None:
    loud, silence = noise(2.0, 1), np.zeros(2000, np.float32)
    quiet = loud * np.float32(1e-4)
    pool = tmp_path / "pool"
    pool.mkdir()
    samples = np.concatenate([silence, loud, quiet, loud])
    soundfile.write(pool / "a.wav", samples, RATE_HZ, subtype="FLOAT")
    embedded = embed(pool, cache, [CountingEncoder()])
    assert embedded.pools["0"].embeddings.shape == (2, 3)
    assert not embedded.skipped


def test_a_pool_of_which_nothing_can_be_used_is_refused_in_one_line(tmp_path: Path, cache: Path) -> None:
    pool = tmp_path / "pool"
    write(pool / "silent.wav", np.zeros(3000, np.float32))
    (pool / "empty.wav").touch()
    with pytest.raises(PoolError, match=r"none of the pool's 2 recordings .* empty\.wav: is empty") as caught:
        embed(pool, cache, [CountingEncoder()])
    assert "\n" not in str(caught.value)


def test_a_recording_still_being_written_is_not_remembered(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 2)

    class WritingEncoder(CountingEncoder):
        def encode(self, log_mel: LogMel) -> Embedding:
            if len(self.heard) == 1:
                write(pool / "01.wav", noise(3.0, seed=50))
            return super().encode(log_mel)

    embedded = embed(pool, cache, [WritingEncoder()])
    assert [name for name, _ in embedded.skipped] == ["01.wav"]
    assert "written to" in embedded.skipped[0].reason
    encoder = CountingEncoder()
    assert len(embed(pool, cache, [encoder]).recordings) == 2
    assert len(encoder.heard) == 2


def test_an_encoder_that_fails_ends_it_and_what_was_done_stays(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 6)

    class FailingEncoder(CountingEncoder):
        def encode(self, log_mel: LogMel) -> Embedding:
            if len(self.heard) == 3:
                raise EncoderError("it yielded a value that is not finite")
            return super().encode(log_mel)

    with pytest.raises(EncoderError, match="not finite"):
        embed(pool, cache, [FailingEncoder()])
    encoder = CountingEncoder()
    embed(pool, cache, [encoder])
    assert len(encoder.heard) == 3


def test_the_summary_counts_and_names_at_most_twenty(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 3)
    embed(pool, cache, [CountingEncoder()])
    (pool / "copy.wav").write_bytes((pool / "00.wav").read_bytes())
    for number in range(25):
        (pool / f"text {number:02d}.wav").write_text(f"not a sound {number}")
    lines = summary(embed(pool, cache, [CountingEncoder()]))
    assert lines[0] == "pool: 3 recordings, 3 windows; 3 were embedded before"
    assert lines[1].startswith("1 more hold")
    assert lines[2] == "25 could not be used:"
    assert len(lines) == 3 + N_LISTED + 1
    assert lines[3].startswith("  text 00.wav: is not audio")
    assert lines[-1] == "  and 5 more"


def started(pool: Path, cache: Path, seconds: float, **environment: str) -> subprocess.Popen[str]:
    """The same in a process of its own, embedding."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(pool), str(cache), str(seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def n_stored(cache: Path) -> int:
    if not (cache / FILE_NAME).exists():
        return 0
    with closing(sqlite3.connect(cache / FILE_NAME, timeout=10)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM embeddings").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # The table is not there yet.


def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 40)
    for n_wanted in (3, 10):
        process = started(pool, cache, 0.05)
        while n_stored(cache) < n_wanted:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.communicate()
    assert 10 <= n_stored(cache) < 40
    encoder = CountingEncoder()
    n_before = n_stored(cache)
    embedded = embed(pool, cache, [encoder])
    assert len(encoder.heard) == 40 - n_before
    whole = embed(pool, tmp_path / "other cache", [CountingEncoder()])
    np.testing.assert_array_equal(embedded.pools["0"].embeddings, whole.pools["0"].embeddings)


def test_ctrl_c_ends_it_soon_even_within_a_long_recording(tmp_path: Path, cache: Path) -> None:
    pool = tmp_path / "pool"
    write(pool / "hours.wav", noise(2000.0, seed=1))
    write(pool / "minutes.wav", noise(400.0, seed=2))
    process = started(pool, cache, 0.05)
    time.sleep(1.0)
    began_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert time.monotonic() - began_s < 5
    assert process.returncode == 130, errors
    assert output.startswith("interrupted")
    assert "Traceback" not in errors


def test_two_processes_may_embed_the_same_pool_at_once(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 30)
    processes = [started(pool, cache, 0.005) for _ in range(2)]
    for process in processes:
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert output.startswith("done")
        assert output.endswith(" 30\n")
    encoder = CountingEncoder()
    assert embed(pool, cache, [encoder]).n_cached == 30
    assert not encoder.heard


def test_a_disk_that_fills_up_is_one_line_and_what_was_stored_stays(tmp_path: Path, cache: Path) -> None:
    pool = write_noises(tmp_path / "pool", 200)
    process = started(pool, cache, 0.0, LARGEST_FILE_BYTES="40000")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == PoolError.exit_code, errors
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert str(cache) in output
    assert "Traceback" not in errors
    encoder = CountingEncoder()
    embedded = embed(pool, cache, [encoder])
    assert len(embedded.recordings) == 200
    assert 0 < len(encoder.heard) < 200
