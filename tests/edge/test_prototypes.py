"""Prototypes and thresholds of planted pools, whose answers can be written down."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.prototypes import (
    DISAGREE,
    TEXT_THRESHOLD,
    Pool,
    from_pool,
    from_text,
    make_prototype,
    mean_text,
    n_neighbours,
    outdone_by,
)

# By how many deviations the 90th percentile of a normal distribution lies above its median.
NORMAL_90 = 1.2816


def pool_of(embeddings: np.ndarray, recording: Sequence[int] | None = None) -> Pool:
    """One window a recording, unless told."""
    of_row = np.arange(len(embeddings)) if recording is None else np.array(recording)
    names = tuple(f"{n}.wav" for n in range(of_row.max() + 1))
    return Pool(np.asarray(embeddings, np.float32), of_row.astype(np.intp), names)


def at_angles(*degrees: float) -> np.ndarray:
    """Unit vectors in a plane, (n, 2) float32."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def cos(degrees: float) -> float:
    return float(np.cos(np.radians(degrees)))


def with_cosines(cosines: np.ndarray) -> np.ndarray:
    """Unit vectors of these cosines to TEXT, (n, 2)."""
    return np.stack([cosines, np.sqrt(1.0 - cosines**2)], axis=1)


TEXT = at_angles(0.0)[0]
# Nearest to the text: row 4 at 10 degrees, then row 2 at -20; a quarter of eight is two.
ANGLES = (100.0, 180.0, -20.0, 120.0, 10.0, 150.0, -95.0, -140.0)


def test_a_prototype_is_the_unit_centroid_of_the_recordings_nearest_to_the_text():
    found = from_pool(TEXT, pool_of(at_angles(*ANGLES)), 2)
    assert found.rows.tolist() == [4, 2]
    np.testing.assert_allclose(found.vector, at_angles(-5.0)[0], atol=1e-6)
    assert (found.vector.dtype, found.rows.dtype) == (np.float32, np.intp)


def test_the_threshold_lies_halfway_from_the_highest_others_to_the_lower_neighbours():
    found = from_pool(TEXT, pool_of(at_angles(*ANGLES)), 2)
    # The two are 30 degrees apart, and the nearest other is 90 degrees from their middle.
    assert found.headroom == pytest.approx(cos(30.0) - cos(90.0), abs=1e-6)
    assert found.threshold == pytest.approx((cos(30.0) + cos(90.0)) / 2.0, abs=1e-6)
    assert found.note is None


def test_a_neighbour_is_judged_by_the_others_and_the_worst_one_alone_does_not_decide():
    # The fourth, 22.5 degrees from their centroid at -3.3, is as near to it as the worst of them: alike.
    found = from_pool(TEXT, pool_of(at_angles(0.0, 10.0, -20.0, -25.8, *[180.0] * 8)), 3)
    # Each is 5, 20 and 25 degrees from halfway between the two others; the lower quartile of three is
    # halfway from the lowest to the middle one.
    own = (cos(25.0) + cos(20.0)) / 2.0
    others = -float(found.vector[0])
    assert found.headroom == pytest.approx(own - others, abs=1e-6)
    assert found.threshold == pytest.approx((own + others) / 2.0, abs=1e-6)
    assert found.note is None


def test_neighbours_further_from_each_other_than_from_the_rest_are_marked_and_lower_no_threshold():
    # The two nearest to the text lie 80 degrees to either side of it, the next 85.
    found = from_pool(TEXT, pool_of(at_angles(80.0, -80.0, 85.0, -85.0, 90.0, -90.0, 100.0, -100.0)), 2)
    assert sorted(found.rows) == [0, 1]
    np.testing.assert_allclose(found.vector, TEXT, atol=1e-6)
    assert found.headroom == pytest.approx(cos(160.0) - cos(85.0), abs=1e-6)
    assert found.threshold == pytest.approx(cos(85.0), abs=1e-6)
    assert found.note == DISAGREE


