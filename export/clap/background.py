"""Sounds that are in every home and are not what a person listens for: rivals that a label must beat.

Without them three labels would be the whole world, and every sound one of the three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.labels import fold


@dataclass(frozen=True)
class BackgroundSound:
    """A background of every bundle.

    Attributes:
        name: what the manifest calls it.
        text: what the text encoder is given in place of a label.
        words: a label that holds one of these means the same sound, or a kind of it.
    """

    name: str
    text: str
    words: frozenset[str]


def _sound(name: str, text: str, words: str) -> BackgroundSound:
    return BackgroundSound(f"background {name}", text, frozenset(words.split()))


BACKGROUND = (
    _sound(
        "speech", "people talking", "speech talk talking speaking voice voices people conversation radio tv"
    ),
    _sound("music", "music", "music song singing melody"),
    _sound("traffic", "road traffic", "traffic car cars road street vehicle vehicles engine"),
    _sound("wind", "wind", "wind breeze storm"),
    _sound("hum", "electric hum", "hum humming buzz buzzing fridge refrigerator"),
    _sound("fan", "a fan", "fan ventilation conditioner conditioning vacuum"),
    _sound("water", "running water", "water tap shower rain stream toilet"),
    _sound("footsteps", "footsteps", "footstep footsteps steps walking"),
    _sound("dishes", "clattering dishes", "dish dishes clatter clattering cutlery plate plates"),
    _sound("typing", "typing on a keyboard", "typing keyboard"),
    _sound("noise", "white noise", "noise static hiss"),
    _sound("silence", "silence", "silence silent quiet"),
)


def background_for(labels: Sequence[str]) -> list[BackgroundSound]:
    """Those that no label asked for is a kind of: a label must not have to beat itself."""
    asked = {word for label in labels for word in fold(label).split()}
    return [sound for sound in BACKGROUND if not sound.words & asked]
