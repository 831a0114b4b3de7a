from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from synthetic_bundle import THRESHOLD, write_synthetic_bundle

from edge.background import Background
from edge.bundle import Bundle
from edge.calibration.alarm_levels import own_and_best_rival
from edge.calibration.false_alarms import FalseAlarms, alarm_levels, false_alarms_of
from edge.calibration.rate_interval import clustering, count_interval
from edge.scoring import PrototypeSet, scores
from edge.trigger import Trigger, TriggerRule
from edge.trigger_bank import TriggerBank

RATE = 100
HOP = 50
HOP_S = HOP / RATE
WINDOW = 250
RULE = TriggerRule(
    on_threshold=0.5,
    off_threshold=-1.0,
    margin=0.0,
    rivals="background",
    confirm_s=0.0,
    within_s=0.0,
    release_s=0.0,
    cooldown_s=0.0,
)
NO_RIVAL = float("-inf")
COSINES = st.floats(-1.0, 1.0, width=32, allow_subnormal=False)
GROUPS = st.dictionaries(st.integers(0, 12), st.tuples(COSINES, COSINES), min_size=1, max_size=8)
"""Number of a window → its score and its best rival's."""


def levels(
    own: list[float], position: list[int], rule: TriggerRule, best_rival: float = NO_RIVAL
) -> NDArray[np.float64]:
    n = len(own)
    return alarm_levels(
        np.array(own, np.float32),
        np.full(n, best_rival, np.float32),
        np.zeros(n, np.intp),
        np.array(position, np.intp),
        rule,
        HOP_S,
    )


def fires(group: dict[int, tuple[float, float]], rule: TriggerRule, threshold: float) -> bool:
    """Whether the real trigger begins an event; windows that aren't in the group weren't scored."""
    rule = replace(rule, on_threshold=threshold)
    trigger = Trigger("dog bark", rule, HOP, RATE, itertools.count(1))
    for index in range(max(group) + 1):
        score, best_rival = group.get(index, (None, NO_RIVAL))
        if trigger.step(index * HOP, index * HOP + WINDOW, score, best_rival) is not None:
            return True
    return False


@given(
    groups=st.lists(GROUPS, min_size=1, max_size=4),
    confirm_s=st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0, 1.5]),
    slack_s=st.sampled_from([0.0, 0.01, 0.2, 0.5, 1.0, 2.0]),
    margin=st.sampled_from([-2.0, -0.25, 0.0, 0.1]),
)
def test_a_level_is_the_highest_threshold_at_which_the_trigger_fires(groups, confirm_s, slack_s, margin):
    rule = replace(RULE, confirm_s=confirm_s, within_s=confirm_s + slack_s, margin=margin)
    rows = [(g, i, *group[i]) for g, group in enumerate(groups) for i in sorted(group)]
    numbers, positions, own, best_rival = zip(*rows, strict=True)
    found = alarm_levels(
        np.array(own, np.float32),
        np.array(best_rival, np.float32),
        np.array(numbers, np.intp),
        np.array(positions, np.intp),
        rule,
        HOP_S,
    )
    assert found.shape == (len(groups),)
    for group, level in zip(groups, found.tolist(), strict=True):
        if level == -math.inf:
            assert not fires(group, rule, -1.0)
            continue
        assert fires(group, rule, level)
        assert level == -1.0 or fires(group, rule, max(-1.0, level - 1e-7))
        assert level == 1.0 or not fires(group, rule, min(1.0, level + 1e-7))


def test_the_windows_that_confirm_must_lie_within_the_stretch():
    two = replace(RULE, confirm_s=1.0, within_s=1.5)
    assert levels([0.5, 0.75], [0, 2], two) == [0.5]
    assert levels([0.5, 0.75], [0, 3], two) == [-math.inf]
    assert levels([0.75, 0.25, 0.5], [0, 3, 4], two) == [0.25]


def test_a_window_that_its_rival_beats_supports_at_no_threshold():
    assert levels([0.5], [0], RULE, best_rival=0.625) == [-math.inf]
    assert levels([0.5], [0], replace(RULE, margin=-0.125), best_rival=0.625) == [0.5]


