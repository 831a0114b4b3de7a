from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.trigger import Trigger, TriggerRule
from edge.types import SoundEvent

RATE = 100
HOP = 50
WINDOW = 250
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
NO_RIVAL = float("-inf")


def make(hop: int = HOP, **changes: float) -> Trigger:
    return Trigger("dog bark", replace(RULE, **changes), hop, RATE, itertools.count(1))


def play(
    trigger: Trigger,
    scores: Sequence[float | None],
    first: int = 0,
    hop: int = HOP,
    best_rival: float = NO_RIVAL,
) -> list[tuple[int, SoundEvent]]:
    """Events with the index of the window that brought each."""
    events = []
    for index, score in enumerate(scores):
        start = first + index * hop
        event = trigger.step(start, start + WINDOW, score, best_rival)
        if event is not None:
            events.append((index, event))
    return events


def onset_windows(events: list[tuple[int, SoundEvent]]) -> list[int]:
    return [index for index, event in events if event.kind == "onset"]


def middle(index: int, hop: int = HOP) -> int:
    """Of a window of `play`."""
    return index * hop + WINDOW // 2


def test_one_supporting_window_is_an_onset_a_hop_before_its_middle():
    assert play(make(), [0.1, 0.7]) == [
        (1, SoundEvent("onset", 1, "dog bark", 0.7, 0.5, onset_sample=50 + 125 - 50))
    ]


def test_the_offset_is_the_middle_of_the_last_window_that_held():
    events = play(make(), [0.1, 0.6, 0.7, 0.9, 0.7, 0.6, 0.5, 0.1])
    offset = events[1]
    assert offset[0] == 7
    assert offset[1] == SoundEvent(
        "offset", 1, "dog bark", 0.9, 0.5, onset_sample=50 + 125 - 50, offset_sample=300 + 125
    )


@pytest.mark.parametrize(
    ("hop", "onset_sample"), [(1, 124), (50, 75), (124, 1), (125, 0), (126, 0), (200, 0), (250, 0)]
)
def test_an_event_of_one_window_is_the_hop_before_its_middle_and_begins_no_sooner_than_it(hop, onset_sample):
    first = 1000
    (_, onset), (_, offset) = play(make(hop), [0.7, 0.1], first=first, hop=hop)
    assert onset.onset_sample == offset.onset_sample == first + onset_sample
    assert offset.offset_sample == first + 125


def test_the_event_of_a_file_shorter_than_a_hop_lies_within_it():
    trigger = make()
    onset = trigger.step(0, 30, 0.9, NO_RIVAL)
    (offset,) = trigger.close(30)
    assert onset is not None
    assert (onset.onset_sample, offset.onset_sample, offset.offset_sample) == (0, 0, 30)


def test_a_score_at_the_threshold_supports_and_one_below_does_not():
    assert onset_windows(play(make(), [0.499999, 0.5])) == [1]


@pytest.mark.parametrize(
    ("margin", "best_rival", "supports"),
    [
        (0.0, 0.625, True),
        (0.0, 0.75, False),
        (0.125, 0.5, True),
        (0.125, 0.51, False),
        (-0.125, 0.75, True),
        (-0.125, 0.76, False),
    ],
)
def test_support_must_beat_the_best_rival_by_the_margin(margin, best_rival, supports):
    trigger = make(margin=margin)
    assert trigger.is_supported_by(0.625, best_rival) is supports
    assert bool(play(trigger, [0.625], best_rival=best_rival)) is supports


def test_an_open_event_goes_on_whatever_its_rivals_score():
    trigger = make()
    trigger.step(0, WINDOW, 0.6, 0.1)
    assert trigger.step(HOP, HOP + WINDOW, 0.6, 0.9) is None


