"""A plan is a list of steps, each of which can be told, done, and some undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.errors import SoundError


@dataclass(frozen=True)
class Step:
    """Something to do.

    Attributes:
        what: told in the imperative, one line.
        do: does it. Raises: SoundError, OSError.
        undo: takes it back if this or a later step fails; returns whether nothing of it is left.
    """

    what: str
    do: Callable[[], None]
    undo: Callable[[], bool] | None = None


def carry_out(steps: Sequence[Step], tell: Callable[[str], None]) -> None:
    """Do the steps in order, telling each. Raises: SoundError saying which failed, why, and what is left."""
    for number, step in enumerate(steps):
        tell(step.what)
        try:
            step.do()
        except BaseException as error:
            left = _undo(steps, number)
            if not isinstance(error, SoundError | OSError):
                raise
            raise SoundError(f"could not {step.what}: {error}; {_account(left)}") from error


def _undo(steps: Sequence[Step], failed: int) -> list[int]:
    """Take back what can be, latest first; returns which of the steps before the failed one remain done."""
    undone = set()
    for number in range(failed, -1, -1):
        undo = steps[number].undo
        if undo is not None and undo():
            undone.add(number)
    return [number for number in range(failed) if number not in undone]


def _account(left: Sequence[int]) -> str:
    if not left:
        return "nothing was changed"
    numbers = ", ".join(str(number + 1) for number in left)
    return f"step{'s' if len(left) > 1 else ''} {numbers} of the plan stay{'' if len(left) > 1 else 's'} done"