def test_of_no_windows_there_are_no_levels():
    assert levels([], [], RULE).shape == (0,)


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [
        # Halves of chi-square at .05 with 2n degrees of freedom and at .95 with 2n + 2, from printed tables.
        (2, 0.711 / 2, 12.592 / 2),
        (5, 3.940 / 2, 21.026 / 2),
        (10, 10.851 / 2, 33.924 / 2),
        (20, 26.509 / 2, 58.124 / 2),
    ],
)
def test_the_interval_of_a_count_is_that_of_the_chi_square_tables(n, low, high):
    assert count_interval(n) == pytest.approx((low, high), rel=0.03 if n == 2 else 0.005)


def test_no_event_proves_a_rate_under_three_in_the_time():
    assert count_interval(0) == (0.0, 3.0)
    nothing = FalseAlarms(np.empty(0), np.empty(0, np.float32), np.empty(0, np.intp), 10, 7200.0)
    assert nothing.rate(0.5).per_h == 0.0
    assert (nothing.rate(0.5).low, nothing.rate(0.5).high) == (0.0, 1.5)
    assert nothing.threshold_for(0.5) == -math.inf


def test_events_are_as_clustered_as_they_are_many_in_a_recording():
    assert clustering(np.ones(8), np.arange(8), 100) == 1.0
    assert clustering(np.ones(8), np.zeros(8, np.intp), 1000) == pytest.approx(8.0, rel=0.01)
    assert clustering(np.full(8, 7.0), np.zeros(8, np.intp), 1000) == pytest.approx(8.0, rel=0.01)
    assert clustering(np.ones(8), np.repeat(np.arange(4), 2), 1000) == pytest.approx(2.0, rel=0.01)


def test_events_in_few_recordings_have_a_wider_interval_of_the_same_rate():
    heights, weight = np.linspace(0.3, 0.9, 60), np.ones(60, np.float32)
    apart = FalseAlarms(heights, weight, np.arange(60), 1000, 36000.0).rate(0.6)
    of_six = FalseAlarms(heights, weight, np.arange(60) % 6, 1000, 36000.0).rate(0.6)
    assert of_six.per_h == apart.per_h
    assert of_six.high - of_six.low > 2.5 * (apart.high - apart.low)


def test_events_that_stand_for_many_have_the_interval_of_those_few_that_they_are():
    heavy = FalseAlarms(np.full(5, 0.5), np.full(5, 10.0, np.float32), np.arange(5), 10_000, 3600.0).rate(0.5)
    assert heavy.per_h == pytest.approx(50.0)
    assert (heavy.low, heavy.high) == pytest.approx((10 * 3.940 / 2, 10 * 21.026 / 2), rel=0.01)


def spread(n_events: int, hours: float = 10.0, scale: float = 0.05, weight: float = 1.0) -> FalseAlarms:
    """Events whose number above a level falls by e every `scale`, the lowest at .3, each of a recording."""
    highest_first = 0.3 + scale * np.log(n_events / np.arange(1, n_events + 1))
    return FalseAlarms(
        highest_first[::-1].copy(),
        np.full(n_events, weight, np.float32),
        np.arange(n_events),
        1000,
        hours * 3600.0,
    )


def test_at_an_event_s_level_the_rate_is_of_those_that_reach_it():
    counted = spread(100)
    rate = counted.rate(0.3 + 0.05 * math.log(100 / 20) - 1e-12)
    assert rate.per_h == pytest.approx(2.0, rel=1e-6)
    assert (rate.low, rate.high) == pytest.approx((26.509 / 20, 58.124 / 20), rel=0.005)


def test_what_an_event_stands_for_is_counted():
    assert spread(100, weight=3.0).rate(0.3).per_h == pytest.approx(30.0)


def test_above_the_fifth_event_the_count_falls_as_the_twenty_highest_do():
    counted = spread(1000)
    fifth = 0.3 + 0.05 * math.log(1000 / 5)
    assert counted.rate(fifth).per_h == pytest.approx(0.5)
    assert counted.rate(fifth + 0.05 * math.log(5)).per_h == pytest.approx(0.1, rel=0.2)
    assert counted.rate(fifth + 0.05 * math.log(50)).per_h == pytest.approx(0.01, rel=0.4)


