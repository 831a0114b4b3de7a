"""Sounds that are in every home and are not what a person listens for: rivals that a label must beat.

Without them three labels would be the whole world, and every sound one of the three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.labels import fold, is_kin


@dataclass(frozen=True)
class BackgroundSound:
    """A background of every bundle.

    Attributes:
        name: what the manifest calls it.
        text: what the text encoder is given in place of a label.
        words: a label that holds one of these means the same sound, and has no rival in it.
    """

    name: str
    text: str
    words: tuple[str, ...]

    def aliases(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Its words, but for those that are labels themselves, in the singular or plural."""
        single = [label for label in labels if len(fold(label).split()) == 1]
        return tuple(word for word in self.words if not any(is_kin(label, [word]) for label in single))


def _sound(name: str, text: str, words: str) -> BackgroundSound:
    return BackgroundSound(f"background {name}", text, tuple(words.split()))


BACKGROUND = (
    _sound("speech", "people talking", "speech talk talking speaking voice conversation people"),
    _sound("music", "music", "music song"),
    _sound("traffic", "road traffic", "traffic"),
    _sound("wind", "wind", "wind"),
    _sound("hum", "electric hum", "hum humming"),
    _sound("fan", "a fan", "fan ventilator"),
    _sound("water", "running water", "water tap"),
    _sound("footsteps", "footsteps", "footstep"),
    _sound("dishes", "clattering dishes", "dish"),
    _sound("typing", "typing on a keyboard", "typing keyboard"),
    _sound("noise", "white noise", "noise"),
    _sound("silence", "silence", "silence quiet"),
)


def kin_by_words(labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which backgrounds each label has a word in common with. Returns: (n_labels, n_backgrounds) bool."""
    return np.array([[is_kin(label, sound.words) for sound in BACKGROUND] for label in labels], np.bool_)


def rivals_groups(kin: NDArray[np.bool_]) -> list[str | None]:
    """Groups in which no label has a rival that it is kin to.

    kin: (n_labels, n_backgrounds) bool.
    Returns: the group of each label, then of each background; None for what stands alone.
    """
    n_labels = len(kin)
    group = np.arange(n_labels + kin.shape[1])
    for label, background in np.argwhere(kin):
        joined = group[n_labels + background]
        group[group == joined] = group[label]
    sizes = np.bincount(group, minlength=len(group))
    return [f"kin {number}" if sizes[number] > 1 else None for number in group]
