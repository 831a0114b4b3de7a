"""Planted events over planted sounds → figures worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs scipy, from the extra `eval`")

from edge.types import SoundEvent
from export.evaluation.cluster_bootstrap import quantile_interval, ratio_interval
from export.evaluation.scenes import SceneSound
from export.evaluation.stream import Emitted, Heard, HeardScene
from export.evaluation.stream_metrics import POOLED, Figures, alarms_in_scenes, figures, recall_by_part
from export.evaluation.stream_outcomes import Outcomes, judge_scenes

RATE = 1000
WINDOW_S = 2.0
"""So that an event has found a sound if it begins within a second of it."""


def played(
    label: str | None, onset_s: float, offset_s: float, *, snr_db: float = 10.0, clip: str = "a"
) -> SceneSound:
    return SceneSound(
        label=label,
        what=label or "kettle",
        clip=clip,
        source=clip,
        onset_sample=round(onset_s * RATE),
        offset_sample=round(offset_s * RATE),
        snr_db=snr_db,
        overlapped=False,
    )


def told(label: str, onset_s: float, at_s: float) -> tuple[Emitted, Emitted]:
    """An event's onset and offset."""
    onset = SoundEvent("onset", 1, label, 0.7, 0.6, round(onset_s * RATE))
    offset = SoundEvent("offset", 1, label, 0.7, 0.6, round(onset_s * RATE), round(at_s * RATE) + 500)
    return Emitted(onset, round(at_s * RATE)), Emitted(offset, round(at_s * RATE) + 1000)


def scene(
    background: str, sounds: Sequence[SceneSound], events: Sequence[tuple[Emitted, Emitted]]
) -> HeardScene:
    emitted = tuple(one for event in events for one in event)
    return HeardScene(background, tuple(sounds), Heard(60 * RATE, RATE, (), emitted))


SCENES = [
    # Found late; a repeat at the same sound; a false alarm at a kettle; a siren missed.
    scene(
        "speech",
        [
            played("dog", 10.0, 14.0, clip="d1", snr_db=0.0),
            played(None, 20.0, 22.0),
            played("siren", 30.0, 33.0, clip="s1"),
        ],
        [told("dog", 11.5, 12.5), told("dog", 13.5, 15.0), told("dog", 21.0, 22.0)],
    ),
    # Found in time; and an event of the other label at it, which is none of its own.
    scene(
        "hum",
        [played("dog", 10.0, 14.0, clip="d1"), played("siren", 30.0, 33.0, clip="s2")],
        [told("dog", 10.25, 11.25), told("siren", 30.75, 32.0), told("siren", 10.5, 12.0)],
    ),
    # Not found: the event began more than a second before the sound.
    scene("speech", [played("dog", 40.0, 41.0, clip="d2")], [told("dog", 38.5, 39.5)]),
]
LABELS = ("dog", "siren")


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    return judge_scenes(SCENES, [one.heard.emitted for one in SCENES], LABELS, WINDOW_S)


@pytest.fixture(scope="module")
def dog(outcomes: Outcomes) -> Figures:
    return figures(outcomes, "dog")


def test_found_repeats_and_false_alarms_are_counted(dog, outcomes):
    assert (dog.label, dog.n_sounds, dog.n_sources, dog.n_found) == ("dog", 3, 2, 2)
    assert dog.n_repeats == 1
    assert dog.false_alarms.n == 2
    assert dog.recall.value == pytest.approx(2 / 3)
    siren = figures(outcomes, "siren")
    assert (siren.n_sounds, siren.n_found, siren.n_repeats, siren.false_alarms.n) == (2, 1, 0, 1)


def test_an_hour_has_as_many_false_alarms_as_three_minutes_had_times_twenty(dog):
    assert dog.false_alarms.hours == pytest.approx(0.05)
    assert dog.false_alarms.per_hour.value == pytest.approx(40.0)
    # Exact limits of a count of 2 are 0.2422 and 7.225.
    assert dog.false_alarms.per_hour.low == pytest.approx(0.2422 * 20, rel=1e-3)
    assert dog.false_alarms.per_hour.high == pytest.approx(7.225 * 20, rel=1e-3)


def test_precision_recall_and_f1_at_each_collar(dog):
    # Onsets differ by 1.5 s and 0.25 s, and by 1.5 s where the event wasn't found: five events, three sounds.
    expected = {0.5: 1, 1.0: 1, 2.0: 3}
    assert [at.collar_s for at in dog.on_time] == list(expected)
    for at in dog.on_time:
        n = expected[at.collar_s]
        assert at.precision.value == pytest.approx(n / 5)
        assert at.recall.value == pytest.approx(n / 3)
        assert at.f1.value == pytest.approx(2 * n / 8)


def test_latency_is_from_the_onset_to_the_window_that_brought_the_event(dog, outcomes):
    # 2.5 s and 1.25 s: half of them are within the smaller.
    assert dog.latency.median_s.value == pytest.approx(1.25)
    assert dog.latency.p90_s.value == pytest.approx(2.5)
    assert figures(outcomes, "siren").latency.median_s.value == pytest.approx(2.0)