def test_the_further_beyond_the_events_the_wider_the_interval():
    counted = spread(1000)
    rates = [counted.rate(0.3 + 0.05 * math.log(1000 / n)) for n in (20, 5, 1, 0.1)]
    widths = [rate.high / rate.per_h for rate in rates]
    assert widths == sorted(widths)
    assert widths[-1] > 3.0
    assert all(rate.low < rate.per_h < rate.high for rate in rates)


def test_four_events_have_no_tail_and_above_them_a_rate_is_only_bounded():
    counted = spread(4)
    highest = 0.3 + 0.05 * math.log(4)
    above = counted.threshold_for(0.01)
    assert highest < above < highest + 1e-9
    assert (counted.rate(above).per_h, counted.rate(above).high) == (0.0, 0.3)
    assert counted.rate(highest).per_h == pytest.approx(0.1)


def test_events_all_alike_have_no_tail():
    alike = FalseAlarms(np.full(30, 0.5), np.ones(30, np.float32), np.arange(30), 100, 36000.0)
    assert alike.rate(0.5).per_h == pytest.approx(3.0)
    assert alike.rate(0.51).per_h == 0.0
    assert 0.5 < alike.threshold_for(1.0) < 0.5 + 1e-9


def test_a_rate_above_that_of_all_events_asks_for_no_threshold():
    assert spread(100).threshold_for(10.01) == -math.inf
    assert spread(100).threshold_for(9.99) == pytest.approx(0.3, abs=0.001)


EVENTS = st.lists(
    st.tuples(st.floats(-1.0, 1.0, allow_subnormal=False), st.floats(0.5, 50.0), st.integers(0, 9)),
    min_size=1,
    max_size=60,
)


def counted_of(events: list[tuple[float, float, int]]) -> FalseAlarms:
    levels, weights, recordings = zip(*events, strict=True)
    return FalseAlarms(
        np.array(levels), np.array(weights, np.float32), np.array(recordings, np.intp), 10, 3600.0
    )


@given(
    events=EVENTS, thresholds=st.lists(st.floats(-1.5, 1.5, allow_subnormal=False), min_size=2, max_size=6)
)
def test_a_rate_never_rises_with_the_threshold(events, thresholds):
    counted = counted_of(events)
    rates = [counted.rate(threshold) for threshold in sorted(thresholds)]
    for lower, higher in itertools.pairwise(rates):
        assert higher.per_h <= lower.per_h * (1 + 1e-9)
    assert all(rate.low <= rate.per_h <= rate.high for rate in rates)


@given(
    levels=st.lists(st.integers(-1000, 1000), min_size=5, max_size=60, unique=True),
    per_h=st.floats(0.01, 100.0),
    weight=st.floats(0.5, 50.0),
)
def test_the_threshold_for_a_rate_has_that_rate(levels, per_h, weight):
    counted = counted_of([(level / 1000, weight, i % 10) for i, level in enumerate(levels)])
    threshold = counted.threshold_for(per_h)
    if threshold == -math.inf:
        assert counted.rate(-1.0).per_h < per_h
    else:
        assert counted.rate(threshold).per_h == pytest.approx(per_h, rel=1e-5)


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_synthetic_bundle(Path(tmp_path_factory.mktemp("tones")) / "bundle")


@pytest.fixture(scope="module")
def prototypes(tones: Bundle) -> PrototypeSet:
    return tones.prototypes(tones.manifest.encoders[0])


@pytest.fixture(scope="module")
def background(tones: Bundle, prototypes: PrototypeSet) -> Background:
    """An hour with 80 moments of three windows, with some of a dog and of its rival, rain, in them."""
    assert tones.background is not None
    rng = np.random.default_rng(5)
    dog, rain = prototypes.vectors[0], prototypes.vectors[3]
    shares = rng.uniform(0.0, 1.0, (2, 240, 1))
    rows = shares[0] * dog + 0.7 * shares[1] * rain + 0.1 * rng.standard_normal((240, len(dog)))
    return replace(
        tones.background,
        embeddings=(rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32),
        moment=np.repeat(np.arange(80), 3),
        position=np.cumsum(rng.integers(1, 5, (80, 3)), axis=1).ravel(),
        weight=rng.uniform(1.0, 3.0, 80).astype(np.float32),
        recording=np.arange(80) // 2,
    )


