"""What kept a window from being an event of a label, for a person."""

from __future__ import annotations

import math

from edge.types import LabelState

_SCORED, _RIVAL, _SPENT, _COOLING_DOWN, _UNCONFIRMED = range(5)


def progress(state: LabelState) -> tuple[int, float, float]:
    """How far a window came: what it passed, then how nearly it passed the next; larger is further."""
    score = -math.inf if state.score is None else state.score
    lead = score - state.rival_score
    if score < state.threshold:
        return _SCORED, score, 0.0
    if lead < state.margin:
        return _RIVAL, lead, score
    if state.phase == "spent":
        return _SPENT, score, 0.0
    if state.phase == "cooling down":
        return _COOLING_DOWN, score, 0.0
    return _UNCONFIRMED, state.supported_s, score


def why_not(state: LabelState) -> str:
    """What kept a scored window from being an event, for a person. Raises: ValueError if it wasn't scored."""
    if state.score is None:
        raise ValueError("a window that was not scored tells nothing")
    furthest = progress(state)[0]
    if furthest == _SCORED:
        return "{} < {}".format(*told_apart(state.score, state.threshold))
    if furthest == _RIVAL:
        return _beaten(state, state.score)
    if furthest == _SPENT:
        return f"{state.score:.2f} while spent: its last event was ended by its rule"
    if furthest == _COOLING_DOWN:
        return f"{state.score:.2f} while cooling down after its last event"
    if state.supported_s >= state.confirm_s:
        return f"{state.score:.2f} confirmed, but over before its shortest duration"
    return f"{state.score:.2f} supported for {state.supported_s:.2f} s of {state.confirm_s:.2f} s"


def _beaten(state: LabelState, score: float) -> str:
    own, rival = told_apart(score, state.rival_score)
    if state.margin > 0:
        return f"{own} is not {state.margin:g} above {state.best_rival} {rival}"
    beaten = f"{own} beaten by {state.best_rival} {rival}"
    if state.margin == 0:
        return beaten
    beyond, _ = told_apart(state.rival_score - score + state.margin, 0.0)
    return f"{beaten}: {beyond} more than the {-state.margin:g} allowed"


def told_apart(one: float, other: float) -> tuple[str, str]:
    """Two scores with two decimals, or as many as show that they differ, up to five."""
    n_decimals = next((n for n in (2, 3, 4) if f"{one:.{n}f}" != f"{other:.{n}f}"), 5)
    return f"{one:.{n_decimals}f}", f"{other:.{n_decimals}f}"
