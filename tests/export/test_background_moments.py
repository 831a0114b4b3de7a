"""Which windows of background are kept, and that they count for as many as there were."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.background import Members, background_bytes, read_background
from edge.calibration.alarm_levels import alarm_levels
from edge.calibration.false_alarms import false_alarms_of
from edge.scoring import PrototypeSet
from edge.trigger import Trigger
from edge.trigger_rule import TriggerRule
from export.background.hearing import Heard
from export.background.label_events import LabelEvent, LabelScores, label_events, window_levels
from export.background.members import joined_members, member_windows
from export.background.moments import Moment, fitting_sample, group_events, sample_moments
from export.background.rest import sample_rest
from export.background.selection import Windows, all_windows, select_background

HOP = 7680
RATE_HZ = 16000
HOP_S = HOP / RATE_HZ
RULE = TriggerRule(
    on_threshold=0.6, off_threshold=0.5, margin=-0.08, rivals="all", confirm_s=0.96, within_s=2.4,
    release_s=1.5, cooldown_s=0.0,
)  # fmt: skip


def scores_of(own: list[float] | NDArray[np.float64], rival: float = -1.0) -> LabelScores:
    values = np.asarray(own, np.float32)
    n = len(values)
    return LabelScores(values, np.full(n, rival, np.float32), np.zeros(n, np.intp), np.arange(n))


def events_of(scores: LabelScores, n_most: int = 1000) -> list[LabelEvent]:
    return label_events(0, scores, window_levels(scores, RULE, HOP_S), RULE, HOP_S, n_most)


def onsets(scores: LabelScores, threshold: float) -> int:
    """How many events the trigger raises."""
    rule = TriggerRule(
        threshold, threshold - 0.1, RULE.margin, "all", RULE.confirm_s, RULE.within_s, RULE.release_s, 0.0
    )
    trigger = Trigger("a", rule, HOP, RATE_HZ, itertools.count(1))
    found = 0
    for position, own, rival in zip(
        scores.position.tolist(), scores.own.tolist(), scores.best_rival.tolist(), strict=True
    ):
        event = trigger.step(position * HOP, position * HOP + 41360, own, rival)
        found += event is not None and event.kind == "onset"
    return found


def test_a_windows_level_is_what_two_windows_of_five_reach() -> None:
    levels = window_levels(scores_of([0.9, 0.1, 0.1, 0.1, 0.7, 0.3]), RULE, HOP_S)
    assert levels == pytest.approx([-np.inf, 0.1, 0.1, 0.1, 0.7, 0.3], abs=1e-6)


def test_support_of_another_recording_does_not_count() -> None:
    scores = scores_of([0.9, 0.8])
    apart = LabelScores(scores.own, scores.best_rival, np.array([0, 1]), np.array([0, 0]))
    assert np.isneginf(window_levels(apart, RULE, HOP_S)).all()


def test_a_sound_of_minutes_is_one_event() -> None:
    own = 0.7 + 0.02 * np.random.default_rng(1).standard_normal(400)
    (event,) = events_of(scores_of(own))
    assert (event.first, event.last) == (0, 399)


def test_peaks_are_one_where_the_score_never_lets_go_and_two_where_it_does() -> None:
    held = [0.8, 0.8, *[0.72] * 8, 0.8, 0.8]
    let_go = [0.9, 0.9, *[0.2] * 8, 0.8, 0.8]
    assert len(events_of(scores_of(held))) == 1
    assert [event.level for event in events_of(scores_of(let_go))][:2] == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize("seed", range(6))
def test_no_fewer_events_are_found_than_the_trigger_raises_at_any_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = np.convolve(rng.standard_normal(1500), np.ones(4) / 4, "same")
    scores = LabelScores(
        np.clip(0.4 + 0.2 * steps, -1, 1).astype(np.float32),
        np.clip(0.4 + 0.2 * rng.standard_normal(1500), -1, 1).astype(np.float32),
        np.zeros(1500, np.intp),
        np.arange(1500),
    )
    levels = np.array([event.level for event in events_of(scores)])
    assert (np.diff(levels) <= 0).all()
    for threshold in np.linspace(0.3, 0.7, 30):
        n_raised, n_found = onsets(scores, threshold), np.count_nonzero(levels >= threshold)
        assert n_found >= n_raised
        # Events that a lower threshold makes one stay as many as they are: seldom, where they are rare.
        assert n_found <= n_raised * 1.35 + 3 or threshold < 0.5
    assert onsets(scores, 0.5) > 10


def test_the_kept_windows_of_an_event_have_its_level() -> None:
    rng = np.random.default_rng(4)
    scores = scores_of(np.clip(0.4 + 0.2 * rng.standard_normal(300), -1, 1))
    for event in events_of(scores):
        kept = np.array(event.windows)
        assert len(kept) <= 3
        level = alarm_levels(
            scores.own[kept], scores.best_rival[kept], np.zeros(len(kept), np.intp), scores.position[kept],
            RULE, HOP_S,
        )  # fmt: skip
        assert level == pytest.approx([event.level])


def event(label: int, rank: int, first: int, peak: int, last: int) -> LabelEvent:
    return LabelEvent(label, rank, 1.0 - rank / 100, peak, first, last, (peak - 1, peak))


def test_events_of_different_labels_at_one_time_are_one_moment() -> None:
    recording = np.zeros(100, np.intp)
    together = [event(0, 0, 10, 12, 15), event(1, 3, 13, 14, 20), event(2, 1, 50, 52, 55)]
    moments = group_events(together, recording)
    assert [m.windows for m in moments] == [[11, 12, 13, 14], [51, 52]]


def test_two_events_of_a_label_stay_two_moments_under_a_long_one_of_another() -> None:
    recording = np.zeros(100, np.intp)
    moments = group_events(
        [event(0, 0, 0, 50, 99), event(1, 1, 20, 22, 25), event(1, 2, 70, 72, 75)], recording
    )
    assert sorted(sum(one.label == 1 for one in m.events) for m in moments) == [1, 1]


def many_moments(seed: int) -> list[Moment]:
    """Three labels' events, most of them each for itself, some at one time."""
    rng = np.random.default_rng(seed)
    events = []
    for label in range(3):
        peaks = rng.choice(4000, 100, replace=False) * 10 + 5
        events += [event(label, rank, int(p) - 2, int(p), int(p) + 2) for rank, p in enumerate(peaks)]
    return group_events(events, np.zeros(40100, np.intp))


