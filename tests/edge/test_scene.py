from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.random import Generator

from edge.scene import DEMO_SOUNDS, SceneSound, demo_scene
from edge.synthesis import sounds
from edge.synthesis.signals import Signal, add, harmonics
from edge.synthesis.voices import people_talking
from edge.types import Samples
from export.starter.vocabulary import VOCABULARY

RATE_HZ = 16000
MAKERS = (
    sounds.hi_lo_siren,
    sounds.wail_siren,
    sounds.clock_alarm,
    sounds.church_bells,
    sounds.door_knock,
    sounds.dog_bark,
    sounds.fan,
    sounds.quiet_room,
    people_talking,
)


@cache
def scene(rate_hz: int) -> Samples:
    return demo_scene(rate_hz)[0]


def level_dbfs(samples: Signal) -> float:
    return float(10.0 * np.log10(np.mean(np.square(samples, dtype=np.float64))))


def strongest_hz(sound: Signal, rate_hz: int, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    hz = np.fft.rfftfreq(len(sound), 1.0 / rate_hz)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0.0
    return float(hz[spectrum.argmax()])


def share_below(sound: Signal, limit_hz: float) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float(power[np.fft.rfftfreq(len(sound), 1.0 / RATE_HZ) < limit_hz].sum() / power.sum())


def test_the_scene_is_half_a_minute_that_never_clips() -> None:
    samples, playing = demo_scene(RATE_HZ)
    assert samples.dtype == np.float32
    assert 25.0 < len(samples) / RATE_HZ < 40.0
    assert np.isfinite(samples).all()
    assert np.abs(samples).max() < 0.95
    assert playing == DEMO_SOUNDS


def test_a_seed_fixes_the_scene_and_another_varies_it() -> None:
    first, again, other = demo_scene(RATE_HZ, 3)[0], demo_scene(RATE_HZ, 3)[0], demo_scene(RATE_HZ, 4)[0]
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05


def test_sounds_follow_one_another_with_room_between() -> None:
    for before, after in pairwise(DEMO_SOUNDS):
        assert before.onset_s + before.duration_s <= after.onset_s
    assert DEMO_SOUNDS[-1].onset_s + DEMO_SOUNDS[-1].duration_s <= len(scene(RATE_HZ)) / RATE_HZ


def test_expected_labels_are_the_built_in_bundles() -> None:
    labels = {sound.label for sound in DEMO_SOUNDS if sound.label is not None}
    assert {"siren", "clock alarm", "church bells"} <= labels
    assert labels <= {word.name for word in VOCABULARY}


def test_speech_noise_and_quiet_must_not_be_heard_as_anything() -> None:
    silent = {sound.what for sound in DEMO_SOUNDS if sound.label is None}
    assert {"people talking", "a fan", "a quiet room"} <= silent


@pytest.mark.parametrize("sound", DEMO_SOUNDS, ids=lambda sound: f"{sound.what} at {sound.onset_s:g} s")
@pytest.mark.parametrize("rate_hz", [16000, 48000])
def test_each_sound_plays_when_the_scene_says_so(sound: SceneSound, rate_hz: int) -> None:
    samples = scene(rate_hz)
    start = round(sound.onset_s * rate_hz)
    level = level_dbfs(samples[start : start + round(sound.duration_s * rate_hz)])
    if "quiet" in sound.what:
        assert -70.0 < level < -60.0
        return
    assert -40.0 < level < -15.0
    # Within 0.15 s of its onset it has begun, and before that nothing but an echo that dies away.
    assert level_dbfs(samples[start : start + round(0.15 * rate_hz)]) > level - 20.0
    assert level_dbfs(samples[start - round(0.05 * rate_hz) : start]) < level - 15.0


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_a_sound_has_unit_level_and_at_least_the_duration_asked_for(
    make: Callable[[int, float, Generator], Signal], rate_hz: int, rng: Generator
) -> None:
    sound = make(rate_hz, 2.5, rng)
    assert np.isfinite(sound).all()
    assert 2.5 * rate_hz <= len(sound) <= 4.1 * rate_hz
    assert np.sqrt(np.mean(sound**2)) == pytest.approx(1.0)


def test_the_two_tone_siren_alternates_a_fourth_apart(rng: Generator) -> None:
    siren = sounds.hi_lo_siren(RATE_HZ, 2.4, rng)
    turns = [siren[round(start * RATE_HZ) :][: round(0.4 * RATE_HZ)] for start in (0.1, 0.7, 1.3, 1.9)]
    pitches_hz = [strongest_hz(turn, RATE_HZ, 350.0, 700.0) for turn in turns]
    assert pitches_hz == pytest.approx([435.0, 580.0, 435.0, 580.0], abs=5.0)


def test_the_wail_rises_and_falls(rng: Generator) -> None:
    siren = sounds.wail_siren(RATE_HZ, 3.2, rng)
    low, high, falling = (
        strongest_hz(siren[round(at * RATE_HZ) :][:800], RATE_HZ, 500.0, 1700.0) for at in (0.0, 1.15, 2.2)
    )
    assert low < 800.0
    assert high > 1350.0
    assert 750.0 < falling < 1200.0


def test_the_alarm_beeps_four_times_a_second_and_pauses(rng: Generator) -> None:
    alarm = sounds.clock_alarm(RATE_HZ, 2.0, rng)
    frames_db = [level_dbfs(alarm[start : start + 160]) for start in range(0, RATE_HZ, 160)]
    beeping = np.array(frames_db) > max(frames_db) - 6.0
    assert np.count_nonzero(np.diff(beeping.astype(int), prepend=0) == 1) == 4
    assert not beeping[50:].any()
    assert strongest_hz(alarm, RATE_HZ, 100.0, 7900.0) == pytest.approx(2048.0, abs=5.0)


def test_a_bell_rings_a_minor_third_over_its_prime(rng: Generator) -> None:
    first_stroke = sounds.church_bells(RATE_HZ, 2.0, rng)[: RATE_HZ // 2]
    assert strongest_hz(first_stroke, RATE_HZ, 300.0, 380.0) == pytest.approx(349.0, abs=4.0)
    assert strongest_hz(first_stroke, RATE_HZ, 390.0, 450.0) == pytest.approx(349.0 * 1.183, abs=4.0)


def test_a_knock_is_low_and_short(rng: Generator) -> None:
    knocks = sounds.door_knock(RATE_HZ, 0.9, rng)
    assert share_below(knocks, 1000.0) > 0.8
    knock = knocks[800 : 800 + 3200]
    assert level_dbfs(knock[:800]) > level_dbfs(knock[-800:]) + 15.0


def test_barks_are_apart_and_voiced_around_half_a_kilohertz(rng: Generator) -> None:
    barks = sounds.dog_bark(RATE_HZ, 2.5, rng)
    frames_db = np.array([level_dbfs(barks[start : start + 800]) for start in range(0, len(barks), 800)])
    loud = frames_db > frames_db.max() - 15.0
    assert 3 <= np.count_nonzero(np.diff(loud.astype(int), prepend=0) == 1) <= 6
    assert 380.0 < strongest_hz(barks, RATE_HZ, 100.0, 7900.0) < 800.0


def test_talk_has_syllables_and_the_spectrum_of_speech(rng: Generator) -> None:
    talk = people_talking(RATE_HZ, 3.0, rng)
    frames_db = np.array([level_dbfs(talk[start : start + 320]) for start in range(0, 3 * RATE_HZ, 320)])
    assert np.ptp(np.percentile(frames_db, [5, 95])) > 12.0
    assert share_below(talk, 80.0) < 0.05
    assert 0.5 < share_below(talk, 1500.0) < 0.99


def test_harmonics_never_alias() -> None:
    tone = harmonics(np.full(8000, 1900.0), 8000, resonances=(), slope=0.5)
    spectrum = np.abs(np.fft.rfft(tone))
    strong_hz = np.flatnonzero(spectrum > 1e-3 * spectrum.max())
    assert strong_hz.tolist() == [1900]


def test_a_piece_that_reaches_beyond_the_end_is_cut_there() -> None:
    sound = np.zeros(5)
    add(sound, np.ones(3), 3)
    add(sound, np.ones(3), 9)
    assert sound.tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]
