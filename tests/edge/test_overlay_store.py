"""Where overlays are kept: whole, one change at a time, with the states before."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from overlay_material import (
    ENCODER,
    OTHER_ENCODER,
    assert_same,
    full_overlay,
    names,
    own_sound,
    unit_rows,
    with_sound,
)

from edge.errors import BundleError, LabelError, SinkError, SoundError
from edge.overlay.content import Overlay
from edge.overlay.file import overlay_bytes
from edge.overlay.store import OverlayStore

TESTS = Path(__file__).parents[1]
PATHS = f"import sys; sys.path[:0] = {[str(TESTS), str(TESTS.parent)]!r}\n"
NOBODY = 65534


@pytest.fixture
def store(tmp_path: Path) -> OverlayStore:
    return OverlayStore(tmp_path / "state" / "overlay")


def folder(tmp_path: Path, encoder_sha256: str = ENCODER) -> Path:
    return tmp_path / "state" / "overlay" / encoder_sha256[:16]


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in folder(tmp_path).iterdir())


def add(store: OverlayStore, *added: str, encoder_sha256: str = ENCODER) -> None:
    for name in added:
        store.change(encoder_sha256, lambda before, name=name: with_sound(before, name))  # type: ignore[misc]


def test_nothing_is_there_at_first_and_reading_makes_nothing(tmp_path: Path, store: OverlayStore) -> None:
    assert_same(store.read(ENCODER), Overlay(ENCODER))
    assert store.generations(ENCODER) == []
    assert store.elsewhere(ENCODER) == []
    assert list(tmp_path.iterdir()) == []


def test_a_change_is_kept(tmp_path: Path, store: OverlayStore) -> None:
    assert_same(store.change(ENCODER, lambda _: full_overlay()), full_overlay())
    assert_same(OverlayStore(tmp_path / "state" / "overlay").read(ENCODER), full_overlay())
    assert files(tmp_path) == ["000001.overlay"]


def test_only_its_owner_may_look_at_it(tmp_path: Path, store: OverlayStore) -> None:
    add(store, "our doorbell")
    assert folder(tmp_path).parent.stat().st_mode & 0o077 == 0
    assert (folder(tmp_path) / "000001.overlay").stat().st_mode & 0o077 == 0


def test_a_change_is_given_what_is_there(store: OverlayStore) -> None:
    add(store, "our doorbell", "our kettle")
    assert names(store.read(ENCODER)) == ["our doorbell", "our kettle"]


def test_the_newest_ten_states_are_kept(tmp_path: Path, store: OverlayStore) -> None:
    add(store, *(f"sound {number}" for number in range(13)))
    assert files(tmp_path) == [f"{number:06d}.overlay" for number in range(4, 14)]
    generations = store.generations(ENCODER)
    assert [generation.number for generation in generations] == list(range(4, 14))
    newest = folder(tmp_path) / "000013.overlay"
    assert generations[-1].size_bytes == newest.stat().st_size
    assert abs(time.time() - newest.stat().st_mtime) < 60
    assert generations[-1].created.endswith("Z")
    assert len(store.read(ENCODER).sounds) == 13


def test_an_error_of_the_change_leaves_everything_as_it_was(tmp_path: Path, store: OverlayStore) -> None:
    add(store, "our doorbell")

    def refuse(_: Overlay) -> Overlay:
        raise LabelError("it is silent")

    with pytest.raises(LabelError, match="it is silent"):
        store.change(ENCODER, refuse)
    assert files(tmp_path) == ["000001.overlay"]
    add(store, "our kettle")  # the lock was given back


def test_what_could_not_be_read_back_is_not_kept(tmp_path: Path, store: OverlayStore) -> None:
    add(store, "our doorbell")
    too_high = Overlay(ENCODER, (own_sound("our kettle", threshold=1.5),))
    with pytest.raises(BundleError, match=r"with this change .*: .* not 1\.5; nothing was changed"):
        store.change(ENCODER, lambda _: too_high)
    with pytest.raises(BundleError, match="from another encoder"):
        store.change(ENCODER, lambda _: full_overlay(OTHER_ENCODER))
    assert files(tmp_path) == ["000001.overlay"]


def test_a_damaged_one_is_refused_and_not_changed(tmp_path: Path, store: OverlayStore) -> None:
    add(store, "our doorbell", "our kettle")
    current = folder(tmp_path) / "000002.overlay"
    current.write_bytes(current.read_bytes()[:-40])
    for attempt in (
        partial(store.read, ENCODER),
        partial(add, store, "our gate"),
        partial(store.export, ENCODER),
    ):
        with pytest.raises(
            BundleError, match=r"000002.overlay cannot be used: it is damaged.*overlay rollback"
        ):
            attempt()
    assert files(tmp_path) == ["000001.overlay", "000002.overlay"]


def test_one_of_another_encoder_with_the_same_first_digits_is_refused(store: OverlayStore) -> None:
    alike = ENCODER[:16] + "0" * 48
    add(store, "our doorbell")
    with pytest.raises(BundleError, match="from another encoder"):
        store.read(alike)
    assert store.roll_back(alike).sounds == ()


def test_one_that_may_not_be_read_or_is_no_file_is_an_error(tmp_path: Path, store: OverlayStore) -> None:
    (folder(tmp_path) / "000001.overlay").mkdir(parents=True)
    with pytest.raises(BundleError, match="cannot be read: Is a directory"):
        store.read(ENCODER)
    (folder(tmp_path) / "000002.overlay").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"000002.overlay is listed, but not there"):
        store.read(ENCODER)


def test_rolling_back_twice_goes_back_two(store: OverlayStore) -> None:
    add(store, "one", "two", "three")
    assert names(store.roll_back(ENCODER)) == ["one", "two"]
    assert names(store.roll_back(ENCODER)) == ["one"]
    assert names(store.read(ENCODER)) == ["one"]
    assert names(store.roll_back(ENCODER)) == []
    assert_same(store.read(ENCODER), Overlay(ENCODER))
    with pytest.raises(SoundError, match="nothing to go back to"):
        store.roll_back(ENCODER)


def test_going_back_from_a_damaged_one(tmp_path: Path, store: OverlayStore) -> None:
    add(store, "one", "two", "three")
    for number in (2, 3):
        (folder(tmp_path) / f"00000{number}.overlay").write_bytes(b"")
    with pytest.raises(BundleError, match=r"000002.overlay cannot be used"):
        store.roll_back(ENCODER)
    assert names(store.roll_back(ENCODER)) == ["one"]


def test_the_oldest_that_is_kept_can_not_be_left_unless_it_is_the_first(store: OverlayStore) -> None:
    add(store, *(f"sound {number}" for number in range(12)))
    for _ in range(9):
        store.roll_back(ENCODER)
    with pytest.raises(SoundError, match=r"no state before \S+000003.overlay is kept"):
        store.roll_back(ENCODER)
    assert len(store.read(ENCODER).sounds) == 3


def test_a_roll_back_can_be_refused(store: OverlayStore) -> None:
    add(store, "one", "two")

    def refuse(overlay: Overlay) -> None:
        assert names(overlay) == ["one"]
        raise LabelError("two is listened for")

    with pytest.raises(LabelError, match="two is listened for"):
        store.roll_back(ENCODER, refuse)
    assert names(store.read(ENCODER)) == ["one", "two"]


def test_encoders_do_not_share_their_overlays(tmp_path: Path, store: OverlayStore) -> None:
    add(store, "our doorbell")
    add(store, "our kettle", encoder_sha256=OTHER_ENCODER)
    assert names(store.read(ENCODER)) == ["our doorbell"]
    (elsewhere,) = store.elsewhere(ENCODER)
    assert (elsewhere.encoder_sha256, names(elsewhere)) == (OTHER_ENCODER, ["our kettle"])
    assert len(store.elsewhere("e" * 64)) == 2
    (folder(tmp_path) / "000001.overlay").write_bytes(b"damaged")
    assert [names(overlay) for overlay in store.elsewhere("e" * 64)] == [["our kettle"]]


def test_an_export_can_be_imported_and_taken_back(tmp_path: Path, store: OverlayStore) -> None:
    store.change(ENCODER, lambda _: full_overlay())
    exported = store.export(ENCODER)
    other = OverlayStore(tmp_path / "other")
    add(other, "our kettle")
    assert_same(other.import_(exported, ENCODER, "x.overlay"), full_overlay())
    assert_same(other.read(ENCODER), full_overlay())
    assert names(other.roll_back(ENCODER)) == ["our kettle"]


def test_an_import_mends_a_damaged_one(tmp_path: Path, store: OverlayStore) -> None:
    add(store, "our doorbell")
    (folder(tmp_path) / "000001.overlay").write_bytes(b"damaged")
    store.import_(overlay_bytes(full_overlay()), ENCODER, "x.overlay")
    assert_same(store.read(ENCODER), full_overlay())


def test_an_import_of_another_encoder_or_of_damage_changes_nothing(
    tmp_path: Path, store: OverlayStore
) -> None:
    add(store, "our doorbell")
    with pytest.raises(BundleError, match=r"x.overlay is from another encoder: its embeddings mean nothing"):
        store.import_(overlay_bytes(full_overlay(OTHER_ENCODER)), ENCODER, "x.overlay")
    with pytest.raises(BundleError, match=r"x.overlay cannot be used: it is damaged.*export it again"):
        store.import_(b"RIFF", ENCODER, "x.overlay")
    assert files(tmp_path) == ["000001.overlay"]


def test_another_that_holds_the_lock_is_not_waited_for_for_ever(tmp_path: Path, store: OverlayStore) -> None:
    add(store, "our doorbell")
    hasty = OverlayStore(tmp_path / "state" / "overlay", lock_timeout_s=0.05)
    with (tmp_path / "state" / "overlay" / "lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for attempt in (partial(add, hasty, "our kettle"), partial(hasty.roll_back, ENCODER)):
            with pytest.raises(SoundError, match="another edge-listen is changing the overlay: try again"):
                attempt()
        assert names(hasty.read(ENCODER)) == ["our doorbell"]
    assert files(tmp_path) == ["000001.overlay"]
    add(hasty, "our kettle")


def test_two_threads_take_turns(store: OverlayStore) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slowly(before: Overlay) -> Overlay:
        began.set()
        assert may_end.wait(10)
        return with_sound(before, "slow")

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(store.change, ENCODER, slowly)
        assert began.wait(10)
        quick = pool.submit(add, store, "quick")
        may_end.set()
        slow.result(10)
        quick.result(10)
    assert names(store.read(ENCODER)) == ["slow", "quick"]


_ADDS_TEN = """
from pathlib import Path
from overlay_material import ENCODER, with_sound
from edge.overlay.store import OverlayStore
store = OverlayStore(Path(sys.argv[1]))
print(flush=True)
sys.stdin.readline()
for number in range(10):
    store.change(ENCODER, lambda before: with_sound(before, f"{sys.argv[2]} {number}"))