def test_confirmation_adds_up_a_hop_for_each_supporting_window_within_the_stretch():
    trigger = make(confirm_s=1.0, within_s=2.0)
    # 1.0 s is two hops, 2.0 s four: windows 0 and 4 are too far apart, 4 and 7 near enough.
    events = play(trigger, [0.9, 0.1, 0.1, 0.1, 0.6, None, 0.1, 0.7])
    assert onset_windows(events) == [7]
    assert events[0][1].onset_sample == middle(4) - HOP
    assert events[0][1].score == 0.7


def test_the_onset_carries_the_best_score_of_the_confirming_windows():
    assert play(make(confirm_s=1.0, within_s=2.0), [0.9, 0.1, 0.6])[0][1].score == 0.9


@pytest.mark.parametrize(
    ("hop", "confirm_s", "n_windows"),
    [
        (25, 1.0, 4),
        (48, 0.96, 2),
        (96, 0.96, 1),
        (50, 1.0, 2),
        (50, 1.01, 3),
        (100, 0.5, 1),
        (48, 1.0, 3),
        (96, 1.0, 2),
    ],
)
def test_another_hop_asks_for_the_same_seconds_rounded_up_to_whole_hops(hop, confirm_s, n_windows):
    trigger = make(hop, confirm_s=confirm_s, within_s=confirm_s)
    assert onset_windows(play(trigger, [0.9] * 10, hop=hop)) == [n_windows - 1]


