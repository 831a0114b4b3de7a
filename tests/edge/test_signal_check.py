from __future__ import annotations

import time

import numpy as np
import pytest

from edge.signal_check import check

RATE = 16000
WINDOW = 41360


def sine(amplitude: float, hz: float = 440.0, n: int = WINDOW) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(n) / RATE)).astype(np.float32)


def test_a_full_scale_sine_has_minus_3_01_dbfs():
    found = check(sine(1.0))
    assert found.level_dbfs == pytest.approx(-3.01, abs=0.01)
    assert found.peak == pytest.approx(1.0, abs=1e-4)
    assert found.fault is None


def test_level_is_about_the_mean_so_a_microphones_offset_is_not_loudness():
    assert check(sine(0.01) + np.float32(0.3)).level_dbfs == pytest.approx(-43.01, abs=0.02)


@pytest.mark.parametrize("position", [0, 1, 20000, WINDOW - 1600])
def test_a_tenth_of_a_second_of_sound_anywhere_is_nearly_as_loud_as_when_it_fills_the_window(position):
    window = np.zeros(WINDOW, np.float32)
    window[position : position + 1600] = sine(0.1, n=1600)
    assert check(window, stretch_length=1600).level_dbfs > check(sine(0.1)).level_dbfs - 3.1
    assert check(window).level_dbfs < check(sine(0.1)).level_dbfs - 13.0


@pytest.mark.parametrize("n", [1, 5, 1599, 1600, 1601])
def test_windows_shorter_than_a_stretch_are_measured_whole(n):
    samples = np.linspace(-0.5, 0.5, n, dtype=np.float32)
    found = check(samples, stretch_length=1600)
    expected = 20 * np.log10(np.std(samples.astype(np.float64))) if n > 1 else -np.inf
    assert found.level_dbfs == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [0, 20000, WINDOW - 1])
def test_one_value_that_is_not_finite_is_a_fault(bad, position):
    window = sine(0.1)
    window[position] = bad
    found = check(window, 1600)
    assert found.fault == "nonfinite"
    assert np.isnan(found.level_dbfs)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e30, -1e30, 3e38, 2e6])
def test_a_value_that_only_a_wrong_format_gives_is_a_fault_before_it_overflows(value):
    window = sine(0.1)
    window[3] = value
    assert check(window, 1600).fault == "nonfinite"


def test_whole_numbers_taken_for_samples_are_clipped():
    assert check(32767 * sine(1.0), 1600).fault == "clipped"


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_digital_silence_is_a_fault(zero):
    found = check(np.full(WINDOW, zero, np.float32), 1600)
    assert (found.fault, found.level_dbfs, found.peak) == ("silent", -np.inf, 0.0)


def test_one_sample_that_differs_is_not_digital_silence():
    window = np.zeros(WINDOW, np.float32)
    window[7] = 1e-5
    assert check(window, 1600).fault is None


@pytest.mark.parametrize("value", [1e-6, 0.002, -0.5, 1.0])
def test_a_constant_is_dc(value):
    assert check(np.full(WINDOW, value, np.float32), 1600).fault == "dc"


def test_a_constant_with_a_last_bit_that_flickers_now_and_then_is_dc(rng):
    window = 0.5 + (rng.random(WINDOW) < 0.3) * 2.0**-15
    assert check(window.astype(np.float32), 1600).fault == "dc"


def test_faint_sound_on_an_offset_is_not_dc():
    assert check(sine(1e-3) + np.float32(0.5), 1600).fault is None


def test_an_overdriven_sine_is_clipped_also_after_resampling_ripple(rng):
    clipped = np.clip(sine(4.0), -1, 1)
    assert check(clipped, 1600).fault == "clipped"
    assert check(clipped + 0.005 * rng.standard_normal(WINDOW).astype(np.float32), 1600).fault == "clipped"


def test_noise_held_at_full_scale_on_one_side_only_is_clipped(rng):
    assert check(np.minimum(rng.normal(0.8, 0.5, WINDOW), 1).astype(np.float32), 1600).fault == "clipped"


def test_loud_recordings_that_touch_full_scale_are_not_clipped(rng):
    assert check(sine(1.0), 1600).fault is None
    assert check(np.clip(rng.normal(0, 0.7, WINDOW), -1, 1).astype(np.float32), 1600).fault is None
    eight_bits = np.round(sine(1.0) * 127) / np.float32(127)
    assert check(eight_bits, 1600).fault is None


def test_a_window_is_checked_in_a_small_part_of_a_hop(rng):
    window = rng.normal(0, 0.9, WINDOW).astype(np.float32)
    start = time.perf_counter()
    for _ in range(20):
        check(window, 1600)
    assert (time.perf_counter() - start) / 20 < 0.01
