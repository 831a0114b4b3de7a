"""Whether the bundle hears speech in a stretch of the stream: for clips that must not hold any."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from edge.labels import fold
from edge.recognizer import WindowReport
from edge.types import Scores

SPEECH_MARGIN = 0.1
"""Speech is heard if it scores at most this much below the best of all names: measured in docs/clips.md."""

_SPEECH = frozenset(
    (
        "speech", "speaking", "speak", "spoken", "talk", "talking", "talks", "conversation", "conversations",
        "voice", "voices", "dialogue", "dialog", "monologue", "narration", "chatter", "chattering", "babble",
    )
)  # fmt: skip
_SPEAKERS = frozenset(
    (
        "a", "an", "the", "of", "in", "two", "some", "many", "people", "person", "man", "men", "woman",
        "women", "child", "children", "kid", "kids", "human", "male", "female", "adult", "crowd",
    )
)  # fmt: skip


def speech_places(names: Sequence[str], background: Sequence[bool]) -> tuple[int, ...]:
    """Which of a bundle's prototypes mean speech, told by the words of their names, in English.

    A background means it if it has a word for speech ("background speech"); a label only if the rest of its
    words say who speaks ("people talking", but not "talking parrot").

    Args:
        names: of all prototypes, as in `PrototypeSet`.
        background: of each, whether it is a background.

    Returns: their places in `names`, and so in `WindowReport.scores`.
    """
    places = []
    for place, (name, is_background) in enumerate(zip(names, background, strict=True)):
        words = set(fold(name).split())
        if words & _SPEECH and (is_background or words <= _SPEECH | _SPEAKERS):
            places.append(place)
    return tuple(places)


def is_speech(scores: Scores, places: Sequence[int], margin: float = SPEECH_MARGIN) -> bool:
    """Whether speech is heard in a window.

    Args:
        scores: (n_names,) float32 cosine in [-1, 1].
        places: those of the names that mean speech; at least one.
        margin: in [0, 2], how far the best of these may be below the best of all.
    """
    return bool(np.max(scores[list(places)]) >= np.max(scores) - margin)


class SpeechMemory:
    """Remembers in which windows of late speech was heard.

    A window without scores, such as a quiet one, holds none as far as can be told.

    Args:
        places: of the names that mean speech, in `WindowReport.scores`.
        length: for how many samples back it remembers.
    """

    def __init__(self, places: Sequence[int], length: int) -> None:
        self._places = places
        self._length = length
        self._windows: deque[tuple[int, int]] = deque()
        self.heard_from = 0
        """Windows yet to come begin behind this position."""

    def saw(self, report: WindowReport) -> None:
        """Take the report of a window."""
        self.heard_from = report.start_sample
        while self._windows and self._windows[0][1] < report.end_sample - self._length:
            self._windows.popleft()
        if report.scores is not None and is_speech(report.scores, self._places):
            self._windows.append((report.start_sample, report.end_sample))

    def has_speech(self, start_sample: int, end_sample: int) -> bool:
        """Whether speech was heard in any window that overlaps this stretch."""
        return any(start < end_sample and end > start_sample for start, end in self._windows)

    def forget(self) -> None:
        """Begin anew: what follows is another stretch of the stream."""
        self._windows.clear()
        self.heard_from = 0