def test_counts_by_weight_are_right_on_average_for_every_label_and_rank() -> None:
    moments = many_moments(0)
    counts = np.zeros((300, 3, 2))
    for seed in range(300):
        kept = sample_moments(moments, 6.0, np.random.default_rng(seed))
        of_windows = {tuple(m.windows): m for m in moments}
        for windows, weight in zip(kept.windows, kept.weight, strict=True):
            for one in of_windows[tuple(windows)].events:
                counts[seed, one.label, 0] += weight * (one.rank < 24)
                counts[seed, one.label, 1] += weight
    errors = counts.std(axis=0) / np.sqrt(len(counts))
    assert (errors < 2.0).all()
    assert np.abs(counts.mean(axis=0) - [24, 100]).max() < 4 * errors.max()


def test_the_highest_of_each_label_are_kept_for_certain() -> None:
    moments = many_moments(1)
    kept = sample_moments(moments, 6.0, np.random.default_rng(0))
    certain = [m.windows for m in moments if any(one.rank < 6 for one in m.events)]
    assert len(certain) >= 15
    for windows in certain:
        assert kept.weight[list(kept.windows).index(windows)] == 1.0


def test_a_sample_fits_the_rows_it_may_have() -> None:
    moments = many_moments(2)
    small = fitting_sample(moments, 120, seed=1)
    assert 90 <= small.n_rows <= 120
    everything = fitting_sample(moments, 10_000, seed=1)
    assert len(everything.windows) == len(moments)
    assert (everything.weight == 1.0).all()


