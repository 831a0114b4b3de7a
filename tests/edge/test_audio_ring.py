from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.audio_ring import AudioRing, to_pcm16
from edge.types import AudioBlock, Samples


def ramp(n_samples: int, start: int = 0) -> Samples:
    """Samples that tell their own position."""
    return (np.arange(start, start + n_samples) % 30000 / 32768).astype(np.float32)


def test_what_came_from_16_bits_comes_out_as_it_was() -> None:
    pcm = np.arange(-32768, 32768, dtype=np.int32)
    assert np.array_equal(to_pcm16((pcm / 32768).astype(np.float32)), pcm)


def test_beyond_full_scale_is_cut_off_and_what_is_no_number_is_silence() -> None:
    samples = np.array([1.0, -1.5, 1e6, np.inf, -np.inf, np.nan], np.float32)
    assert to_pcm16(samples).tolist() == [32767, -32768, 32767, 32767, -32768, 0]


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(1, 50),
    lengths=st.lists(st.integers(0, 80), max_size=12),
    start=st.integers(0, 200),
    asked=st.tuples(st.integers(0, 400), st.integers(0, 400)),
)
def test_it_holds_the_newest_samples_whatever_the_blocks(
    capacity: int, lengths: list[int], start: int, asked: tuple[int, int]
) -> None:
    ring = AudioRing(capacity)
    position = start
    for length in lengths:
        ring.push(AudioBlock(ramp(length, position), position))
        position += length
    if not lengths:
        return
    oldest = max(start, position - capacity)
    assert (ring.oldest_sample, ring.end_sample) == (oldest, position)
    held = list(range(max(asked[0], oldest), min(asked[1], position)))
    assert ring.copy(*asked).tolist() == held


def test_nothing_is_held_from_before_a_gap_forwards_or_back() -> None:
    ring = AudioRing(100)
    ring.push(AudioBlock(ramp(30), 0))
    ring.push(AudioBlock(ramp(10, 50), 50))
    assert ring.copy(0, 100).tolist() == list(range(50, 60))
    ring.push(AudioBlock(ramp(10, 5), 5))
    assert ring.copy(0, 100).tolist() == list(range(5, 15))


def test_a_copy_is_not_changed_by_what_comes_after() -> None:
    ring = AudioRing(10)
    ring.push(AudioBlock(ramp(10), 0))
    copy = ring.copy(0, 10)
    ring.push(AudioBlock(ramp(10, 10), 10))
    assert copy.tolist() == list(range(10))
