from __future__ import annotations

import math

import numpy as np
import pytest

from edge.explaining.explain import Explainer
from edge.recognizer import WindowReport
from edge.scoring import PrototypeSet
from edge.types import LabelState

RATE = 1000
HOP, WINDOW = 500, 2000
NEVER = -math.inf
PROTOTYPES = PrototypeSet(
    vectors=np.eye(4, dtype=np.float32),
    owners=np.array([0, 1, 1, 2]),
    names=("dog bark", "siren", "clock alarm"),
    background=(False, False, False),
    rivals_groups=(None, None, None),
)
ORIGINS = ("of barks", "of the siren's rise", "of the siren's fall", "of clocks")


class Told:
    """An explainer and its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.explainer = Explainer(self.lines.append, ORIGINS, PROTOTYPES, -60.0, RATE)
        self.n = 0

    def hear(self, *states: LabelState, embedding: tuple[float, ...] = (0.0, 0.6, 0.8, 0.0)) -> list[str]:
        """Another scored window. Returns: the lines it brought."""
        return self._take(WindowReport(*self._place(), -20.0, "scored", None, (), _row(embedding), states))

    def pass_over(self, state: str, level_dbfs: float, *states: LabelState) -> list[str]:
        """Another window that isn't scored. Returns: the lines it brought."""
        return self._take(
            WindowReport(*self._place(), level_dbfs, state, None, (), None, states)  # type: ignore[arg-type]
        )

    def _place(self) -> tuple[int, int]:
        start = self.n * HOP
        self.n += 1
        return start, start + WINDOW

    def _take(self, report: WindowReport) -> list[str]:
        n_before = len(self.lines)
        self.explainer(report)
        return self.lines[n_before:]


def _row(values: tuple[float, ...]) -> np.ndarray:
    return np.array(values, np.float32)


def siren(
    score: float | None,
    phase: str = "idle",
    *,
    rival: tuple[str, float] | None = None,
    supported_s: float = 0.0,
    margin: float = -0.08,
) -> LabelState:
    name, rival_score = rival or (None, NEVER)
    supports = score is not None and score >= 0.71 and score - rival_score >= margin
    return LabelState(
        "siren", score, 0.71, margin, name, rival_score, supports, supported_s, 0.96, phase, 0.61,  # type: ignore[arg-type]
    )  # fmt: skip


def test_nothing_is_said_while_nothing_changes() -> None:
    told = Told()
    for score in (0.2, 0.3, 0.5, 0.1):
        assert told.hear(siren(score, rival=("clock alarm", 0.5))) == []
    told.hear(siren(0.8, "on", supported_s=0.96))
    for score in (0.8, 0.7, 0.65):
        assert told.hear(siren(score, "on", supported_s=0.96)) == []


def test_support_that_begins_says_score_threshold_rival_and_how_much_is_confirmed() -> None:
    told = Told()
    told.hear(siren(0.2))
    state = siren(0.75, "confirming", rival=("clock alarm", 0.79), supported_s=0.48)
    (line,) = told.hear(state)
    assert line == (
        "0:00:02.5  siren idle -> confirming: 0.75/0.71, rival clock alarm 0.79 0.04 ahead (0.08 allowed); "
        "supported 0.48 of 0.96 s"
    )


def test_an_event_says_which_prototype_matched_how_well_and_what_it_was_made_from() -> None:
    told = Told()
    told.hear(siren(0.75, "confirming", supported_s=0.48))
    state = siren(0.8, "on", rival=("dog bark", 0.3), supported_s=0.96)
    (line,) = told.hear(state, embedding=(0.9, 0.6, 0.8, 0.95))
    assert line == (
        "0:00:02.5  siren confirming -> on: 0.80/0.71, rival dog bark 0.30 0.50 behind (0.08 allowed); "
        "supported 0.96 of 0.96 s; matched 0.80: of the siren's fall"
    )


@pytest.mark.parametrize("phase", ["spent", "cooling down"])
def test_an_event_that_begins_and_ends_with_a_window_says_what_matched_too(phase: str) -> None:
    told = Told()
    (line,) = told.hear(siren(0.8, phase, supported_s=0.96), embedding=(0.0, 0.8, 0.6, 0.0))
    assert line.endswith("matched 0.80: of the siren's rise")


