from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import AudioBlock, Window
from edge.windowing import Windower


def ramp(n: int, start: int = 0) -> np.ndarray:
    """Samples that say where they stand."""
    return np.arange(start, start + n, dtype=np.float32)


def as_lists(windows: list[Window]) -> list[tuple[int, list[float]]]:
    return [(window.start_sample, window.samples.tolist()) for window in windows]


def push_all(windower: Windower, sizes: list[int], start: int = 0) -> list[Window]:
    windows = []
    for size in sizes:
        windows += windower.push(AudioBlock(ramp(size, start), start))
        start += size
    return windows


@pytest.mark.parametrize("start", [0, 5, 10**12])
def test_windows_start_a_hop_apart_from_the_streams_first_sample_on(start):
    windows = Windower(10, 4).push(AudioBlock(ramp(20), start))
    assert [(w.start_sample - start, w.end_sample - start) for w in windows] == [(0, 10), (4, 14), (8, 18)]
    assert [w.samples[0] for w in windows] == [0, 4, 8]
    assert all(w.samples.dtype == np.float32 for w in windows)


@given(
    sizes=st.lists(st.integers(0, 50), max_size=30),
    window_length=st.integers(1, 30),
    hop_share=st.integers(0, 100),
)
def test_windows_are_the_same_slices_of_the_stream_however_it_is_cut(sizes, window_length, hop_share):
    hop = max(1, window_length * hop_share // 100)
    total = sum(sizes)
    windower = Windower(window_length, hop)
    windows = push_all(windower, sizes)
    expected = [(s, ramp(window_length, s).tolist()) for s in range(0, total - window_length + 1, hop)]
    assert as_lists(windows) == expected

    last = windower.flush()
    heard_to = expected[-1][0] + window_length if expected else 0
    if heard_to == total:
        assert last == []
    elif expected:
        start = len(expected) * hop
        tail = ramp(total - start, start).tolist()
        assert as_lists(last) == [(start, tail + [0.0] * (window_length - len(tail)))]
    else:
        assert as_lists(last) == [(0, ramp(total).tolist())]


@given(
    before=st.lists(st.integers(0, 20), max_size=5),
    jump=st.integers(-200, 200).filter(bool),
    after=st.lists(st.integers(1, 20), max_size=5),
)
def test_after_a_gap_windows_are_those_of_a_fresh_windower(before, jump, after):
    windower = Windower(12, 5)
    push_all(windower, [1, *before], start=1000)
    restart = 1001 + sum(before) + jump
    fresh = Windower(12, 5)
    assert as_lists(push_all(windower, after, restart)) == as_lists(push_all(fresh, after, restart))
    if after:
        assert as_lists(windower.flush()) == as_lists(fresh.flush())


def test_a_block_after_a_flush_starts_another_stream_even_where_the_last_one_ended():
    windower = Windower(10, 5)
    push_all(windower, [12])
    windower.flush()
    assert push_all(windower, [8], start=12) == []
    assert as_lists(windower.flush()) == [(12, ramp(8, 12).tolist())]
    assert windower.flush() == []


def test_next_sample_tells_what_carries_the_stream_on():
    windower = Windower(10, 5)
    assert windower.next_sample is None
    windower.push(AudioBlock(ramp(3), 40))
    assert windower.next_sample == 43
    windower.flush()
    assert windower.next_sample is None


@pytest.mark.parametrize("first", [6, 14])
def test_a_source_may_use_its_buffer_again(first):
    windower = Windower(10, 5)
    buffer = ramp(first)
    windows = windower.push(AudioBlock(buffer, 0))
    buffer[:] = -1
    windows += windower.push(AudioBlock(ramp(6, first), first))
    assert [w.samples.tolist() for w in windows] == [ramp(10, 5 * i).tolist() for i in range(len(windows))]
    assert windows


def test_windows_overlap_in_memory_so_they_cannot_be_written_to():
    window = Windower(10, 5).push(AudioBlock(ramp(20), 0))[0]
    with pytest.raises(ValueError, match="read-only"):
        window.samples[0] = 1


@pytest.mark.parametrize(("length", "hop"), [(10, 0), (10, 11), (10, -1), (0, 0)])
def test_a_hop_outside_the_window_is_refused(length, hop):
    with pytest.raises(ValueError, match="window hop"):
        Windower(length, hop)


def test_an_hour_in_one_block_and_seconds_in_single_samples_are_both_quick():
    start = time.perf_counter()
    windows = Windower(41360, 7680).push(AudioBlock(np.zeros(3600 * 16000, np.float32), 0))
    assert len(windows) == 1 + (3600 * 16000 - 41360) // 7680
    windower, block = Windower(41360, 7680), np.zeros(1, np.float32)
    n_windows = sum(len(windower.push(AudioBlock(block, t))) for t in range(80000))
    assert n_windows == 6
    # Copying the kept samples at each push would take minutes.
    assert time.perf_counter() - start < 5