@pytest.mark.parametrize(("apart", "note"), [(59.0, None), (60.0, DISAGREE)])
def test_neighbours_that_stand_out_by_little_are_marked(apart, note):
    # Of ten others at 90 to 180 degrees from the text, the fifth from below is the median and the ninth the
    # 90th percentile: cosines of -0.5 and 0.2. A quarter of a deviation from there is 0.137.
    others = np.array([-1.0, -0.9, -0.8, -0.7, -0.5, -0.3, -0.1, 0.1, 0.2, 0.37])
    least = 0.25 * 0.7 / NORMAL_90
    assert (cos(apart) - 0.37 > least) is (note is None)
    embeddings = np.vstack([at_angles(apart / 2.0, -apart / 2.0), with_cosines(others)])
    found = from_pool(TEXT, pool_of(embeddings), 2)
    assert found.headroom == pytest.approx(cos(apart) - 0.37, abs=1e-6)
    assert found.note == note


def test_a_single_neighbour_agrees_with_nobody_and_is_marked():
    found = from_pool(TEXT, pool_of(at_angles(*ANGLES)), 1)
    assert found.rows.tolist() == [4]
    assert found.headroom is None
    assert found.threshold == pytest.approx(cos(30.0), abs=1e-6)  # the other that was nearly one as well
    assert found.note == DISAGREE


def test_a_recording_counts_by_its_nearest_window_only():
    # Recording 0 holds the three windows that are nearest to the text.
    angles = (6.0, 3.0, 9.0, 15.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0)
    found = from_pool(TEXT, pool_of(at_angles(*angles), (0, 0, 0, 1, 2, 3, 4, 5, 6, 7)), 2)
    assert found.rows.tolist() == [1, 3]
    np.testing.assert_allclose(found.vector, at_angles(9.0)[0], atol=1e-6)


def test_a_neighbours_other_windows_are_not_held_against_it():
    angles = (3.0, 24.0, 15.0, 45.0, 60.0, 90.0, 120.0, 150.0, 180.0)
    of_row = (0, 0, 1, 2, 3, 4, 5, 6, 7)
    found = from_pool(TEXT, pool_of(at_angles(*angles), of_row), 2)
    # The window at 24 degrees, 15 from the prototype, is of a neighbour.
    assert found.threshold == pytest.approx((cos(12.0) + cos(36.0)) / 2.0, abs=1e-6)


@pytest.mark.parametrize(
    ("n_recordings", "k", "expected"), [(8, 35, 2), (11, 35, 2), (12, 35, 3), (12, 2, 2)]
)
def test_no_more_than_a_quarter_of_the_recordings_are_neighbours(n_recordings, k, expected, rng):
    embeddings = unit(rng.standard_normal((5 * n_recordings, 16)))
    recording = np.repeat(np.arange(n_recordings), 5)
    found = from_pool(unit(rng.standard_normal(16)), pool_of(embeddings, recording), k)
    assert len(found.rows) == len(set(recording[found.rows])) == expected
    assert n_neighbours(n_recordings, k) == expected


@pytest.mark.parametrize("n_recordings", [1, 7])
def test_a_pool_of_fewer_than_eight_recordings_is_refused_however_long_they_are(n_recordings, rng):
    embeddings = unit(rng.standard_normal((40, 16)))
    pool = pool_of(embeddings, np.arange(40) % n_recordings)
    with pytest.raises(ValueError, match=f"8 recordings at least, but has {n_recordings}"):
        from_pool(embeddings[0], pool, 3)


@pytest.mark.parametrize("k", [0, -1])
def test_no_neighbours_at_all_are_refused(k):
    with pytest.raises(ValueError, match=f"at least 1, not {k}"):
        from_pool(TEXT, pool_of(at_angles(*ANGLES)), k)


@pytest.mark.parametrize(("n_alike", "end"), [(2, 90.0), (3, 1.5)])
def test_recordings_of_the_sound_beyond_the_neighbours_do_not_pass_for_others_unless_they_are_many(
    n_alike, end
):
    # Two neighbours two degrees apart; of ten others, some are as near to them: a fifth, and three tenths.
    alike, far = [1.5, -1.5, 1.9][:n_alike], np.linspace(90.0, 180.0, 10 - n_alike)
    found = from_pool(TEXT, pool_of(at_angles(1.0, -1.0, *alike, *far)), 2)
    assert found.rows.tolist() == [0, 1]
    assert found.headroom == pytest.approx(cos(2.0) - cos(end), abs=1e-6)
    assert found.note == (None if n_alike == 2 else DISAGREE)


