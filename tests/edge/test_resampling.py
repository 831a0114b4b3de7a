from __future__ import annotations

import numpy as np
import pytest

from edge.resampling import StreamingResampler
from edge.types import Samples

RATES_HZ = [(44100, 16000), (48000, 16000), (8000, 16000), (11025, 48000), (768000, 16000), (16000, 16000)]


def tone(hz: float, rate_hz: int, n_samples: int) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(n_samples) / rate_hz)).astype(np.float32)


def resample(samples: Samples, rates_hz: tuple[int, int], sizes: list[int]) -> Samples:
    resampler = StreamingResampler(*rates_hz)
    cuts = np.cumsum(sizes)
    pieces = [resampler.push(piece) for piece in np.split(samples, cuts[cuts < len(samples)])]
    return np.concatenate([*pieces, resampler.flush()])


@pytest.mark.parametrize("rates_hz", RATES_HZ)
@pytest.mark.parametrize("n_samples", [0, 1, 5, 1000, 20011])
def test_all_that_comes_out_lasts_as_long_as_what_went_in(rates_hz: tuple[int, int], n_samples: int) -> None:
    resampled = resample(np.zeros(n_samples, np.float32), rates_hz, [4096] * 10)
    assert abs(len(resampled) - n_samples * rates_hz[1] / rates_hz[0]) <= 1
    assert resampled.dtype == np.float32


@pytest.mark.parametrize("rates_hz", RATES_HZ)
def test_how_the_input_is_cut_changes_nothing(rates_hz: tuple[int, int]) -> None:
    samples = np.random.default_rng(5).standard_normal(20011).astype(np.float32)
    sizes = np.random.default_rng(6).integers(0, 900, 60).tolist()
    np.testing.assert_allclose(
        resample(samples, rates_hz, sizes), resample(samples, rates_hz, []), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("rates_hz", RATES_HZ)
def test_a_tone_keeps_its_place_and_level(rates_hz: tuple[int, int]) -> None:
    source_hz, target_hz = rates_hz
    resampled = resample(tone(1000, source_hz, source_hz), rates_hz, [source_hz // 10] * 10)
    inner = slice(target_hz // 10, -target_hz // 10)
    error = (resampled - tone(1000, target_hz, len(resampled)))[inner]
    assert np.abs(error).max() < 1e-3


def test_what_the_encoder_cannot_hear_does_not_fold_into_what_it_can() -> None:
    resampled = resample(tone(10000, 48000, 48000), (48000, 16000), [])
    assert np.abs(resampled[1600:-1600]).max() < 1e-4


def test_the_same_rate_is_passed_through_to_the_bit() -> None:
    samples = np.random.default_rng(1).standard_normal(999).astype(np.float32)
    np.testing.assert_array_equal(resample(samples, (16000, 16000), [10, 400]), samples)


@pytest.mark.parametrize("rates_hz", RATES_HZ)
def test_a_flush_ends_a_stretch_and_the_next_one_knows_nothing_of_it(rates_hz: tuple[int, int]) -> None:
    resampler = StreamingResampler(*rates_hz)
    samples = tone(700, rates_hz[0], 30000)
    resampler.push(np.ones(30000, np.float32))
    resampler.flush()
    again = np.concatenate([resampler.push(samples), resampler.flush()])
    np.testing.assert_array_equal(again, resample(samples, rates_hz, []))


def test_the_delay_tells_where_the_next_sample_out_belongs() -> None:
    resampler = StreamingResampler(48000, 16000)
    n_out = len(resampler.push(np.zeros(48000, np.float32)))
    assert resampler.delay_s == pytest.approx(1.0 - n_out / 16000)
    assert 0 < resampler.delay_s < 0.1
    resampler.flush()
    assert resampler.delay_s == 0


def test_sound_recovers_after_samples_that_are_no_numbers() -> None:
    samples = tone(700, 48000, 48000)
    samples[1000:1010] = np.nan
    resampled = resample(samples, (48000, 16000), [4800] * 10)
    assert not np.isfinite(resampled[:2000]).all()
    assert np.isfinite(resampled[8000:]).all()
