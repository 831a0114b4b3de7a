from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edge.errors import ConfigError
from edge.types import SoundEvent
from edge.unknown_sound import LOWEST_DBFS, UNKNOWN_SOUND, UnknownSettings, UnknownSounds

RATE, HOP, WINDOW = 1000, 500, 2500
HOP_S = HOP / RATE
NAMES = ("dog bark", "siren", "hum")
THRESHOLDS = {"dog bark": 0.6, "siren": 0.3}
SETTINGS = UnknownSettings(background_below=0.75, confirm_s=1.0, within_s=2.0, cooldown_s=5.0)
STRANGE = (0.1, 0.1, 0.1)
USUAL_DBFS = -50.0
LOUD_DBFS = -20.0

Window = tuple[float, Sequence[float] | None]


def make(site_level_dbfs: float | None = USUAL_DBFS, **changes: float) -> UnknownSounds:
    settings = replace(SETTINGS, **changes)
    return UnknownSounds(NAMES, THRESHOLDS, settings, HOP, RATE, itertools.count(1), site_level_dbfs)


def play(unknown: UnknownSounds, windows: Sequence[Window], first: int = 0) -> list[tuple[int, SoundEvent]]:
    """Events with the index of the window that brought each."""
    events = []
    for index, (level_dbfs, cosines) in enumerate(windows, first):
        scores = None if cosines is None else np.array(cosines, np.float32)
        event = unknown.step(index * HOP, index * HOP + WINDOW, level_dbfs, scores)
        if event is not None:
            events.append((index, event))
    return events


def test_two_loud_windows_that_are_like_nothing_are_an_event_that_ends():
    events = play(
        make(), [(USUAL_DBFS, STRANGE)] * 4 + [(LOUD_DBFS, STRANGE)] * 3 + [(USUAL_DBFS, STRANGE)] * 9
    )
    assert [(index, event.kind) for index, event in events] == [(5, "onset"), (9, "offset")]
    onset = events[0][1]
    assert (onset.label, onset.number) == (UNKNOWN_SOUND, 1)
    assert onset.score == pytest.approx(0.9)
    assert onset.threshold == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("cosines", "is_told"),
    [
        ((0.54, 0.24, 0.74), True),
        ((0.56, 0.1, 0.1), False),  # just below a label's threshold
        ((0.1, 0.26, 0.1), False),  # and of one whose threshold is low
        ((0.1, 0.1, 0.76), False),  # like a background
        (None, False),
    ],
)
def test_what_is_like_a_label_or_a_background_is_not_unknown(cosines, is_told):
    assert bool(play(make(), [(LOUD_DBFS, cosines)] * 6)) == is_told


@pytest.mark.parametrize(("level_dbfs", "is_told"), [(-34.0, True), (-36.0, False)])
def test_a_sound_must_be_well_above_the_usual_level(level_dbfs, is_told):
    assert bool(play(make(), [(level_dbfs, STRANGE)] * 6)) == is_told


def test_without_a_learned_level_the_first_ten_seconds_find_it_and_tell_nothing():
    unknown = make(site_level_dbfs=None)
    assert play(unknown, [(-45.0, STRANGE)] * 15 + [(LOUD_DBFS, STRANGE)] * 4) == []
    assert unknown.usual_dbfs is None
    assert play(unknown, [(-45.0, STRANGE)], first=19) == []
    assert unknown.usual_dbfs == -45.0
    assert [index for index, _ in play(unknown, [(LOUD_DBFS, STRANGE)] * 3, first=20)] == [21]


def test_a_loud_sound_that_stays_becomes_usual():
    unknown = make()
    play(unknown, [(-30.0, STRANGE)] * 1000)
    assert unknown.usual_dbfs == pytest.approx(-30.0)
    assert play(unknown, [(-20.0, STRANGE)] * 10, first=2000) == []