def clusters(rng: np.random.Generator, spread: float) -> tuple[np.ndarray, Pool]:
    """Four kinds of sound in turn, twenty recordings each; and a text near the second kind."""
    centres = np.eye(4, 32)
    embeddings = unit(np.tile(centres, (20, 1)) + spread * rng.standard_normal((80, 32)) / np.sqrt(32))
    return unit(centres[1] + 0.5 * rng.standard_normal(32) / np.sqrt(32)), pool_of(embeddings)


def test_the_neighbours_are_of_the_kind_that_the_text_names_and_the_threshold_tells_it_from_others(rng):
    text, pool = clusters(rng, spread=0.5)
    found = from_pool(text, pool, 20)
    assert (found.rows % 4 == 1).all()
    cosines = pool.embeddings @ found.vector
    is_kind = np.arange(80) % 4 == 1
    assert cosines[~is_kind].max() < found.threshold < cosines[is_kind].min()
    assert found.note is None
    assert found.vector @ np.eye(32)[1] > text @ np.eye(32)[1]


def test_headroom_shrinks_as_neighbours_scatter_and_the_note_comes_when_it_is_gone(rng):
    found = [from_pool(*clusters(rng, spread), 20) for spread in (0.2, 1.0, 20.0)]
    headrooms = [prototype.headroom for prototype in found]
    assert all(before > after for before, after in pairwise(headrooms))
    assert [prototype.note for prototype in found] == [None, None, DISAGREE]


def test_words_that_no_recording_of_the_pool_answers_to_are_marked(rng):
    pool = pool_of(unit(rng.standard_normal((400, 512))))
    notes = [from_pool(unit(rng.standard_normal(512)), pool, 20).note for _ in range(20)]
    assert notes == [DISAGREE] * 20


def test_a_text_alone_is_its_own_prototype():
    found = from_text(TEXT, None)
    np.testing.assert_array_equal(found.vector, TEXT)
    assert found.rows.shape == (0,)
    assert found.rows.dtype == np.intp
    assert (found.threshold, found.headroom, found.note) == (TEXT_THRESHOLD, None, None)


def test_a_text_with_a_pool_has_its_threshold_from_what_the_pool_scores():
    cosines = np.random.default_rng(0).permutation(100) / 100.0
    found = from_text(TEXT, pool_of(with_cosines(cosines)))
    np.testing.assert_array_equal(found.vector, TEXT)
    assert found.threshold == pytest.approx(0.98, abs=1e-6)  # not more than which are 99 of the 100
    assert (len(found.rows), found.headroom, found.note) == (0, None, None)


def test_recordings_of_the_sound_itself_do_not_raise_a_texts_threshold_far():
    # Cosines of the others lie evenly within 0.2 of zero, but five are of the sound itself: over a percent.
    evenly = np.linspace(-0.2, 0.2, 95)
    pool = pool_of(with_cosines(np.append(evenly, [0.9] * 5)))
    median, high = evenly[49], evenly[89]
    expected = median + 3.5 * (high - median) / NORMAL_90
    assert 0.2 < expected < 0.6
    assert from_text(TEXT, pool).threshold == pytest.approx(expected, abs=1e-6)


def test_a_long_recording_counts_no_more_than_a_short_one():
    cosines = np.append(np.linspace(-0.2, 0.2, 150), [0.4] * 1000)
    recording = np.append(np.arange(150), [150] * 1000)
    text_alone = from_text(TEXT, pool_of(with_cosines(cosines), recording))
    assert text_alone.threshold == pytest.approx(0.2, abs=1e-6)
    embeddings = np.vstack([with_cosines(cosines), at_angles(1.0, -1.0)])
    found = from_pool(TEXT, pool_of(embeddings, np.append(recording, [151, 152])), 2)
    assert found.headroom == pytest.approx(cos(2.0) - 0.2, abs=1e-6)


def test_a_method_makes_a_prototype_of_recordings_or_of_the_text():
    pool = pool_of(at_angles(*ANGLES))
    assert make_prototype(TEXT, pool, "proto", 2).rows.tolist() == [4, 2]
    for maybe in (pool, None):
        found = make_prototype(TEXT, maybe, "zero-shot", 2)
        np.testing.assert_array_equal(found.vector, TEXT)
        assert found.threshold == from_text(TEXT, maybe).threshold
    with pytest.raises(ValueError, match="needs a pool"):
        make_prototype(TEXT, None, "proto", 2)


