"""Reports of windows → what was nearly an event, and why it wasn't."""

from __future__ import annotations

from dataclasses import dataclass

from edge.explaining.why_not import progress, why_not
from edge.recognizer import WindowReport
from edge.types import LabelState

NEAR = 0.1
"""A score this far below its threshold is near."""
N_FAR_WINDOWS = 2
"""So many windows that aren't near, one after the other, end an episode."""
LONGEST_S = 60.0
"""A steady sound near a threshold is told once in so long, not only when it stops."""
LONGEST_UNHEARD_S = 10.0
"""After a longer stretch without windows, another episode begins. A slow machine leaves out less."""


@dataclass(frozen=True)
class NearMiss:
    """An episode in which a label came near to an event. Its figures are of the window that came nearest.

    Attributes:
        label: its name.
        start_sample: where the episode began, placed as an event's onset is: the middle of the window before
            the first that was near.
        end_sample: the middle of the last window that was near.
        score: the label's cosine.
        threshold: that it must reach.
        best_rival: name of the rival with the highest score; None if it has no rival.
        rival_score: that rival's cosine; -inf if there is none.
        reason: what kept it from being an event, for a person, the label's name left out: "0.68 < 0.71".
    """

    label: str
    start_sample: int
    end_sample: int
    score: float
    threshold: float
    best_rival: str | None
    rival_score: float
    reason: str


@dataclass
class _Episode:
    """What is known of a label from its first near window on.

    Attributes:
        start_sample: as in `NearMiss`.
        end_sample: as in `NearMiss`.
        best: of the near windows, the one that came furthest.
        is_event: whether it brought an event, or belongs to one; then it is no miss.
        n_far: how many windows in a row weren't near.
    """

    start_sample: int
    end_sample: int
    best: LabelState | None = None
    is_event: bool = False
    n_far: int = 0

    def take(self, state: LabelState, middle_sample: int) -> None:
        """Take a window in, whose middle is at that sample."""
        if not _is_near(state):
            self.n_far += 1
            return
        self.n_far, self.end_sample = 0, middle_sample
        if self.best is None or progress(state) > progress(self.best):
            self.best = state

    def miss(self) -> NearMiss | None:
        """What is to be told of it, now that it is over."""
        best = self.best
        if self.is_event or best is None or best.score is None:
            return None
        return NearMiss(
            label=best.label,
            start_sample=self.start_sample,
            end_sample=self.end_sample,
            score=best.score,
            threshold=best.threshold,
            best_rival=best.best_rival,
            rival_score=best.rival_score,
            reason=why_not(best),
        )


class NearMissTracker:
    """Finds near misses in a stream's reports. Its memory is an episode a label.

    An episode begins with a label's first window that is near its threshold, or above it without an event. It
    ends after two windows that aren't near, once no support waits for confirmation; a minute ends it too. If
    an event of the label began meanwhile, it is none; nor is what goes on without a break behind an event.

    Args:
        sample_rate_hz: of the reports' positions.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._sample_rate_hz = sample_rate_hz
        self._episodes: dict[str, _Episode] = {}
        self._phases: dict[str, str] = {}
        self._last: WindowReport | None = None

    def saw(self, report: WindowReport) -> list[NearMiss]:
        """Take a window's report. Returns: the near misses that are over with it, and known to be."""
        now = {state.label: state for state in report.states}
        is_cut = self._is_cut_off(report)
        left = [label for label in self._episodes if label not in now or is_cut]
        misses = [self._end(label) for label in left]
        misses += [self._step(state, report) for state in report.states]
        self._phases = {label: state.phase for label, state in now.items()}
        self._last = report
        return [miss for miss in misses if miss is not None]

    def close(self) -> list[NearMiss]:
        """End the stream. Returns: the near misses that were not over."""
        misses = [self._end(label) for label in list(self._episodes)]
        return [miss for miss in misses if miss is not None]

    def _is_cut_off(self, report: WindowReport) -> bool:
        if self._last is None:
            return False
        unheard = report.start_sample - self._last.end_sample
        return (
            unheard > LONGEST_UNHEARD_S * self._sample_rate_hz
            or report.start_sample < self._last.start_sample
        )

    def _step(self, state: LabelState, report: WindowReport) -> NearMiss | None:
        is_event = state.phase == "on" or begins_event(self._phases.get(state.label, "idle"), state.phase)
        episode = self._episodes.get(state.label)
        if episode is None:
            if not is_event and not _is_near(state):
                return None
            start = report.start_sample if self._last is None else _middle(self._last)
            start = min(max(report.start_sample, start), _middle(report))
            episode = self._episodes[state.label] = _Episode(start, start)
        episode.is_event = episode.is_event or is_event
        episode.take(state, _middle(report))
        lasted = episode.end_sample - episode.start_sample
        is_long = not episode.is_event and lasted >= LONGEST_S * self._sample_rate_hz
        # What waits for confirmation may still become an event.
        is_over = state.phase not in {"on", "confirming"} and (episode.n_far >= N_FAR_WINDOWS or is_long)
        return self._end(state.label) if is_over else None

    def _end(self, label: str) -> NearMiss | None:
        return self._episodes.pop(label).miss()


def begins_event(before: str, now: str) -> bool:
    """Whether a label's change of phase means that an event began, be it over with the same window."""
    is_after = now in {"spent", "cooling down"} and before in {"idle", "confirming"}
    return (now == "on" and before != "on") or is_after


def _is_near(state: LabelState) -> bool:
    return state.score is not None and state.score >= state.threshold - NEAR


def _middle(report: WindowReport) -> int:
    return (report.start_sample + report.end_sample) // 2
