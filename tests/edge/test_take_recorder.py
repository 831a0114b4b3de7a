import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.enrolment.takes import TakeRecorder
from edge.types import Samples

RATE_HZ = 8_000
NOTHING = np.empty(0, np.float32)


def room(duration_s: float, seed: int = 0, level_dbfs: float = -55.0) -> Samples:
    rng = np.random.default_rng(seed)
    amplitude = 10.0 ** (level_dbfs / 20.0)
    return np.asarray(amplitude * rng.standard_normal(round(duration_s * RATE_HZ)), np.float32)


def add_sound(samples: Samples, start_s: float, duration_s: float, amplitude: float = 0.1) -> None:
    n_samples = round(duration_s * RATE_HZ)
    wave = amplitude * np.sin(2 * np.pi * 600.0 * np.arange(n_samples) / RATE_HZ)
    samples[round(start_s * RATE_HZ) :][:n_samples] += wave.astype(np.float32)


def takes_of(samples: Samples, block_length: int = 800) -> list[Samples]:
    recorder, takes = TakeRecorder(RATE_HZ), []
    for start in range(0, len(samples), block_length):
        take = recorder.push(samples[start : start + block_length])
        while take is not None:
            takes.append(take)
            take = recorder.push(NOTHING)
    return takes


def three_sounds() -> Samples:
    samples = room(12.0)
    for start_s, duration_s in ((2.0, 0.4), (5.0, 1.0), (8.5, 0.2)):
        add_sound(samples, start_s, duration_s)
    return samples


def test_each_sound_is_a_take_with_a_third_of_a_second_around_it() -> None:
    samples = three_sounds()
    takes = takes_of(samples)
    assert [len(take) / RATE_HZ for take in takes] == pytest.approx([1.0, 1.6, 0.8], abs=0.03)
    start = round(1.7 * RATE_HZ)
    np.testing.assert_array_equal(takes[0], samples[start : start + len(takes[0])])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 5000), max_size=60), st.integers(1, 100_000))
def test_takes_do_not_depend_on_block_sizes(lengths: list[int], rest: int) -> None:
    samples = three_sounds()
    recorder, takes, at = TakeRecorder(RATE_HZ), [], 0
    for length in (*lengths, *[rest] * (len(samples) // rest + 1)):
        take = recorder.push(samples[at : at + length])
        at += length
        while take is not None:
            takes.append(take)
            take = recorder.push(NOTHING)
    expected = takes_of(samples)
    assert len(takes) == len(expected) == 3
    for take, other in zip(takes, expected, strict=True):
        np.testing.assert_array_equal(take, other)


def test_a_sound_with_a_short_pause_is_one_take() -> None:
    samples = room(6.0)
    add_sound(samples, 2.0, 0.3)
    add_sound(samples, 3.0, 0.3)
    (take,) = takes_of(samples)
    assert len(take) / RATE_HZ == pytest.approx(0.3 + 1.3 + 0.3, abs=0.03)


def test_a_click_is_no_take() -> None:
    samples = room(5.0)
    add_sound(samples, 2.0, 0.03, amplitude=0.5)
    assert takes_of(samples) == []


def test_a_louder_room_asks_for_a_louder_sound() -> None:
    quiet, loud = room(5.0, level_dbfs=-60.0), room(5.0, level_dbfs=-30.0)
    for samples in (quiet, loud):
        add_sound(samples, 2.0, 0.5, amplitude=0.03)
    assert (len(takes_of(quiet)), len(takes_of(loud))) == (1, 0)


def test_what_is_under_60_dbfs_is_no_sound_even_in_digital_silence() -> None:
    samples = np.zeros(5 * RATE_HZ, np.float32)
    add_sound(samples, 2.0, 0.5, amplitude=0.001)
    assert takes_of(samples) == []
    add_sound(samples, 2.0, 0.5, amplitude=0.01)
    assert len(takes_of(samples)) == 1


def test_a_take_ends_after_ten_seconds_and_a_noise_that_stays_gives_only_one() -> None:
    samples = room(40.0)
    samples[2 * RATE_HZ :] += room(38.0, seed=1, level_dbfs=-25.0)
    (take,) = takes_of(samples)
    assert len(take) / RATE_HZ == pytest.approx(10.0, abs=0.35)
    # A sound that stands out from that noise is a take again.
    add_sound(samples, 30.0, 0.5, amplitude=0.8)
    assert len(takes_of(samples)) == 2


def test_nothing_is_a_sound_before_the_room_is_known() -> None:
    samples = room(5.0)
    add_sound(samples, 0.1, 0.5)
    assert takes_of(samples) == []


def test_the_state_says_whether_a_sound_goes_on() -> None:
    samples = room(6.0)
    add_sound(samples, 2.0, 0.5)
    recorder, states = TakeRecorder(RATE_HZ), []
    for second in range(6):
        recorder.push(samples[second * RATE_HZ : (second + 1) * RATE_HZ])
        states.append(recorder.state)
    assert states == ["waiting", "waiting", "recording", "waiting", "waiting", "waiting"]


def test_two_takes_of_one_block_come_one_after_the_other() -> None:
    recorder = TakeRecorder(RATE_HZ)
    takes = [recorder.push(three_sounds()), *(recorder.push(NOTHING) for _ in range(3))]
    assert [take is not None for take in takes] == [True, True, True, False]