@given(hop=st.integers(1, 200), confirm=st.integers(0, 600), slack=st.integers(0, 300))
def test_lasting_support_always_confirms_once_it_has_lasted_confirm_s(hop, confirm, slack):
    trigger = make(hop, confirm_s=confirm / RATE, within_s=(confirm + slack) / RATE)
    n_needed = max(1, -(-confirm // hop))
    assert onset_windows(play(trigger, [0.9] * n_needed, hop=hop)) == [n_needed - 1]


def test_the_event_holds_down_to_the_off_threshold():
    events = play(make(off_threshold=0.3), [0.6, 0.3, 0.4, 0.29])
    assert [(index, event.kind) for index, event in events] == [(0, "onset"), (3, "offset")]


def test_release_bridges_windows_that_do_not_hold():
    # 1.5 s is three hops.
    events = play(make(release_s=1.5), [0.6, 0.1, None, 0.6, 0.1, 0.1, 0.1])
    assert [(index, event.kind) for index, event in events] == [(0, "onset"), (6, "offset")]
    assert events[1][1].offset_sample == middle(3)


def test_a_window_that_was_not_embedded_holds_nothing():
    assert [index for index, _ in play(make(), [0.6, None])] == [0, 1]


def test_cooldown_runs_from_the_offset_to_the_next_onset():
    trigger = make(cooldown_s=3.0)
    events = [event for _, event in play(trigger, [0.6, 0.1] + [0.6] * 10)]
    assert [event.kind for event in events] == ["onset", "offset", "onset"]
    assert events[1].offset_sample is not None
    assert events[2].onset_sample == events[1].offset_sample + 300


def test_support_during_the_cooldown_does_not_count_towards_confirmation():
    trigger = make(cooldown_s=2.0, confirm_s=1.0, within_s=1.0)
    events = play(trigger, [0.6, 0.6, 0.1] + [0.6] * 20)
    # Over at 375, within the last hop of window 3: windows 4 and 5 confirm.
    assert events[1][1].offset_sample == middle(1) == 175
    assert events[2][0] == 5
    assert events[2][1].onset_sample == 375


@pytest.mark.parametrize(
    ("index", "onset_sample"), [(3, None), (4, 400), (5, 400), (6, 400), (7, 425), (20, 1075)]
)
def test_an_onset_is_not_put_back_into_the_cooldown(index, onset_sample):
    trigger = make(cooldown_s=2.75)
    play(trigger, [0.6, 0.1])
    # Over at 400, where the last hop of window 4 starts; the hop before the middle of window 7 does at 425.
    onsets = [event.onset_sample for _, event in play(trigger, [0.6], first=index * HOP)]
    assert onsets == ([] if onset_sample is None else [onset_sample])


@pytest.mark.parametrize(("n_held", "offset_sample"), [(1, 425), (2, 425), (3, 475)])
def test_an_event_does_not_end_before_it_begins(n_held, offset_sample):
    # The cooldown is over at 425: within the last hop of window 4, behind the middle of 5, in that of 6.
    trigger = make(cooldown_s=3.0)
    scores = [0.6] + [0.1] * 4 + [0.6] * n_held + [0.1]
    onset, offset = (event for _, event in play(trigger, scores)[2:])
    assert onset.onset_sample == offset.onset_sample == 425
    assert offset.offset_sample == offset_sample == max(425, middle(4 + n_held))


def test_the_cooldown_runs_on_over_a_gap_and_a_jump_backwards_ends_it():
    trigger = make(cooldown_s=10.0)
    play(trigger, [0.6, 0.1], first=5000)
    trigger.close(5000 + HOP + WINDOW)
    assert play(trigger, [0.6, 0.6], first=5300) == []
    trigger.close(5300 + HOP + WINDOW)
    assert play(trigger, [0.6], first=0)[0][1].onset_sample == middle(0) - HOP


@pytest.mark.parametrize("first", [0, 800, 950, 1000, 1050, 1250, 1299])
@pytest.mark.parametrize("cooldown_s", [0.0, 1.0, 100.0])
def test_after_a_jump_backwards_however_far_the_onset_is_as_if_nothing_had_been_before(cooldown_s, first):
    trigger = make(cooldown_s=cooldown_s)
    play(trigger, [0.6, 0.6], first=1000)
    assert [event.offset_sample for event in trigger.close(1300)] == [1300]
    (_, onset), (_, offset) = play(trigger, [0.6, 0.1], first=first)
    assert (onset.onset_sample, offset.offset_sample) == (first + 75, first + 125)
    # From then on its own offset counts.
    again = onset_windows(play(trigger, [0.6] * 250, first=first + 2 * HOP))
    ended = first + 125 + round(cooldown_s * RATE)
    assert again == [n for n in range(250) if first + (n + 2) * HOP + WINDOW - HOP >= ended][:1]


@pytest.mark.parametrize(
    ("scores", "n_behind", "offset_sample"),
    [
        ([0.6] * 10, 0, 9 * HOP + WINDOW),
        ([0.6] * 10, HOP - 1, 9 * HOP + WINDOW + HOP - 1),
        ([0.6] * 10 + [0.1], 0, 9 * HOP + WINDOW // 2),
    ],
)
def test_closing_ends_a_sound_that_held_to_the_last_where_the_stream_ends(scores, n_behind, offset_sample):
    trigger = make(confirm_s=1.0, within_s=1.0, release_s=5.0)
    play(trigger, scores)
    (offset,) = trigger.close((len(scores) - 1) * HOP + WINDOW + n_behind)
    assert (offset.kind, offset.number, offset.offset_sample) == ("offset", 1, offset_sample)


def test_closing_forgets_support():
    trigger = make(confirm_s=1.0, within_s=1.0)
    play(trigger, [0.6], first=2000)
    assert trigger.close(2000 + WINDOW) == []
    assert play(trigger, [0.6], first=2050) == []


cosines = st.integers(-50, 50).map(lambda n: n / 50)
scores = st.lists(st.one_of(st.none(), cosines), max_size=60)
seconds = st.integers(0, 300).map(lambda n: n / RATE)


@settings(max_examples=200)
@given(
    stretches=st.lists(st.tuples(scores, st.integers(0, 1000)), min_size=1, max_size=4),
    thresholds=st.tuples(cosines, cosines),
    durations=st.tuples(seconds, seconds, seconds, seconds),
    hop=st.integers(1, WINDOW),
)
def test_onsets_and_offsets_alternate_and_keep_their_promises(stretches, thresholds, durations, hop):
    on, off = max(thresholds), min(thresholds)
    confirm_s, within_s = sorted(durations[:2])
    trigger = make(
        hop,
        on_threshold=on,
        off_threshold=off,
        confirm_s=confirm_s,
        within_s=within_s,
        release_s=durations[2],
        cooldown_s=durations[3],
    )
    n_events, earliest, first = 0, 0, 0
    for stretch, gap in stretches:
        heard = [score if score is not None else -math.inf for score in stretch]
        events = play(trigger, stretch, first, hop)
        end = first + (len(stretch) - 1) * hop + WINDOW
        closed = trigger.close(end)
        events += [(len(stretch), event) for event in closed]
        assert [event.kind for _, event in events] == ["onset", "offset"] * (len(events) // 2)
        for (begun, onset), (ended, offset) in zip(events[::2], events[1::2], strict=True):
            n_events += 1
            assert onset.number == offset.number == n_events
            assert offset.score >= onset.score >= onset.threshold
            # The first of the windows that confirmed it is among those within the stretch up to now.
            could_be_first = {
                max(first + index * hop, first + middle(index, hop) - hop, earliest)
                for index in range(begun + 1)
                if heard[index] >= on and (index == begun or (begun - index) * hop < round(within_s * RATE))
            }
            assert onset.onset_sample in could_be_first
            assert onset.onset_sample == offset.onset_sample >= earliest
            held = max(index for index in range(begun, min(ended + 1, len(heard))) if heard[index] >= off)
            if offset in closed and held == len(stretch) - 1:
                assert offset.offset_sample == end
            else:
                assert offset.offset_sample == max(onset.onset_sample, first + middle(held, hop))
            earliest = offset.offset_sample + round(durations[3] * RATE)
        first += len(stretch) * hop + WINDOW + gap


@given(
    before=scores,
    after=scores,
    first=st.integers(-500, 2000),
    durations=st.tuples(seconds, seconds, seconds, seconds),
    hop=st.integers(1, WINDOW),
)
def test_behind_a_jump_backwards_events_are_those_of_a_fresh_trigger(before, after, first, durations, hop):
    confirm_s, within_s = sorted(durations[:2])
    rule = {"confirm_s": confirm_s, "within_s": within_s}
    rule |= {"release_s": durations[2], "cooldown_s": durations[3]}
    trigger, fresh = make(hop, **rule), make(hop, **rule)
    play(trigger, before, 1000, hop)
    end = 1000 + len(before) * hop + WINDOW
    trigger.close(end)
    first = min(first, end - 1)
    found = [(n, replace(event, number=0)) for n, event in play(trigger, after, first, hop)]
    assert found == [(n, replace(event, number=0)) for n, event in play(fresh, after, first, hop)]


def test_memory_is_bounded_by_the_stretch():
    trigger = make(confirm_s=2.0, within_s=2.0)
    play(trigger, [0.6, 0.6, 0.6, 0.1] * 1000)
    assert len(trigger._supports) <= 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"on_threshold": 1.01}, "on_threshold must be within -1 and 1"),
        ({"on_threshold": float("nan")}, "on_threshold"),
        ({"off_threshold": -1.5}, "off_threshold must be within"),
        ({"off_threshold": 0.51}, "off_threshold 0.51 is above on_threshold 0.5"),
        ({"margin": 2.5}, "margin must be within -2 and 2"),
        ({"rivals": "some"}, "rivals must be one of background, all, none"),
        ({"confirm_s": -1.0, "within_s": 1.0}, "confirm_s must be 0 seconds or more"),
        ({"within_s": float("inf")}, "within_s"),
        ({"release_s": -0.1}, "release_s"),
        ({"cooldown_s": float("nan")}, "cooldown_s"),
        ({"confirm_s": 2.0, "within_s": 1.0}, "within_s 1 is shorter than confirm_s 2"),
        ({"min_s": -1.0}, "min_s must be 0 seconds or more"),
        ({"min_s": float("inf")}, "min_s must be 0 seconds or more"),
        ({"max_s": 0.0}, "max_s must be above 0 seconds"),
        ({"max_s": float("nan")}, "max_s must be above 0 seconds"),
        ({"min_s": 2.0, "max_s": 1.0}, "max_s 1 is shorter than min_s 2: raise it"),
        ({"one_shot": True, "max_s": 5.0}, "leaves nothing for max_s 5 to end: give one of them"),
    ],
)
def test_a_rule_out_of_range_is_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        replace(RULE, **changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["confirm_s", "within_s", "release_s", "cooldown_s", "min_s", "max_s"])
def test_a_duration_that_is_no_whole_number_of_samples_is_refused_by_name(name):
    with pytest.raises(ConfigError, match=rf"{name} of 1\.005 s is 100\.5 samples at 100 Hz"):
        make(**{"within_s": 2.0, name: 1.005})


