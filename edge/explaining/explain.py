"""Why a label's event began or didn't, in lines for a person, while the stream goes on."""

from __future__ import annotations

import math
from collections.abc import Callable

from edge.explaining.near_misses import NearMiss, NearMissTracker, begins_event
from edge.recognizer import WindowReport, WindowState
from edge.scoring import PrototypeSet
from edge.times import stream_clock
from edge.types import Embedding, LabelState

_FAULTS = {
    "silent": "digital silence",
    "dc": "a constant level",
    "clipped": "clipped",
    "nonfinite": "not numbers",
}


class Explainer:
    """Tells what changes with a window; nothing of one that changes nothing.

    Lines tell a label's phase, what was nearly an event, and when windows are passed over unheard. Each
    begins with the position in the stream that was known by then.

    Args:
        write: is given each line, without its end.
        origins: (n_prototypes), what each was made from, see `edge.explaining.origins`.
        prototypes: what the reports' scores are of.
        gate_dbfs: the level below which windows are passed over.
        sample_rate_hz: of the reports' positions.
        clock: a position in seconds → as it is shown.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        origins: tuple[str, ...],
        prototypes: PrototypeSet,
        gate_dbfs: float,
        sample_rate_hz: int,
        clock: Callable[[float], str] = stream_clock,
    ) -> None:
        self._write = write
        self._clock_of = clock
        self._gate_dbfs = gate_dbfs
        self._sample_rate_hz = sample_rate_hz
        self._misses = NearMissTracker(sample_rate_hz)
        self._phases: dict[str, str] = {}
        self._state: WindowState = "scored"
        self._end_sample = 0
        self.listen_for(prototypes, origins)

    def __call__(self, report: WindowReport) -> None:
        """Take a window's report. Raises: what `write` raises."""
        self._end_sample = report.end_sample
        self._tell_state(report)
        self._tell_misses(self._misses.saw(report))
        for state in report.states:
            before = self._phases.get(state.label, "idle")
            if state.phase != before:
                self._tell_phase(before, state, report.embedding)
        self._phases = {state.label: state.phase for state in report.states}

    def listen_for(self, prototypes: PrototypeSet, origins: tuple[str, ...]) -> None:
        """Take what the scores are of from now on, and what each prototype was made from."""
        self._prototypes, self._origins = prototypes, origins

    def close(self) -> None:
        """End the stream: tell what was nearly an event when it ended. Raises: what `write` raises."""
        self._tell_misses(self._misses.close())

    def _tell(self, text: str) -> None:
        self._write(f"{self._clock(self._end_sample)}  {text}")

    def _clock(self, sample: int) -> str:
        return self._clock_of(sample / self._sample_rate_hz)

    def _tell_state(self, report: WindowReport) -> None:
        before, self._state = self._state, report.state
        if report.state == before:
            return
        level = f"{report.level_dbfs:.1f} dBFS"
        if report.state == "scored":
            self._tell(f"heard again: {level}")
        elif report.state == "quiet":
            self._tell(f"passed over from here: {level}, below the gate of {self._gate_dbfs:g} dBFS")
        else:
            measured = f", {level}" if math.isfinite(report.level_dbfs) else ""
            self._tell(f"passed over from here: {_FAULTS[report.state]}{measured}")

    def _tell_misses(self, misses: list[NearMiss]) -> None:
        for miss in misses:
            lasted_s = (miss.end_sample - miss.start_sample) / self._sample_rate_hz
            when = f"from {self._clock(miss.start_sample)} for {lasted_s:.1f} s"
            self._tell(f"near miss: {miss.label} {miss.reason} ({when})")

    def _tell_phase(self, before: str, state: LabelState, embedding: Embedding | None) -> None:
        is_event = begins_event(before, state.phase)
        if before == "on" and state.phase != "on":
            self._tell(f"{state.label} {before} -> {state.phase}: {_ending(state)}")
            return
        parts = [f"{state.label} {before} -> {state.phase}: {_figures(state)}"]
        if is_event or state.phase == "confirming":
            parts.append(f"supported {state.supported_s:.2f} of {state.confirm_s:.2f} s")
        if is_event and embedding is not None:
            parts.append(self._matched(state.label, embedding))
        self._tell("; ".join(parts))

    def _matched(self, label: str, embedding: Embedding) -> str:
        """Which of a label's prototypes is nearest."""
        prototypes = self._prototypes
        rows = (prototypes.owners == prototypes.names.index(label)).nonzero()[0]
        cosines = prototypes.vectors[rows] @ embedding
        best = int(cosines.argmax())
        return f"matched {cosines[best]:.2f}: {self._origins[rows[best]]}"


def _ending(state: LabelState) -> str:
    """Why an event is over."""
    if state.phase == "spent":
        return "its rule ends it, however long it sounds"
    if state.score is None:
        return "nothing is scored any more"
    if state.score < state.off_threshold:
        return f"{state.score:.2f}, under the {state.off_threshold:.2f} that would hold it"
    return _figures(state)


def _figures(state: LabelState) -> str:
    """A label's score against its threshold and its best rival."""
    if state.score is None:
        return "not scored"
    own = f"{state.score:.2f}/{state.threshold:.2f}"
    if state.best_rival is None:
        return own
    behind = state.score - state.rival_score
    rule = f"{-state.margin:.2f} allowed" if state.margin <= 0 else f"{state.margin:.2f} behind needed"
    place = f"{-behind:.2f} ahead" if behind < 0 else f"{behind:.2f} behind"
    return f"{own}, rival {state.best_rival} {state.rival_score:.2f} {place} ({rule})"
