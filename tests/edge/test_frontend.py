from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import brute_force_log_mel
import numpy as np
import pytest
import soundfile
from fakes import SMALL_LOG_MEL
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.frontend import (
    CLAP_FUSED,
    CLAP_UNFUSED,
    STARTER,
    LogMelFrontEnd,
    LogMelSpec,
    Padding,
    StreamingLogMel,
    fit_clip,
    mel_filterbank,
)
from edge.types import Window

SPECS = {"clap_unfused": CLAP_UNFUSED, "clap_fused": CLAP_FUSED, "starter": STARTER}
GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden_log_mel.npz"

every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """Noise whose loudness comes and goes by 60 dB."""
    loudness = 10.0 ** (-3.0 * (0.5 + 0.5 * np.cos(np.arange(n) / 700.0)))
    return (0.3 * rng.standard_normal(n) * loudness).astype(np.float32)


@every_spec
@pytest.mark.parametrize("n_samples", [4800, 4801, 4879, 3800])
def test_log_mel_is_what_the_definition_says_at_awkward_lengths(spec, n_samples, rng):
    clip = noise(rng, n_samples)
    expected = brute_force_log_mel.log_mel(clip, spec)
    found = LogMelFrontEnd(spec)(clip)
    assert found.shape == expected.shape == (spec.n_frames(n_samples), spec.n_mels)
    assert found.dtype == np.float32
    # dB, or natural logarithm: rounding of single precision, at bands far below the loudest.
    assert np.abs(found - expected).max() <= (2e-3 if spec.log == "power_db" else 2e-4)
    assert np.abs(LogMelFrontEnd(spec, np.float64)(clip) - expected).max() <= 5e-5


@pytest.mark.parametrize("mel_scale", ["slaney", "htk"])
@pytest.mark.parametrize("mel_norm", ["slaney", "none"])
@pytest.mark.parametrize("fmin_hz", [0.0, 900.0])
def test_filterbanks_of_every_kind_are_what_the_definition_says(mel_scale, mel_norm, fmin_hz):
    spec = replace(STARTER, mel_scale=mel_scale, mel_norm=mel_norm, fmin_hz=fmin_hz, fmax_hz=8000.0)
    np.testing.assert_allclose(mel_filterbank(spec), brute_force_log_mel.filterbank(spec), rtol=0, atol=1e-6)


@every_spec
def test_log_mel_is_that_of_librosa(spec):
    name = next(name for name, known in SPECS.items() if known is spec)
    with np.load(GOLDEN) as golden:
        clip = golden[f"clip_{spec.sample_rate_hz}"].astype(np.float32) / 32768
        expected = golden[name]
    found = LogMelFrontEnd(spec)(clip)
    assert np.abs(found - expected).max() <= (1e-3 if spec.log == "power_db" else 1e-4)


def test_clap_log_mel_is_within_a_thousandth_of_a_db_of_the_models_own(shared_data):
    goldens = shared_data / "clap-goldens"
    samples, rate_hz = soundfile.read(goldens / "sample.wav", dtype="float32")
    assert rate_hz == CLAP_UNFUSED.sample_rate_hz
    clip = fit_clip(samples, 10 * rate_hz, "repeat")
    golden = np.load(goldens / "golden_mel.npy")
    assert np.abs(LogMelFrontEnd(CLAP_UNFUSED)(clip) - golden).max() <= 1e-3
    assert np.abs(LogMelFrontEnd(CLAP_UNFUSED, np.float64)(clip) - golden).max() <= 1e-4


def test_clap_filterbank_has_the_models_own_rows(shared_data):
    filters = mel_filterbank(CLAP_UNFUSED)
    for band in (0, 10, 32):
        golden = np.load(shared_data / "clap-goldens" / f"filterbank_row_{band}.npy")
        np.testing.assert_allclose(filters[:, band], golden, rtol=0, atol=1e-7)


def test_silence_is_the_floor_of_the_scale_and_finite():
    clip = np.zeros(4800, np.float32)
    np.testing.assert_allclose(LogMelFrontEnd(CLAP_UNFUSED)(clip), -100.0, atol=1e-4)
    np.testing.assert_allclose(LogMelFrontEnd(STARTER)(clip), np.log(1e-3), atol=1e-6)


def test_a_clip_that_is_too_long_is_cut_behind():
    assert fit_clip(np.arange(9, dtype=np.float32), 4, "repeat").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("padding", "expected"), [("zero", [1, 2, 3, 0, 0, 0, 0, 0]), ("repeat", [1, 2, 3, 1, 2, 3, 0, 0])]
)
def test_a_shorter_clip_is_padded_as_asked(padding, expected):
    fitted = fit_clip(np.array([1, 2, 3], np.float32), 8, padding)
    assert (fitted.tolist(), fitted.dtype) == (expected, np.float32)