def test_several_sentences_are_one_text_halfway_between_them():
    found = mean_text(at_angles(10.0, 50.0))
    np.testing.assert_allclose(found, at_angles(30.0)[0], atol=1e-6)
    assert found.dtype == np.float32


def test_a_rival_outdoes_a_prototype_that_is_no_nearer_to_half_of_its_neighbours():
    # Neighbours at 0, 0, 40 and 40 degrees, the prototype at 20.
    pool = pool_of(at_angles(0.0, 0.0, 40.0, 40.0, *np.linspace(100.0, 260.0, 12)))
    prototype = from_pool(at_angles(20.0)[0], pool, 4)
    assert sorted(prototype.rows) == [0, 1, 2, 3]
    rivals = at_angles(5.0, 55.0, 61.0, -21.0, 180.0)
    assert outdone_by(prototype, pool, rivals).tolist() == [True, True, False, False, False]
    # One that is nearer to a quarter of them only.
    apart = pool_of(at_angles(0.0, 10.0, 20.0, 50.0, *np.linspace(100.0, 260.0, 12)))
    prototype = from_pool(at_angles(20.0)[0], apart, 4)
    assert outdone_by(prototype, apart, at_angles(50.0, 5.0)).tolist() == [False, True]
    assert outdone_by(from_text(TEXT, pool), pool, rivals).tolist() == [False] * 5


seeds = st.integers(0, 2**32 - 1)


def random_pool(seed: int) -> tuple[np.random.Generator, np.ndarray, Pool]:
    rng = np.random.default_rng(seed)
    n_recordings = int(rng.integers(8, 40))
    recording = np.sort(np.concatenate([np.arange(n_recordings), rng.integers(0, n_recordings, 30)]))
    embeddings = unit(rng.standard_normal((len(recording), 12)) + rng.standard_normal(12))
    return rng, unit(rng.standard_normal(12)), pool_of(embeddings, recording)


@given(seed=seeds, k=st.integers(1, 12))
def test_the_pools_order_changes_nothing_but_the_numbers_of_rows(seed, k):
    rng, text, pool = random_pool(seed)
    order = rng.permutation(len(pool.embeddings))
    renamed = rng.permutation(len(pool.names))
    shuffled = Pool(pool.embeddings[order], renamed[pool.recording[order]], pool.names)
    expected, found = from_pool(text, pool, k), from_pool(text, shuffled, k)
    assert order[found.rows].tolist() == expected.rows.tolist()
    np.testing.assert_allclose(found.vector, expected.vector, atol=1e-6)
    assert found.threshold == pytest.approx(expected.threshold, abs=1e-6)
    assert found.headroom == (expected.headroom and pytest.approx(expected.headroom, abs=1e-6))
    assert found.note == expected.note
    assert from_text(text, shuffled).threshold == pytest.approx(from_text(text, pool).threshold, abs=1e-6)


@given(seed=seeds, k=st.integers(1, 12))
def test_whatever_the_pool_a_prototype_is_a_unit_vector_with_a_cosine_for_a_threshold(seed, k):
    _, text, pool = random_pool(seed)
    found = from_pool(text, pool, k)
    assert np.linalg.norm(found.vector) == pytest.approx(1.0, abs=1e-5)
    assert -1.0 <= found.threshold <= 1.0
    assert (found.headroom is None) == (len(found.rows) == 1)
    assert found.note == DISAGREE or found.headroom > 0.0
    # Each recording once, the nearest first, each by its nearest window.
    cosines = pool.embeddings @ text
    assert (np.diff(cosines[found.rows]) <= 0.0).all()
    assert len(set(pool.recording[found.rows])) == len(found.rows) == n_neighbours(len(pool.names), k)
    for row in found.rows:
        assert cosines[row] == cosines[pool.recording == pool.recording[row]].max()
    is_stranger = ~np.isin(pool.recording, pool.recording[found.rows])
    assert cosines[found.rows].min() >= cosines[is_stranger].max()