def play_seldom(trigger: Trigger, scores: Sequence[float], every: int) -> list[tuple[int, SoundEvent]]:
    """One window of `every`, the first included; events with the index of the window among all."""
    events = []
    for index in range(0, len(scores), every):
        start = index * HOP
        n_hops = every if index else 1
        event = trigger.step(start, start + WINDOW, scores[index], NO_RIVAL, n_hops=n_hops)
        if event is not None:
            events.append((index, event))
    return events


@pytest.mark.parametrize(("every", "window"), [(1, 13), (2, 12), (3, 15), (4, 12), (8, 16), (16, 16)])
def test_where_windows_are_passed_over_support_counts_the_hops_since_the_window_before(every, window):
    # 2.0 s are four hops, from window 10 on; window 16 stands for the sixteen before it.
    trigger = make(confirm_s=2.0, within_s=4.0)
    events = play_seldom(trigger, [0.1] * 10 + [0.9] * 30, every)
    assert events[0][0] == window


@pytest.mark.parametrize(("n_hops", "confirms"), [((1, 3, 1), False), ((3, 1, 2), True), ((1, 1, 4), True)])
def test_each_support_counts_the_hops_before_it_when_their_number_changes(n_hops, confirms):
    trigger = make(confirm_s=3.0, within_s=5.0)
    events, start = [], 0
    for n in n_hops:
        start += n * HOP
        events.append(trigger.step(start, start + WINDOW, 0.9, NO_RIVAL, n_hops=n))
    assert [event is not None for event in events] == [False, False, confirms]


