from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("soxr")
pytest.importorskip("tqdm")
from pool_material import RATE_HZ, SETTINGS, noise, write

from edge.errors import AudioSourceError, ConfigError
from edge.frontend import CLAP_UNFUSED
from edge.types import Samples
from export.pool.windows import WindowSettings, expected_windows, is_worth_embedding, read_windows

LENGTH = SETTINGS.window_length


def windows(path: Path, settings: WindowSettings = SETTINGS) -> list[Samples]:
    return list(read_windows(path, settings))


def write_exactly(path: Path, samples: Samples) -> Path:
    """At the encoder's own rate, as floats: nothing is rounded or resampled."""
    soundfile.write(path, samples, RATE_HZ, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("seconds", "starts_s"),
    [
        (0.01, [0.0]),
        (1.5, [0.0]),
        (2.0, [0.0]),
        (2.999, [0.0]),
        (3.0, [0.0, 1.0]),
        (4.0, [0.0, 2.0]),
        (7.5, [0.0, 2.0, 4.0, 5.5]),
        (8.5, [0.0, 2.0, 4.0, 6.0]),
    ],
)
def test_windows_lie_end_to_end_and_a_second_left_over_gets_one_that_ends_with_the_recording(
    tmp_path: Path, seconds: float, starts_s: list[float]
) -> None:
    samples = noise(seconds, seed=1)
    cut = windows(write_exactly(tmp_path / "a.wav", samples))
    assert len(cut) == len(starts_s)
    for window, start_s in zip(cut, starts_s, strict=True):
        start = round(start_s * RATE_HZ)
        np.testing.assert_array_equal(window, samples[start : start + LENGTH])


@pytest.mark.parametrize("seconds", [0.01, 1.5, 2.0, 2.9, 3.1, 7.5, 8.5])
@pytest.mark.parametrize("rate_hz", [8000, 44100])
def test_the_header_promises_as_many_windows_as_there_are(
    tmp_path: Path, seconds: float, rate_hz: int
) -> None:
    path = write(tmp_path / "a.flac", noise(seconds, 1, rate_hz), rate_hz)
    assert expected_windows(path, SETTINGS) == len(windows(path))


def test_stereo_at_44100_hz_becomes_mono_at_the_encoders_rate(tmp_path: Path) -> None:
    time_s = np.arange(5 * 44100) / 44100
    left = (0.5 * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([left, np.zeros_like(left)], axis=1), 44100)
    settings = WindowSettings(CLAP_UNFUSED)
    (window,) = windows(path, settings)
    assert window.shape == (5 * 48000,)
    expected = 0.25 * np.sin(2 * np.pi * 1000 * np.arange(5 * 48000) / 48000)
    np.testing.assert_allclose(window[1000:-1000], expected[1000:-1000], atol=2e-3)


def test_a_long_recording_is_cut_without_being_held(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(8000 * 600, np.int16), 8000)
    tracemalloc.start()
    try:
        n_windows = sum(1 for _ in read_windows(path, WindowSettings(CLAP_UNFUSED)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_windows == 120
    assert peak < 6_000_000  # Two windows are 1.9 MB; the whole would be 115.


def test_a_file_that_breaks_off_is_refused_at_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.flac", noise(20.0, seed=2))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioSourceError, match="is damaged"):
        windows(path)


@pytest.mark.parametrize("name", ["none.wav", "empty.wav", "text.wav"])
def test_nothing_is_expected_of_what_is_no_audio(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not a sound")
    assert expected_windows(tmp_path / name, SETTINGS) == 0


LOUD = noise(2.0, seed=3)
BURST = np.concatenate([np.zeros(1800, np.float32), 0.01 * LOUD[:200]])


@pytest.mark.parametrize(
    ("window", "worth"),
    [
        (LOUD, True),
        (np.clip(50 * LOUD, -1, 1).astype(np.float32), True),
        (BURST, True),
        (LOUD * np.float32(1e-4), False),
        (np.zeros(2000, np.float32), False),
        (np.full(2000, 0.3, np.float32), False),
        (np.full(2000, np.nan, np.float32), False),
        (LOUD * np.float32(1e9), False),
    ],
    ids=["noise", "clipped", "a short burst", "quiet", "silent", "constant", "not a number", "absurd"],
)
def test_only_sound_is_worth_embedding(window: Samples, worth: bool) -> None:  # noqa: FBT001
    assert is_worth_embedding(window, SETTINGS) == worth


def test_other_settings_have_another_key() -> None:
    others = [
        WindowSettings(SETTINGS.log_mel, window_s=2.0, clip_s=4.0, padding="zero"),
        WindowSettings(SETTINGS.log_mel, window_s=4.0, clip_s=4.0),
        WindowSettings(SETTINGS.log_mel, window_s=2.0, clip_s=4.0, gate_dbfs=-50.0),
        WindowSettings(CLAP_UNFUSED, window_s=2.0, clip_s=4.0),
    ]
    assert len({SETTINGS.key, *(settings.key for settings in others)}) == 5
    assert WindowSettings(SETTINGS.log_mel, window_s=2.0, clip_s=4.0).key == SETTINGS.key


def test_a_window_must_be_a_whole_number_of_samples(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", LOUD)
    with pytest.raises(ConfigError, match="window_s"):
        windows(path, WindowSettings(SETTINGS.log_mel, window_s=2.00001))