@pytest.mark.parametrize("phase", ["idle", "spent", "cooling down"])
def test_the_end_of_an_event_says_what_comes_behind_it_and_no_prototype(phase: str) -> None:
    told = Told()
    told.hear(siren(0.8, "on", supported_s=0.96))
    why = "0.20, under the 0.61 that would hold it"
    if phase == "spent":
        why = "its rule ends it, however long it sounds"
    assert told.hear(siren(0.2, phase)) == [f"0:00:02.5  siren on -> {phase}: {why}"]


def test_an_event_that_ends_with_a_window_passed_over_says_that() -> None:
    told = Told()
    told.hear(siren(0.8, "on", supported_s=0.96))
    told.pass_over("quiet", -70.0, siren(None, "on"))
    assert told.pass_over("quiet", -70.0, siren(None)) == [
        "0:00:03.0  siren on -> idle: nothing is scored any more"
    ]


def test_a_rival_that_must_be_beaten_clearly_says_by_how_much() -> None:
    told = Told()
    (line,) = told.hear(siren(0.8, "on", rival=("dog bark", 0.7), supported_s=0.96, margin=0.05))
    assert "rival dog bark 0.70 0.10 behind (0.05 behind needed)" in line


def test_a_near_miss_says_why_not_and_when_it_was() -> None:
    told = Told()
    told.hear(siren(0.2))
    assert told.hear(siren(0.68)) == []
    assert told.hear(siren(0.2)) == []
    assert told.hear(siren(0.2)) == ["0:00:03.5  near miss: siren 0.68 < 0.71 (from 0:00:01.0 for 0.5 s)"]


def test_a_near_miss_at_the_end_is_told_when_closed() -> None:
    told = Told()
    told.hear(siren(0.68))
    told.explainer.close()
    told.explainer.close()
    assert told.lines == ["0:00:02.0  near miss: siren 0.68 < 0.71 (from 0:00:00.0 for 1.0 s)"]


def test_the_gate_is_told_when_it_closes_and_when_it_opens_with_the_level() -> None:
    told = Told()
    told.hear(siren(0.2))
    assert told.pass_over("quiet", -72.34) == [
        "0:00:02.5  passed over from here: -72.3 dBFS, below the gate of -60 dBFS"
    ]
    assert told.pass_over("quiet", -71.0) == []
    assert told.hear(siren(0.2)) == ["0:00:03.5  heard again: -20.0 dBFS"]


@pytest.mark.parametrize(
    ("state", "level_dbfs", "said"),
    [
        ("silent", -math.inf, "digital silence"),
        ("dc", -95.0, "a constant level, -95.0 dBFS"),
        ("clipped", -1.0, "clipped, -1.0 dBFS"),
        ("nonfinite", math.nan, "not numbers"),
    ],
)
def test_a_fault_of_the_signal_is_named(state: str, level_dbfs: float, said: str) -> None:
    told = Told()
    assert told.pass_over(state, level_dbfs) == [f"0:00:02.0  passed over from here: {said}"]


def test_other_labels_are_explained_from_when_they_are_taken_over() -> None:
    told = Told()
    told.hear(siren(0.2))
    rattle = PrototypeSet(
        np.eye(1, 4, 3, dtype=np.float32), np.zeros(1, np.intp), ("rattle",), (False,), (None,)
    )
    told.explainer.listen_for(rattle, ("your own rattle.wav",))
    state = siren(0.9, "on")._replace(label="rattle")
    (line,) = told.hear(state, embedding=(0.0, 0.0, 0.0, 0.9))
    assert line.endswith("matched 0.90: your own rattle.wav")


def test_lines_stay_short() -> None:
    told = Told()
    told.hear(siren(0.75, "confirming", rival=("vacuum cleaner", 0.79), supported_s=0.48))
    told.hear(siren(0.79, "on", rival=("vacuum cleaner", 0.79), supported_s=0.96))
    told.hear(siren(0.2, "cooling down", rival=("vacuum cleaner", 0.79)))
    told.hear(siren(0.2, "cooling down"))
    told.hear(siren(0.75, "cooling down", rival=("vacuum cleaner", 0.95)))
    told.explainer.close()
    assert len(told.lines) == 4
    assert max(len(line.partition("; matched")[0]) for line in told.lines) < 140