@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_where_windows_are_passed_over_an_event_begins_and_ends_about_where_it_did(every):
    rule = {"confirm_s": 1.0, "within_s": 2.0, "release_s": 1.5}
    scores = [0.1] * 10 + [0.9] * 20 + [0.1] * 20
    (_, all_onset), (_, all_offset) = play(make(**rule), scores)
    (_, onset), (_, offset) = play_seldom(make(**rule), scores, every)
    assert abs(onset.onset_sample - all_onset.onset_sample) < every * HOP
    assert abs(offset.offset_sample - all_offset.offset_sample) < every * HOP


@pytest.mark.parametrize(("every", "ended"), [(1, 11), (2, 12), (4, 12), (5, 10)])
def test_release_is_in_seconds_however_many_windows_are_passed_over(every, ended):
    # 1.5 s are three hops; the last heard that holds is window 8, or 5 where one of five is heard.
    events = play_seldom(make(release_s=1.5), [0.9] * 9 + [0.1] * 20, every)
    assert [(index, event.kind) for index, event in events] == [(0, "onset"), (ended, "offset")]


def test_a_sound_that_held_in_the_last_window_heard_ends_where_the_stream_does():
    trigger = make()
    play_seldom(trigger, [0.9] * 9, 4)
    # Three windows behind the last that was heard were passed over.
    end = 8 * HOP + WINDOW + 3 * HOP
    assert [event.offset_sample for event in trigger.close(end)] == [end]


def test_a_trigger_knows_the_rule_it_was_made_with():
    trigger = make(confirm_s=1.0, within_s=2.0)
    assert trigger.obeys(replace(RULE, confirm_s=1.0, within_s=2.0))
    assert not trigger.obeys(replace(RULE, confirm_s=1.0, within_s=2.5))
    assert not trigger.obeys(None)