def test_the_rest_stands_for_every_stretch_that_is_near_no_label() -> None:
    rng = np.random.default_rng(5)
    embeddings = rng.standard_normal((200, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    recording, position = np.repeat([0, 1], 100), np.tile(np.arange(100), 2)
    is_near = np.zeros(200, np.bool_)
    is_near[[7, 150]] = True
    kept = sample_rest(embeddings.astype(np.float16), recording, position, is_near, 5, 12, seed=0)
    assert 1 < len(kept.windows) <= 12
    assert kept.weight.sum() == 38.0
    for first, second in kept.windows:
        assert second == first + 1
        assert not is_near[first - 1 : first + 4].any()


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def two_labels() -> PrototypeSet:
    vectors = unit(np.eye(3, 16))
    return PrototypeSet(vectors, np.arange(3), ("a", "b", "hum"), (False, False, True), (None,) * 3)


def background_windows(seed: int, n_recordings: int = 24) -> Windows:
    """Hours of random walks, some of which come near a label."""
    rng = np.random.default_rng(seed)
    heard = []
    for _ in range(n_recordings):
        walk = np.cumsum(rng.standard_normal((620, 16)), axis=0)
        walk -= np.linspace(0, 0.9, 620)[:, None] * walk[-1]
        heard.append(Heard(unit(walk).astype(np.float16), np.arange(620, dtype=np.int32), 300.0))
    return all_windows(heard)


def test_the_rate_counted_in_what_is_kept_is_that_of_all_windows() -> None:
    windows, prototypes, rules = background_windows(3), two_labels(), {0: RULE, 1: RULE}
    background = select_background(
        windows, prototypes, rules, HOP_S, joined_members([], 16, "none"), "0" * 64
    )
    assert len(background.embeddings) < len(windows.embeddings) / 3
    embeddings = windows.embeddings.astype(np.float32)
    for place in (0, 1):
        own, rivals = embeddings @ prototypes.vectors[place], embeddings @ prototypes.vectors.T
        best = np.delete(rivals, place, axis=1).max(axis=1)
        scores = LabelScores(own, best, windows.recording, windows.position)
        levels = np.array([e.level for e in events_of(scores)])
        counted = false_alarms_of(place, prototypes, RULE, background)
        hours = windows.duration_s / 3600.0
        for per_h in (2.0, 4.0):
            threshold = float(np.sort(levels)[-round(per_h * hours)])
            assert counted.rate(threshold).per_h == pytest.approx(per_h, rel=0.6)


def test_a_background_is_read_as_it_was_written_but_for_eight_bits(tmp_path: Path) -> None:
    windows, prototypes = background_windows(6, 3), two_labels()
    heard = Heard(windows.embeddings[:9], np.arange(9, dtype=np.int32), 5.0)
    members = joined_members(
        [(1, heard, member_windows(heard, 1, prototypes, RULE, HOP_S))], 16, "recordings of b"
    )
    written = select_background(windows, prototypes, {0: RULE, 1: RULE}, HOP_S, members, "0" * 64)
    path = tmp_path / "background.npz"
    path.write_bytes(background_bytes(written))
    read = read_background(path, 16, 3)
    for name in ("moment", "position", "weight", "recording"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    assert (np.sum(read.embeddings * unit(written.embeddings.astype(np.float64)), axis=1) > 0.999).all()
    assert (read.n_recordings, read.duration_s, read.hop_s) == (3, 900.0, HOP_S)
    assert (read.members.label == 1).all()
    assert len(read.members.position) == 3


@pytest.mark.parametrize("seed", range(20))
def test_the_kept_windows_of_a_member_raise_its_event_where_all_would(seed: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings = unit(rng.standard_normal((11, 16)) + 2.0 * np.eye(16)[0] * rng.random((11, 1)))
    heard = Heard(embeddings.astype(np.float16), np.arange(11, dtype=np.int32), 7.0)
    kept = member_windows(heard, 0, two_labels(), RULE, HOP_S)
    assert len(kept) == 3

    def level(places: NDArray[np.intp]) -> float:
        rows = heard.embeddings[places].astype(np.float32) @ two_labels().vectors.T
        n = len(places)
        return float(
            alarm_levels(rows[:, 0], rows[:, 1:].max(axis=1), np.zeros(n, np.intp), places, RULE, HOP_S)[0]
        )

    assert level(kept) == level(np.arange(11))


def test_members_without_a_window_are_none() -> None:
    silent = Heard(np.empty((0, 16), np.float16), np.empty(0, np.int32), 5.0)
    kept = member_windows(silent, 0, two_labels(), RULE, HOP_S)
    members = joined_members([(0, silent, kept)], 16, "silence")
    assert isinstance(members, Members)
    assert members.embeddings.shape == (0, 16)
