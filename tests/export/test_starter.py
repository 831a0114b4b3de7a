"""How the starter is made: data, augmentation, thresholds, graphs. Training itself is too slow for tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("soxr")
from evaluation_material import ESC50_CLASSES, write_esc50

from edge.types import Samples
from export.starter import augment
from export.starter.data import DatasetError, load_clips
from export.starter.thresholds import WindowScores, shrunk_thresholds


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """ESC-50's layout, with one short audio file standing for all."""
    one = tmp_path / "one.wav"
    soundfile.write(one, np.zeros(100), 44100)
    return write_esc50(tmp_path / "ESC-50-master", dict.fromkeys(ESC50_CLASSES, one))


def test_an_official_download_gives_each_clip_its_fold_and_licence(official: Path) -> None:
    clips = load_clips(official)
    assert len(clips) == 2000
    first = next(clip for clip in clips if clip.source_id == "10001")
    assert (first.fold, first.target, first.licence, first.author) == (2, 0, "CC-BY", "Some One")
    assert first.source.endswith("/sounds/10001/")
    assert first.permissive
    assert sum(clip.permissive for clip in clips) == 1000


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "LICENSE").unlink(), "LICENSE: missing"),
        (lambda root: (root / "LICENSE").write_text("all rights"), "no clip's licence could be read"),
        (lambda root: (root / "audio" / "1-10000-A-0.wav").unlink(), "1 audio files are missing"),
        (lambda root: (root / "meta" / "esc50.csv").write_text("a,b\n"), "column filename is missing"),
        (
            lambda root: (root / "meta" / "esc50.csv").write_text(
                re.sub(r"(?m)^4-.*\n", "", (root / "meta" / "esc50.csv").read_text())
            ),
            "fold 4 is missing",
        ),
        (lambda root: (root / "meta" / "esc50.csv").unlink(), "neither meta/esc50.csv nor esc50.csv"),
    ],
)
def test_a_damaged_download_is_refused(
    official: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(official)
    with pytest.raises(DatasetError, match=message):
        load_clips(official)


def test_the_folder_here_has_1397_permissive_development_clips(shared_data: Path) -> None:
    clips = load_clips(shared_data / "esc50")
    assert sum(clip.permissive and clip.fold != 4 for clip in clips) == 1397


@pytest.mark.parametrize(
    "change",
    [augment.change_speed, augment.colour, augment.reverberate, augment.random_level, augment.record],
)
def test_augmentation_is_seeded_finite_and_of_one_type(
    change: Callable[[Samples, np.random.Generator], Samples],
) -> None:
    sound = np.sin(np.arange(16000) * 0.3).astype(np.float32) * 0.2
    once, again = (change(sound.copy(), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.float32
    assert np.isfinite(once).all()
    assert not np.array_equal(once, sound)


def test_a_crop_holds_the_sound_rather_than_the_silence_beside_it() -> None:
    clip = np.zeros(80000, np.float32)
    clip[60000:62000] = 0.5
    rng = np.random.default_rng(0)
    n_with_sound = sum(augment.energetic_crop(clip, 40000, rng).any() for _ in range(200))
    assert n_with_sound > 170


def test_requantised_sound_has_no_more_than_255_values() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 20000).astype(np.float32)
    assert len(np.unique(augment.requantise(noise))) <= 255


def planted_scores(separation: float, n_clips: int) -> WindowScores:
    """Two labels, three windows a clip: two of its own score `separation` above the rest, all below 0.5."""
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(2 * n_clips), 3)
    target = np.repeat([0, 1], 3 * n_clips)
    scores = rng.uniform(0.0, 0.5, (6 * n_clips, 2)).astype(np.float32)
    is_sounding = np.arange(6 * n_clips) % 3 < 2
    scores[is_sounding, target[is_sounding]] = 0.5 + separation
    return WindowScores(scores, clip, target)


def test_thresholds_stand_between_what_is_and_what_is_not() -> None:
    thresholds, common = shrunk_thresholds(planted_scores(0.2, 50), false_share=0.05)
    assert 0.4 <= common <= 0.7
    assert ((thresholds >= 0.4) & (thresholds <= 0.7)).all()


def test_one_stray_window_moves_no_threshold() -> None:
    windows = planted_scores(0.2, 50)
    before, _ = shrunk_thresholds(windows, false_share=0.05)
    # In every clip of the other label one window scores high: alone it confirms nothing.
    windows.scores[(windows.target == 1) & (np.arange(300) % 3 == 2), 0] = 0.95
    after, _ = shrunk_thresholds(windows, false_share=0.05)
    assert after[0] == pytest.approx(before[0], abs=0.05)


def test_few_clips_draw_a_threshold_to_the_common_one() -> None:
    windows = planted_scores(0.3, 400)
    # The second label is best off far below: all of its windows score 0.35, and nothing else above 0.2.
    windows.scores[:, 1] = np.where(windows.target == 1, 0.35, 0.2)
    many, common = shrunk_thresholds(windows, false_share=0.05)
    rows = np.flatnonzero((windows.target == 0) | (windows.clip < 405))
    part = WindowScores(windows.scores[rows], windows.clip[rows], windows.target[rows])
    few, few_common = shrunk_thresholds(part, false_share=0.05)
    assert many[1] == pytest.approx(0.33, abs=0.03)
    assert few[1] == pytest.approx((0.33 * 5 + few_common * 10) / 15, abs=0.05)
    assert common > 0.5


def test_a_label_without_clips_gets_the_common_threshold() -> None:
    windows = planted_scores(0.2, 50)
    wider = np.concatenate([windows.scores, np.full((len(windows.scores), 1), 0.1, np.float32)], axis=1)
    before, common = shrunk_thresholds(windows, false_share=0.05)
    after, same = shrunk_thresholds(WindowScores(wider, windows.clip, windows.target), false_share=0.05)
    assert same == common
    assert after.tolist() == [*before.tolist(), pytest.approx(common, abs=1e-3)]
