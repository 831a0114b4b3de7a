import numpy as np
import pytest

from edge.enrolment.trim import trimmed
from edge.types import Samples

RATE_HZ = 16_000


def noise(duration_s: float, level_dbfs: float, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    amplitude = 10.0 ** (level_dbfs / 20.0)
    return np.asarray(amplitude * rng.standard_normal(round(duration_s * RATE_HZ)), np.float32)


def tone(duration_s: float, level_dbfs: float) -> Samples:
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    amplitude = np.sqrt(2.0) * 10.0 ** (level_dbfs / 20.0)
    return np.asarray(amplitude * np.sin(2 * np.pi * 700.0 * time_s), np.float32)


def place_of(samples: Samples, part: Samples) -> tuple[float, float]:
    """Where a view begins and ends in what it is a view of, in seconds."""
    offset = part.__array_interface__["data"][0] - samples.__array_interface__["data"][0]
    start = offset // samples.itemsize
    return start / RATE_HZ, (start + len(part)) / RATE_HZ


@pytest.mark.parametrize("floor_dbfs", [-300.0, -80.0, -50.0])
def test_what_is_before_and_after_a_sound_is_cut_off_but_for_50_ms(floor_dbfs: float) -> None:
    samples = noise(4.0, floor_dbfs)
    samples[16_000:40_000] += tone(1.5, -20.0)
    part = trimmed(samples, RATE_HZ)
    assert part is not None
    start_s, end_s = place_of(samples, part)
    assert 0.93 <= start_s <= 0.951
    assert 2.549 <= end_s <= 2.571


def test_a_sound_with_pauses_stays_whole() -> None:
    samples = noise(6.0, -70.0)
    for start_s in (1.0, 2.5, 4.0):
        samples[round(start_s * RATE_HZ) :][: RATE_HZ // 2] += tone(0.5, -25.0)
    part = trimmed(samples, RATE_HZ)
    assert part is not None
    start_s, end_s = place_of(samples, part)
    assert start_s == pytest.approx(0.95, abs=0.03)
    assert end_s == pytest.approx(4.55, abs=0.03)


@pytest.mark.parametrize("level_dbfs", [-50.0, -10.0])
def test_a_steady_sound_that_fills_the_clip_is_all_sound(level_dbfs: float) -> None:
    for samples in (tone(3.0, level_dbfs), noise(3.0, level_dbfs)):
        part = trimmed(samples, RATE_HZ)
        assert part is not None
        assert len(part) == len(samples)


def test_a_sound_shorter_than_a_frame_is_found() -> None:
    samples = noise(2.0, -75.0)
    samples[RATE_HZ : RATE_HZ + 160] += noise(0.01, -10.0, seed=1)
    part = trimmed(samples, RATE_HZ)
    assert part is not None
    start_s, end_s = place_of(samples, part)
    assert start_s <= 0.96
    assert 1.01 <= end_s <= 1.1


def test_a_clip_that_is_loud_from_end_to_end_but_for_a_moment_keeps_its_ends() -> None:
    samples = tone(2.0, -15.0)
    samples[15_000:20_000] = 0.0
    part = trimmed(samples, RATE_HZ)
    assert part is not None
    assert place_of(samples, part) == (0.0, 2.0)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE_HZ, np.float32),
        np.empty(0, np.float32),
        np.full(RATE_HZ, 0.25, np.float32),
        noise(2.0, -65.0),
    ],
    ids=["digital silence", "no samples", "a constant", "noise under -60 dBFS"],
)
def test_silence_holds_no_sound(samples: Samples) -> None:
    assert trimmed(samples, RATE_HZ) is None