def streamed_worst_difference(
    spec: LogMelSpec,
    stream: np.ndarray,
    starts: list[int],
    lengths: tuple[int, int, int],
    padding: Padding,
) -> float:
    """Largest difference of StreamingLogMel from the whole-window log-mel over these windows."""
    window_length, clip_length, window_hop = lengths
    streaming = StreamingLogMel(spec, window_length, clip_length, window_hop, padding)
    whole = LogMelFrontEnd(spec)
    worst = 0.0
    for start in starts:
        samples = stream[start : start + window_length]
        expected = whole(fit_clip(samples, clip_length, padding))
        worst = max(worst, float(np.abs(streaming(Window(samples, start)) - expected).max()))
    return worst


@every_spec
@pytest.mark.parametrize("padding", ["repeat", "zero"])
@pytest.mark.parametrize("hop_frames", [20, 20.37, 3.5])
@pytest.mark.parametrize("clip_factor", [1, 2, 2.6])
def test_a_hop_at_a_time_equals_the_whole_window_also_after_gaps(spec, padding, hop_frames, clip_factor, rng):
    window_length = 80 * spec.hop_length + 97
    hop = round(hop_frames * spec.hop_length)
    stream = noise(rng, window_length + 8 * hop + 12345)
    # Four windows in a row, one left out, two, a jump off the grid, two, back to the beginning, one more.
    starts = [k * hop for k in (0, 1, 2, 3, 5, 6)] + [6 * hop + 1234, 7 * hop + 1234, 0, hop]
    lengths = (window_length, round(clip_factor * window_length), hop)
    assert streamed_worst_difference(spec, stream, starts, lengths, padding) <= 1e-5


@given(
    window_length=st.integers(40, 300),
    clip_extra=st.integers(0, 500),
    hop_share=st.integers(0, 100),
    padding=st.sampled_from(["repeat", "zero"]),
    centred=st.booleans(),
    steps=st.lists(st.integers(1, 2), max_size=5),
)
def test_a_hop_at_a_time_equals_the_whole_window_at_any_lengths(
    window_length, clip_extra, hop_share, padding, centred, steps
):
    spec = replace(SMALL_LOG_MEL, centred=centred)
    hop = max(1, window_length * hop_share // 100)
    starts = [0, *np.cumsum(steps, dtype=int) * hop]
    stream = noise(np.random.default_rng(window_length), starts[-1] + window_length)
    lengths = (window_length, window_length + clip_extra, hop)
    assert streamed_worst_difference(spec, stream, starts, lengths, padding) <= 1e-5


def test_a_hop_at_a_time_computes_little_more_than_the_hop(rng, monkeypatch):
    n_computed = []
    frames_at = LogMelFrontEnd.frames_at

    def counting(self: LogMelFrontEnd, padded: np.ndarray, starts: np.ndarray) -> np.ndarray:
        n_computed.append(len(starts))
        return frames_at(self, padded, starts)

    monkeypatch.setattr(LogMelFrontEnd, "frames_at", counting)
    stream = noise(rng, 41360 + 2 * 7680)
    streamed_worst_difference(STARTER, stream, [0, 7680, 15360], (41360, 41360, 7680), "zero")
    assert n_computed[1::2] == [257, 48, 48]


@pytest.mark.parametrize("padding", ["repeat", "zero"])
def test_a_window_shorter_than_the_others_is_padded_to_the_clip(padding, rng):
    streaming = StreamingLogMel(STARTER, 16000, 16000, 4000, padding)
    short = noise(rng, 700)
    expected = LogMelFrontEnd(STARTER)(fit_clip(short, 16000, padding))
    np.testing.assert_array_equal(streaming(Window(short, 0)), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_rate_hz": 0}, "sample_rate_hz must be a positive whole number"),
        ({"n_fft": 512.0}, "n_fft must be"),
        ({"hop_length": -160}, "hop_length must be"),
        ({"n_mels": True}, "n_mels must be"),
        ({"win_length": 513}, "win_length 513 is longer than n_fft 512"),
        ({"centred": True}, "centred log-mel needs win_length equal to n_fft"),
        ({"fmin_hz": -1.0}, "fmin_hz"),
        ({"fmin_hz": 7500.0}, "fmin_hz"),
        ({"fmax_hz": 8001.0}, "fmax_hz <= 8000"),
        ({"fmax_hz": float("nan")}, "fmax_hz"),
        ({"log_offset": 0.0}, "log_offset must be above 0"),
        ({"log_offset": float("nan")}, "log_offset must be above 0"),
        ({"mel_scale": "bark"}, "mel_scale must be one of slaney, htk"),
        ({"mel_norm": None}, "mel_norm must be one of"),
        ({"log": "db"}, "log must be one of"),
    ],
)
def test_a_spec_out_of_range_is_refused_by_name(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(STARTER, **changes)
