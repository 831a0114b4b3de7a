"""Least and greatest duration, events told once, and where a label stands."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from fakes import SMALL_LOG_MEL, BandEncoder, axis_prototypes
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.recognizer import Recognizer, RecognizerSettings
from edge.trigger import Trigger, TriggerRule
from edge.types import AudioBlock, LabelState, SoundEvent

RATE, HOP, WINDOW = 100, 50, 250
RULE = TriggerRule(
    on_threshold=0.5,
    off_threshold=0.5,
    margin=0.0,
    rivals="background",
    confirm_s=0.0,
    within_s=0.0,
    release_s=0.0,
    cooldown_s=0.0,
)
Told = list[tuple[int, SoundEvent]]


def make(hop: int = HOP, **changes: float) -> Trigger:
    return Trigger("dog bark", replace(RULE, **changes), hop, RATE, itertools.count(1))


def play(trigger: Trigger, scores: Sequence[float | None], first: int = 0, hop: int = HOP) -> Told:
    """Events with the index of the window that brought each."""
    events = []
    for index, score in enumerate(scores):
        start = first + index * hop
        event = trigger.step(start, start + WINDOW, score, -math.inf)
        events += [(index, event)] if event is not None else []
    return events


def play_all(trigger: Trigger, stretches: Sequence[tuple[Sequence[float | None], int]], hop: int) -> Told:
    """Events of stretches with gaps behind, with the number of the window; closing counts as one more."""
    events, first, n_windows = [], 0, 0
    for scores, gap in stretches:
        events += [(n_windows + index, event) for index, event in play(trigger, scores, first, hop)]
        n_windows += len(scores) + 1
        end = first + max(0, len(scores) - 1) * hop + WINDOW
        events += [(n_windows - 1, event) for event in trigger.close(end)]
        first = end + gap
    return events


def middle(index: int) -> int:
    return index * HOP + WINDOW // 2


def spans(events: Told) -> list[tuple[int, int]]:
    """Onset and offset of each event, after a look at whether they belong together."""
    told = [event for _, event in events]
    assert [event.kind for event in told] == ["onset", "offset"] * (len(told) // 2)
    for number, (onset, offset) in enumerate(zip(told[::2], told[1::2], strict=True), 1):
        assert onset.number == offset.number == number
        assert onset.onset_sample == offset.onset_sample
        assert offset.score >= onset.score >= onset.threshold
    return [(event.onset_sample, event.offset_sample) for event in told[1::2]]


def test_an_event_is_told_once_its_sound_has_lasted_min_s_with_its_own_onset():
    # 1.0 s from a hop before the middle of window 1: to the middle of window 2.
    (told, onset), (_, offset) = play(make(min_s=1.0), [0.1, 0.6, 0.9, 0.6, 0.1])
    assert (told, onset.onset_sample, onset.score) == (2, middle(1) - HOP, 0.9)
    assert offset.offset_sample == middle(3)


def test_a_sound_shorter_than_min_s_is_no_event_and_uses_up_no_number_and_brings_no_cooldown():
    trigger = make(min_s=1.0, cooldown_s=3.0)
    assert play(trigger, [0.6, 0.1]) == []
    (told, onset), _ = play(trigger, [0.6, 0.6, 0.1], first=2 * HOP)
    assert (told, onset.number, onset.onset_sample) == (1, 1, 2 * HOP + WINDOW // 2 - HOP)


def test_release_bridges_a_sound_that_has_not_lasted_yet():
    trigger = make(min_s=2.0, release_s=1.5, off_threshold=0.3)
    ((told, onset),) = play(trigger, [0.6, 0.1, None, 0.3])
    assert (told, onset.onset_sample) == (3, middle(0) - HOP)


@pytest.mark.parametrize("one_shot", [False, True])
@pytest.mark.parametrize(("end", "told"), [(324, []), (325, [("onset", 1, None), ("offset", 1, 325)])])
def test_a_sound_that_goes_on_to_the_end_counts_to_the_end(end, told, one_shot):
    trigger = make(min_s=2.5, one_shot=one_shot)
    assert play(trigger, [0.6, 0.6]) == []
    events = trigger.close(end)
    assert [(event.kind, event.number, event.offset_sample) for event in events] == told
    assert all(event.onset_sample == 325 - 250 for event in events)


def test_a_sound_that_was_over_before_the_end_does_not_count_to_the_end():
    trigger = make(min_s=2.0, release_s=5.0)
    assert play(trigger, [0.6, 0.6, 0.1]) == []
    assert trigger.close(2 * HOP + WINDOW) == []


def test_an_event_ends_at_max_s_and_the_label_begins_none_while_its_sound_goes_on():
    events = play(make(max_s=1.25), [0.6] * 20 + [0.1, 0.6])
    assert [index for index, _ in events] == [0, 2, 21]
    assert events[1][1].offset_sample == middle(0) - HOP + 125
    assert events[2][1].onset_sample == middle(21) - HOP


def test_what_lasted_max_s_when_it_was_told_ends_with_the_next_window():
    events = play(make(max_s=0.5, confirm_s=1.5, within_s=1.5), [0.6] * 6)
    assert [(index, event.kind) for index, event in events] == [(2, "onset"), (3, "offset")]
    assert events[1][1].offset_sample == middle(0) - HOP + 50


def test_a_label_is_spent_until_its_score_was_too_low_for_release_s():
    # 1.5 s are three hops: windows 3 and 4 aren't enough, 6 to 8 are.
    scores = [0.6, 0.6, 0.6, 0.1, None, 0.6, 0.1, None, 0.1, 0.6]
    events = play(make(max_s=0.5, release_s=1.5), scores)
    assert [(index, event.kind) for index, event in events] == [(0, "onset"), (1, "offset"), (9, "onset")]


def test_the_cooldown_of_a_spent_label_counts_from_where_its_sound_ended():
    events = play(make(max_s=0.5, cooldown_s=3.0), [0.6] * 10 + [0.1] + [0.6] * 10)
    assert events[2][1].onset_sample == middle(9) + 300
    # Windows whose last hop begins sooner don't count.
    assert (events[2][0] * HOP + WINDOW - HOP) - events[2][1].onset_sample in range(HOP)


@pytest.mark.parametrize("rule", [{"max_s": 0.5}, {"one_shot": True}])
def test_behind_a_gap_a_label_is_no_longer_spent(rule):
    trigger = make(release_s=5.0, **rule)
    assert len(play(trigger, [0.6] * 5)) == 2
    assert trigger.close(5 * HOP + WINDOW) == []
    ((told, onset),) = play(trigger, [0.6], first=2000)
    assert (told, onset.number) == (0, 2)


def test_one_shot_tells_an_event_once_with_what_was_held_when_it_was_told():
    events = play(make(one_shot=True, confirm_s=1.0, within_s=1.0), [0.6, 0.7, 0.9] + [0.6] * 9)
    assert [(index, event.kind, event.score) for index, event in events] == [
        (1, "onset", 0.7),
        (2, "offset", 0.7),
    ]
    assert events[1][1].offset_sample == middle(1)


@pytest.mark.parametrize("release_s", [0.0, 5.0])
def test_one_shot_ends_with_the_next_window_whatever_that_is(release_s):
    events = play(make(one_shot=True, release_s=release_s), [0.6, None, 0.6])
    assert [(index, event.kind) for index, event in events][:2] == [(0, "onset"), (1, "offset")]
    assert len(events) == (3 if release_s == 0 else 2)


def test_one_shot_told_by_the_last_window_ends_when_the_stream_does_and_lasts_no_longer():
    trigger = make(one_shot=True)
    play(trigger, [0.6])
    (offset,) = trigger.close(WINDOW + 40)
    assert (offset.kind, offset.offset_sample) == ("offset", middle(0))


def phases(trigger: Trigger, scores: Sequence[float | None]) -> list[tuple[str, float]]:
    states = []
    for index, score in enumerate(scores):
        trigger.step(index * HOP, index * HOP + WINDOW, score, -math.inf)
        state = trigger.state(score, None, -math.inf)
        states.append((state.phase, state.supported_s))
    return states


def test_a_state_tells_how_far_a_label_is():
    trigger = make(confirm_s=1.0, within_s=1.5, min_s=2.0, max_s=2.5, release_s=1.0, cooldown_s=3.0)
    scores = [0.1, 0.6, 0.1, 0.6, 0.6, 0.6, 0.6, 0.1, 0.1, 0.6, 0.1, 0.1, 0.6]
    assert phases(trigger, scores) == [
        ("idle", 0.0),
        ("confirming", 0.5),
        ("confirming", 0.5),
        ("confirming", 1.0),  # Enough support, but its sound hasn't lasted yet.
        ("on", 1.0),
        ("spent", 0.0),
        ("spent", 0.0),
        ("spent", 0.0),
        ("cooling down", 0.0),
        ("cooling down", 0.0),
        ("cooling down", 0.0),
        ("idle", 0.0),
        ("confirming", 0.5),
    ]


def test_a_state_holds_the_scores_and_what_the_rule_asks_for():
    trigger = make(confirm_s=1.0, within_s=1.5, margin=0.125)
    trigger.step(0, WINDOW, 0.75, 0.7)
    assert trigger.state(0.75, "rain", 0.7) == LabelState(
        "dog bark",
        0.75,
        0.5,
        0.125,
        "rain",
        0.7,
        supports=False,
        supported_s=0.0,
        confirm_s=1.0,
        phase="idle",
        off_threshold=0.5,
    )
    trigger.step(HOP, HOP + WINDOW, 0.75, 0.625)
    assert trigger.state(0.75, "rain", 0.625) == LabelState(
        "dog bark",
        0.75,
        0.5,
        0.125,
        "rain",
        0.625,
        supports=True,
        supported_s=0.5,
        confirm_s=1.0,
        phase="confirming",
        off_threshold=0.5,
    )


cosines = st.integers(-50, 50).map(lambda n: n / 50)
# As long as rules take to confirm, release and end, and then some.
runs = st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 0.4, 0.7, None]), st.integers(1, 12)), max_size=8)
scores = st.one_of(
    st.lists(st.one_of(st.none(), cosines), max_size=60),
    runs.map(lambda parts: [score for score, n in parts for _ in range(n)]),
)
streams = st.lists(st.tuples(scores, st.integers(0, 1000)), min_size=1, max_size=3)
seconds = st.integers(0, 300).map(lambda n: n / RATE)
hops = st.integers(1, WINDOW)


@st.composite
def plain_rules(draw: st.DrawFn, cooldown: st.SearchStrategy[float] = seconds) -> dict[str, float]:
    confirm_s, within_s = sorted((draw(seconds), draw(seconds)))
    off, on = sorted((draw(cosines), draw(cosines)))
    return {
        "on_threshold": on,
        "off_threshold": off,
        "confirm_s": confirm_s,
        "within_s": within_s,
        "release_s": draw(seconds),
        "cooldown_s": draw(cooldown),
    }


@settings(max_examples=200)
@given(stream=streams, rule=plain_rules(st.just(0.0)), least=seconds, more=seconds, hop=hops)
def test_limits_leave_out_short_events_and_cut_long_ones_of_the_same_rule_without(
    stream, rule, least, more, hop
):
    most = least + more + 1 / RATE
    limited = spans(play_all(make(hop, **rule, min_s=least, max_s=most), stream, hop))
    plain = spans(play_all(make(hop, **rule), stream, hop))
    assert limited == [
        (onset, min(offset, onset + round(most * RATE)))
        for onset, offset in plain
        if offset - onset >= round(least * RATE)
    ]


@settings(max_examples=200)
@given(stream=streams, rule=plain_rules(), least=seconds, more=seconds, hop=hops)
def test_no_event_is_shorter_than_min_s_or_longer_than_max_s(stream, rule, least, more, hop):
    most = least + more + 1 / RATE
    for onset, offset in spans(play_all(make(hop, **rule, min_s=least, max_s=most), stream, hop)):
        assert round(least * RATE) <= offset - onset <= round(most * RATE)


@given(stream=streams, rule=plain_rules(), most=seconds.filter(bool), hop=hops)
def test_cut_events_begin_when_they_would_without_a_limit(stream, rule, most, hop):
    limited = play_all(make(hop, **rule, max_s=most), stream, hop)
    plain = play_all(make(hop, **rule), stream, hop)
    spans(limited)
    assert limited[::2] == plain[::2]


@given(stream=streams, rule=plain_rules(), hop=hops)
def test_events_told_once_begin_when_others_would_and_end_with_the_next_window(stream, rule, hop):
    once = play_all(make(hop, **rule, one_shot=True), stream, hop)
    plain = play_all(make(hop, **rule), stream, hop)
    spans(once)
    assert once[::2] == plain[::2]
    assert all(ended == told + 1 for (told, _), (ended, _) in zip(once[::2], once[1::2], strict=True))


@given(heard=scores, rule=plain_rules(), hop=hops)
def test_events_told_once_last_to_the_middle_of_the_window_that_told_them(heard, rule, hop):
    once = play_all(make(hop, **rule, one_shot=True), [(heard, 0)], hop)
    for (told, onset), (_, offset) in zip(once[::2], once[1::2], strict=True):
        assert offset.offset_sample == max(onset.onset_sample, told * hop + WINDOW // 2)


TONES_HZ = {"low": 80.0, "high": 410.0, "quiet": 0.0}
LIMITED = replace(RULE, confirm_s=0.4, within_s=0.6, release_s=0.4, min_s=1.0, max_s=1.6)
ONCE = replace(LIMITED, max_s=math.inf, one_shot=True, cooldown_s=1.0)


def heard(samples: np.ndarray, rule: TriggerRule, sizes: Sequence[int]) -> list[SoundEvent]:
    options = RecognizerSettings(SMALL_LOG_MEL, 1.0, 1.0, 0.2, "repeat", -60.0)
    prototypes = axis_prototypes(["low", "middle", "high"], extra_axes=0)
    recognizer = Recognizer(options, BandEncoder(), prototypes, dict.fromkeys(["low", "high"], rule))
    events, position, turn = [], 0, 0
    while position < len(samples):
        block = samples[position : position + sizes[turn % len(sizes)]]
        events += recognizer.push(AudioBlock(block, position))
        position, turn = position + len(block), turn + 1
    return events + recognizer.flush()


def scene(parts: Sequence[tuple[str, int]]) -> np.ndarray:
    tones = [0.3 * np.sin(2 * np.pi * TONES_HZ[name] * np.arange(n) / 1000) for name, n in parts]
    return np.concatenate(tones or [np.zeros(0)]).astype(np.float32)


@settings(max_examples=50)
@given(
    parts=st.lists(st.tuples(st.sampled_from(sorted(TONES_HZ)), st.integers(1, 3000)), max_size=6),
    sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=6),
)
def test_events_with_limits_are_the_same_however_the_stream_is_cut_into_blocks(parts, sizes):
    samples = scene(parts)
    for rule in (LIMITED, ONCE):
        assert heard(samples, rule, sizes) == heard(samples, rule, [max(1, len(samples))])


def test_the_scenes_of_that_property_bring_events_of_both_rules():
    samples = scene([("low", 3000), ("quiet", 1000), ("high", 1500), ("low", 2500)])
    for rule in (LIMITED, ONCE):
        labels = [event.label for event in heard(samples, rule, [70]) if event.kind == "onset"]
        assert labels == ["low", "high", "low"]