def test_the_usual_level_falls_faster_than_it_rises():
    rising, falling = make(), make()
    play(rising, [(0.0, STRANGE)] * 20)
    play(falling, [(-80.0, STRANGE)] * 20)
    assert rising.usual_dbfs == pytest.approx(USUAL_DBFS + 20 * HOP_S * 0.1)
    assert falling.usual_dbfs == pytest.approx(USUAL_DBFS - 20 * HOP_S * 0.3)


def test_it_settles_where_a_quarter_of_the_windows_are_below():
    unknown = make()
    levels = np.random.default_rng(0).uniform(-60.0, -40.0, 20_000)
    play(unknown, [(float(level), STRANGE) for level in levels])
    assert unknown.usual_dbfs == pytest.approx(-55.0, abs=1.0)


@pytest.mark.parametrize("level_dbfs", [float("-inf"), -100.0])
def test_digital_silence_is_no_quieter_than_a_microphone(level_dbfs):
    unknown = make(site_level_dbfs=None)
    play(unknown, [(level_dbfs, None)] * 40)
    assert unknown.usual_dbfs == LOWEST_DBFS


def test_a_window_without_a_level_changes_nothing():
    unknown = make()
    assert play(unknown, [(float("nan"), None)] * 40) == []
    assert unknown.usual_dbfs == USUAL_DBFS


def test_an_event_outlasts_a_window_that_is_a_little_too_like_a_background():
    strange, nearly = (LOUD_DBFS, STRANGE), (LOUD_DBFS, (0.1, 0.1, 0.8))
    assert len(play(make(), [strange] * 3 + [nearly] * 20)) == 1
    assert play(make(), [nearly] * 20) == []


def test_the_cooldown_holds_between_two():
    loud, usual = (LOUD_DBFS, STRANGE), (USUAL_DBFS, STRANGE)
    pattern = [*[loud] * 3, *[usual] * 5] * 3
    onsets = [index for index, event in play(make(), pattern) if event.kind == "onset"]
    assert onsets == [1, 16 + 1]


def test_a_gap_ends_an_open_event_and_forgets_support_but_not_the_level():
    unknown = make()
    play(unknown, [(LOUD_DBFS, STRANGE)] * 3)
    level = unknown.usual_dbfs
    (offset,) = unknown.close(3 * HOP + WINDOW)
    assert (offset.kind, offset.number) == ("offset", 1)
    assert unknown.close(3 * HOP + WINDOW) == []
    assert unknown.usual_dbfs == level
    fresh = make()
    play(fresh, [(LOUD_DBFS, STRANGE)])
    fresh.close(WINDOW)
    assert play(fresh, [(LOUD_DBFS, STRANGE)], first=20) == []


def test_passed_over_windows_count_as_time():
    unknown = make()
    scores = np.array(STRANGE, np.float32)
    event = unknown.step(5 * HOP, 5 * HOP + WINDOW, LOUD_DBFS, scores, n_hops=2)
    assert event is not None
    assert unknown.usual_dbfs == pytest.approx(USUAL_DBFS + 2 * HOP_S * 0.1)


def test_a_file_shorter_than_a_window_may_confirm_alone():
    scores = np.array(STRANGE, np.float32)
    event = make().step(0, 400, LOUD_DBFS, scores, is_all=True)
    assert event is not None
    assert event.kind == "onset"


def test_other_names_may_be_compared_with_from_some_window_on():
    unknown = make()
    unknown.compare_with(("doorbell",), {"doorbell": 0.2})
    windows = [(LOUD_DBFS, (0.3,))] * 5
    assert play(unknown, windows) == []
    unknown.compare_with(("rain",), {})
    assert play(unknown, windows, first=5) != []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"above_db": -1.0}, "above_db must be 0 dB or more, not -1"),
        ({"above_db": float("nan")}, "above_db"),
        ({"background_below": 1.5}, "background_below must be within 0 and 1, not 1.5"),
        ({"label_slack": -0.1}, "label_slack must be within 0 and 2, not -0.1"),
        ({"confirm_s": 0.0001}, "confirm_s of 0.0001 s"),
    ],
)
def test_a_setting_out_of_range_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        make(**changes)