def test_all_together_are_the_sums(outcomes):
    pooled = figures(outcomes, None)
    assert pooled.label == POOLED
    assert (pooled.n_sounds, pooled.n_found, pooled.n_repeats, pooled.false_alarms.n) == (5, 3, 1, 3)
    assert pooled.on_time[-1].precision.value == pytest.approx(4 / 7)
    assert pooled.latency.median_s.value == pytest.approx(2.0)


def test_a_false_alarm_is_noted_with_what_played(outcomes):
    alarms = [event for event in outcomes.events if event.outcome == "false alarm"]
    assert [(a.label, a.scene, a.background, a.playing) for a in alarms] == [
        ("dog", 0, "speech", ("kettle",)),
        ("siren", 1, "hum", ("dog",)),
        ("dog", 2, "speech", ()),
    ]


def test_recall_is_parted_by_snr_background_and_overlap(outcomes):
    parts = {(p.what, p.value): (p.n_found, p.n_sounds) for p in recall_by_part(outcomes.sounds)}
    assert parts == {
        ("SNR", "0 dB"): (1, 1),
        ("SNR", "10 dB"): (2, 4),
        ("background", "hum"): (2, 2),
        ("background", "speech"): (1, 3),
        ("another sound", "none"): (3, 5),
    }


def test_a_label_without_sounds_or_events_has_false_alarms_alone():
    cat = figures(judge_scenes(SCENES, [()] * 3, ("cat",), WINDOW_S), "cat")
    assert (cat.n_sounds, cat.recall, cat.latency, cat.false_alarms.n) == (0, None, None, 0)
    assert {(at.precision, at.recall, at.f1) for at in cat.on_time} == {(None, None, None)}
    missed = figures(judge_scenes(SCENES, [()] * 3, LABELS, WINDOW_S), "dog")
    assert missed.recall.value == 0.0
    assert missed.on_time[0].precision is None
    assert missed.on_time[0].f1.value == 0.0


def test_where_every_recording_agrees_the_interval_is_exact_and_not_without_width(outcomes):
    (noise,) = [p for p in recall_by_part(outcomes.sounds) if p.value == "hum"]
    # 2 of 2 recordings, by Clopper and Pearson.
    assert (noise.recall.value, noise.recall.high) == (1.0, 1.0)
    assert noise.recall.low == pytest.approx(0.1581, abs=1e-3)
    (soft,) = [p for p in recall_by_part(outcomes.sounds) if p.value == "0 dB"]
    assert soft.recall.low == pytest.approx(0.025)


def test_an_interval_of_a_ratio_is_that_of_the_mean_where_clusters_are_alike(rng):
    hits = rng.binomial(10, 0.3, 200).astype(np.float64)
    interval = ratio_interval(hits, np.full(200, 10.0))
    assert interval.value == pytest.approx(hits.mean() / 10)
    # A share of 0.3 of 2000.
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * np.sqrt(0.3 * 0.7 / 2000), rel=0.15)
    assert ratio_interval(np.zeros(3), np.zeros(3)) is None


def test_an_interval_of_the_median_holds_it_and_is_wider_where_values_come_in_clusters(rng):
    values = rng.normal(5.0, 1.0, 100)
    apart = quantile_interval(values, np.arange(100), 0.5)
    assert apart.value == pytest.approx(np.sort(values)[49])
    assert apart.low < 5.0 < apart.high
    assert apart.high - apart.low == pytest.approx(2 * 1.96 * 1.2533 / 10, rel=0.35)
    clustered = quantile_interval(np.repeat(values, 5), np.repeat(np.arange(100), 5), 0.5)
    assert clustered.high - clustered.low == pytest.approx(apart.high - apart.low, rel=0.15)


def test_nine_of_ten_values_are_no_more_than_their_90th_percentile():
    assert quantile_interval(np.arange(10.0), np.arange(10), 0.9).value == 8.0


def test_alarms_that_come_in_bursts_are_less_certain_than_as_many_alone(outcomes):
    alarm = next(event for event in outcomes.events if event.outcome == "false alarm")

    def rate(scenes):
        events = tuple(replace(alarm, scene=scene) for scene in scenes)
        return alarms_in_scenes(Outcomes(60, {"hum": 1.0}, (), events), None)

    alone, in_bursts = rate(range(30)), rate([scene for scene in range(5) for _ in range(6)])
    assert (alone.n, alone.per_hour.value) == (in_bursts.n, in_bursts.per_hour.value) == (30, 30.0)
    width = in_bursts.per_hour.high - in_bursts.per_hour.low
    assert width > 2.0 * (alone.per_hour.high - alone.per_hour.low)


def test_no_alarm_in_an_hour_of_scenes_is_no_certainty():
    none = alarms_in_scenes(Outcomes(60, {"hum": 1.0}, (), ()), None)
    assert none.per_hour.high == pytest.approx(3.69, abs=0.01)