"""


def test_changes_of_two_processes_at_once_are_all_kept(tmp_path: Path, store: OverlayStore) -> None:
    directory = str(tmp_path / "state" / "overlay")
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PATHS + _ADDS_TEN, directory, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("a", "b")
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == b"\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    kept = names(store.read(ENCODER))
    assert sorted(kept) == sorted(f"{name} {number}" for name in "ab" for number in range(10))


# Forks a writer for each line that it gets: to start Python two hundred times would take minutes.
_WRITES_FOR_EVER = """
import os
from pathlib import Path
from edge.overlay.store import OverlayStore
from test_overlay_store import ENCODER, counted, count_of
store = OverlayStore(Path(sys.argv[1]))
def write_for_ever():
    while True:
        kept = store.change(ENCODER, lambda before: counted(count_of(before) + 1))
        os.write(1, b"%d\\n" % count_of(kept))
for _ in sys.stdin:
    pid = os.fork()
    if pid == 0:
        write_for_ever()
    os.write(1, b"pid %d\\n" % pid)
    os.waitpid(pid, 0)
    os.write(1, b"gone\\n")
"""


def counted(count: int) -> Overlay:
    """An overlay of some size, of which every part depends on the count."""
    if count == 0:
        return Overlay(ENCODER)
    return Overlay(ENCODER, (own_sound(f"sound {count}", 12, dim=128, seed=count),), None, {"count": count})


def count_of(overlay: Overlay) -> int:
    return int(overlay.false_alarms.get("count", 0))


def test_kill_9_at_any_moment_leaves_the_old_state_or_the_new_one(
    tmp_path: Path, store: OverlayStore
) -> None:
    rng = np.random.default_rng(6)
    script = PATHS + f"sys.path.insert(0, {str(TESTS / 'edge')!r})\n" + _WRITES_FOR_EVER
    command = [sys.executable, "-c", script, str(tmp_path / "state" / "overlay")]
    n_kills = n_unfinished = count = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as spawner:
        assert spawner.stdin is not None
        assert spawner.stdout is not None
        while n_kills < 200 or (n_unfinished == 0 and n_kills < 400):
            n_kills += 1
            before = unfinished(tmp_path)
            spawner.stdin.write(b"\n")
            spawner.stdin.flush()
            # On a quick disk a file is being written for too short a time for chance: every other is aimed.
            after_s = None if n_kills % 2 else float(rng.uniform(0, 0.03))
            kept = kill_one(spawner.stdout, tmp_path, before, after_s)
            n_unfinished += bool(unfinished(tmp_path) - before)
            found = store.read(ENCODER)
            assert count_of(found) - max([count, *kept]) in (0, 1)
            count = count_of(found)
            assert_same(found, counted(count))
        spawner.stdin.close()
    assert n_unfinished, "no kill came while a file was written: this proves nothing"
    store.change(ENCODER, lambda before: before)
    assert not unfinished(tmp_path)


def unfinished(tmp_path: Path) -> set[str]:
    return {path.name for path in folder(tmp_path).glob(".new-*")}


def kill_one(lines: IO[bytes], tmp_path: Path, before: set[str], after_s: float | None) -> list[int]:
    """Kill the writer that was asked for; returns the counts that it said were kept.

    after_s: None for the moment when it writes a file that wasn't there before.
    """
    kept: list[int] = []
    for line in lines:
        if line.startswith(b"pid"):
            give_up_at = time.monotonic() + 1
            while after_s is None and time.monotonic() < give_up_at and not unfinished(tmp_path) - before:
                pass
            threading.Event().wait(after_s or 0)
            os.kill(int(line.split()[1]), signal.SIGKILL)
        elif line == b"gone\n":
            return kept
        else:
            kept.append(int(line))
    raise AssertionError("the writers' parent ended")


_FILLS_THE_DISK = """
import os, resource
from dataclasses import replace
from pathlib import Path
from overlay_material import ENCODER, full_overlay, own_sound
from edge.errors import SinkError
from edge.overlay.store import OverlayStore
directory = Path(sys.argv[1])
store = OverlayStore(directory)
store.change(ENCODER, lambda _: full_overlay())
before = sorted(directory.rglob("*"))
if sys.argv[2] == "limit on files":
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
large = own_sound("our gate", 200, dim=16, seed=9)
try:
    for number in range(100):
        gate = replace(large, name=f"gate {number}")
        store.change(ENCODER, lambda overlay: replace(overlay, sounds=(*overlay.sounds, gate)))
        before = sorted(directory.rglob("*"))
