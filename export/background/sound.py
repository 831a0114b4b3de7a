"""A recording that can be heard: what tells it from others, and its samples, made or read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge.types import Samples


@dataclass(frozen=True)
class Sound:
    """A recording.

    Attributes:
        name: for a person.
        key: the same key means the same samples.
        blocks: yields its samples in order, float32 mono at the encoder's rate, in blocks of any length.
    """

    name: str
    key: str
    blocks: Callable[[], Iterable[Samples]]
