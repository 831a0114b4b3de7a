"""Which events find which sounds: worked cases, and as many pairs as brute force and mir_eval find."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="needs scipy, from the extra `eval`")

from export.evaluation.event_matching import judge_events, matched, on_time

fits = st.integers(0, 5).flatmap(
    lambda n_rows: st.integers(0, 5).flatmap(
        lambda n_columns: st.lists(
            st.lists(st.booleans(), min_size=n_columns, max_size=n_columns),
            min_size=n_rows,
            max_size=n_rows,
        ).map(lambda rows: np.array(rows, np.bool_).reshape(n_rows, n_columns))
    )
)
times_s = st.lists(st.integers(0, 60).map(lambda tenths: tenths / 10), max_size=6, unique=True).map(sorted)


def most_pairs(may: np.ndarray) -> int:
    """By trying every order of the columns, with as many blank ones as there are rows."""
    n_rows, n_columns = may.shape
    padded = np.hstack([may, np.zeros((n_rows, n_rows), np.bool_)])
    if not n_rows or not n_columns:
        return 0
    orders = permutations(range(n_columns), min(n_rows, n_columns))
    if n_rows <= n_columns:
        return max(sum(padded[row, column] for row, column in enumerate(order)) for order in orders)
    return most_pairs(may.T)


@given(may=fits)
def test_pairs_are_allowed_use_nothing_twice_and_are_as_many_as_brute_force_finds(may):
    pairs = matched(may)
    assert all(may[row, column] for row, column in pairs)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert len(pairs) == most_pairs(may)


@given(onsets_s=times_s, events_s=times_s, collar_s=st.sampled_from([0.2, 0.5, 1.0]))
def test_on_time_finds_as_many_as_mir_eval(onsets_s, events_s, collar_s):
    util = pytest.importorskip("mir_eval.util", reason="needs mir_eval")
    # Half a hair more, so that both see 0.2 of 0.5 - 0.3.
    theirs = util.match_events(np.array(onsets_s), np.array(events_s), collar_s + 1e-9)
    assert len(on_time(onsets_s, events_s, collar_s + 1e-9)) == len(theirs)


def test_of_several_events_the_first_has_found_the_sound_and_the_others_repeat_it():
    outcome = judge_events([(10.0, 14.0)], [9.5, 12.0, 13.0], collar_s=1.0)
    assert outcome.found == ((0, 0),)
    assert outcome.repeats == (1, 2)
    assert outcome.false_alarms == ()


@pytest.mark.parametrize(("event_s", "is_found"), [(8.9, False), (9.0, True), (15.0, True), (15.1, False)])
def test_an_event_finds_a_sound_from_a_collar_before_it_to_a_collar_behind_it(event_s, is_found):
    outcome = judge_events([(10.0, 14.0)], [event_s], collar_s=1.0)
    assert outcome.found == (((0, 0),) if is_found else ())
    assert outcome.false_alarms == (() if is_found else (0,))


def test_an_event_that_fits_two_sounds_leaves_the_other_to_an_event_that_fits_it_alone():
    outcome = judge_events([(10.0, 12.0), (12.5, 14.0)], [11.9, 13.9], collar_s=1.0)
    assert outcome.found == ((0, 0), (1, 1))
    # Taken greedily, the first sound would have the event that the second needs.
    outcome = judge_events([(10.0, 12.5), (8.0, 10.5)], [11.0, 12.0], collar_s=1.0)
    assert sorted(outcome.found) == [(0, 1), (1, 0)]


def test_without_sounds_every_event_is_a_false_alarm_and_without_events_nothing_is_found():
    assert judge_events([], [1.0, 2.0], collar_s=1.0).false_alarms == (0, 1)
    assert judge_events([(1.0, 2.0)], [], collar_s=1.0).found == ()


def test_on_time_counts_from_the_onset_alone():
    assert on_time([10.0], [13.0], collar_s=2.0) == ()
    assert on_time([10.0], [12.0], collar_s=2.0) == ((0, 0),)
    assert on_time([10.0], [8.0, 10.1], collar_s=2.0) == ((0, 0),)