TONE_RULE = replace(
    RULE, on_threshold=THRESHOLD, off_threshold=-1.0, confirm_s=0.96, within_s=1.92, release_s=1.5
)


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.6])
def test_moments_are_counted_as_the_trigger_bank_tells_them(prototypes, background, threshold):
    rule = replace(TONE_RULE, on_threshold=threshold)
    fired = []
    for moment in range(80):
        bank = TriggerBank(prototypes, {"dog bark": rule}, 7680, 16000)
        is_of_it = background.moment == moment
        for index, row in zip(background.position[is_of_it], background.embeddings[is_of_it], strict=True):
            start = 7680 * int(index)
            if bank.step(start, start + 41360, scores(row, prototypes))[0]:
                fired.append(moment)
                break
    counted = false_alarms_of(0, prototypes, rule, background)
    assert 5 < len(fired) < 80
    assert set(fired) == set(np.flatnonzero(levels_of(background, prototypes, rule) >= threshold))
    least = levels_of(background, prototypes, rule)[fired].min()
    assert counted.rate(least).per_h == pytest.approx(background.weight[fired].sum(), rel=1e-6)
    assert not counted.is_upper_bound


def levels_of(background: Background, prototypes: PrototypeSet, rule: TriggerRule) -> NDArray[np.float64]:
    own, best_rival = own_and_best_rival(background.embeddings, 0, prototypes, rule)
    return alarm_levels(own, best_rival, background.moment, background.position, rule, background.hop_s)


def test_a_rule_that_needs_more_windows_than_are_kept_is_counted_by_those_kept(prototypes, background):
    rule = replace(TONE_RULE, confirm_s=1.44, within_s=4.8)
    three = false_alarms_of(0, prototypes, rule, background)
    six = false_alarms_of(0, prototypes, replace(rule, confirm_s=2.88), background)
    assert not three.is_upper_bound
    assert six.is_upper_bound
    assert six.rate(0.4) == three.rate(0.4)
    assert three.rate(0.4).per_h > 0.0


def clustered(rng: np.random.Generator, hours: float) -> tuple[NDArray[np.float64], NDArray[np.intp], int]:
    """Levels of 60 events an hour and their recordings, of ten minutes each.

    Recordings differ: in how many events they hold (gamma, variance 2) and how high these reach, half of the
    variance being theirs.
    """
    n_recordings = round(hours * 6)
    n_of_recording = rng.poisson(10.0 * rng.gamma(0.5, 2.0, n_recordings))
    recording = np.repeat(np.arange(n_recordings), n_of_recording)
    height = math.sqrt(0.5) * (
        rng.standard_normal(n_recordings)[recording] + rng.standard_normal(len(recording))
    )
    return 0.3 + 0.12 * height, recording, n_recordings


def test_rates_asked_for_come_true_within_their_intervals_on_sounds_in_clusters():
    rng = np.random.default_rng(0)
    truth = clustered(rng, 20_000.0)[0]
    factors, is_inside = [], []
    for _ in range(100):
        heights, recording, n_recordings = clustered(rng, 24.0)
        weight = np.ones(len(heights), np.float32)
        counted = FalseAlarms(heights, weight, recording, n_recordings, 24.0 * 3600.0)
        for asked in (0.5, 1.0, 2.0):
            threshold = counted.threshold_for(asked)
            rate, true_per_h = counted.rate(threshold), np.count_nonzero(truth >= threshold) / 20_000.0
            factors.append(math.exp(abs(math.log(true_per_h / asked))))
            is_inside.append(rate.low <= true_per_h <= rate.high)
    assert np.median(factors) < 1.4
    assert np.quantile(factors, 0.9) < 2.5
    assert np.mean(is_inside) >= 0.87
