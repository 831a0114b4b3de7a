from __future__ import annotations

import ctypes
import sys
import time

import pytest

from edge import clock
from edge.clock import is_synchronised

TIMEX_BYTES_MOST = 208
"""Of struct timex where longs have 64 bits, the largest there is."""


class Libc:
    """A C library whose adjtimex answers as it is told."""

    def __init__(self, state: int) -> None:
        self._state = state
        self.asked: list[bytes] = []

    def adjtimex(self, timex: ctypes.Array[ctypes.c_char]) -> int:
        self.asked.append(timex.raw)
        return self._state


@pytest.fixture
def libc(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Libc:
    library = Libc(request.param)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _name, *, use_errno: library)  # noqa: ARG005
    return library


@pytest.mark.parametrize(
    ("libc", "answer"),
    [(0, True), (1, True), (4, True), (5, False), (-1, None)],
    ids=["TIME_OK", "a leap second to come", "a leap second was", "TIME_ERROR", "forbidden"],
    indirect=["libc"],
)
def test_the_kernels_answer_is_passed_on(libc: Libc, answer: bool | None) -> None:  # noqa: FBT001
    assert is_synchronised() is answer
    assert len(libc.asked) == 1


@pytest.mark.parametrize("libc", [0], indirect=True)
def test_it_asks_with_room_enough_and_sets_nothing(libc: Libc) -> None:
    is_synchronised()
    (timex,) = libc.asked
    assert len(timex) >= TIMEX_BYTES_MOST
    assert set(timex) == {0}  # its first field says what to set


def test_elsewhere_than_on_linux_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert is_synchronised() is None


def test_a_c_library_without_the_call_leaves_it_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _name, *, use_errno: object())  # noqa: ARG005
    assert clock.is_synchronised() is None


def test_this_machine_answers_and_its_clock_goes_on() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells")
    before_s, before_unix_s = time.monotonic(), time.time()
    answers = {is_synchronised() for _ in range(100)}
    stepped_s = (time.time() - before_unix_s) - (time.monotonic() - before_s)
    assert answers <= {True, False, None}
    assert len(answers) == 1
    assert abs(stepped_s) < 0.5