except SinkError as error:
    print(error)
assert sorted(directory.rglob("*")) == before
assert len(store.read(ENCODER).sounds) == 2 + number
store.roll_back(ENCODER)  # which takes no room
print("well")
"""


def on_tmpfs(place: Path, command: list[str]) -> list[str]:
    script = 'mount -t tmpfs -o size=128k tmpfs "$0" || exit 99; exec "$@"'
    return ["unshare", "--map-root-user", "--mount", "sh", "-c", script, str(place), *command]


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(on_tmpfs(Path("/mnt"), ["true"]), capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("disk", ["limit on files", *(["tmpfs"] if can_mount() else [])])
def test_a_full_disk_leaves_the_old_state_and_nothing_else(tmp_path: Path, disk: str) -> None:
    command = [sys.executable, "-c", PATHS + _FILLS_THE_DISK, str(tmp_path / "overlay"), disk]
    if disk == "tmpfs":
        command = on_tmpfs(tmp_path, command)
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    message, last = ended.stdout.splitlines()
    why = "No space left on device" if disk == "tmpfs" else "File too large"
    assert message.startswith(f"{tmp_path / 'overlay'}")
    assert f"cannot be written ({why}), so nothing has changed: make room on the disk" in message
    assert last == "well"


@contextmanager
def not_as_root() -> Iterator[None]:
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_a_directory_that_may_not_be_written_can_be_read_and_is_named() -> None:
    with tempfile.TemporaryDirectory() as outside:  # for pytest's own is closed to all but its owner
        place = Path(outside)
        place.chmod(0o755)
        store = OverlayStore(place / "overlay")
        add(store, "our doorbell")
        for path in (place / "overlay").rglob("*"):
            path.chmod(0o555)
        (place / "overlay").chmod(0o555)
        with not_as_root():
            assert names(store.read(ENCODER)) == ["our doorbell"]
            for attempt in (partial(add, store, "our kettle"), partial(store.roll_back, ENCODER)):
                with pytest.raises(SinkError, match=rf"{place}\S* cannot be written \(Permission denied\)"):
                    attempt()
            with pytest.raises(SinkError, match=rf"{place}/other cannot be written"):
                add(OverlayStore(place / "other"), "our kettle")
        for path in [place / "overlay", *(place / "overlay").rglob("*")]:
            path.chmod(0o755)
        assert names(store.read(ENCODER)) == ["our doorbell"]


def test_the_test_of_kills_would_see_another_state() -> None:
    assert counted(0).sounds == ()
    with pytest.raises(AssertionError):
        assert_same(counted(3), counted(4))
    assert not np.array_equal(unit_rows(2, seed=3), unit_rows(2, seed=4))
