"""Where a command on the person's own state is done: with which bundle, settings and overlay."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge.config import ListenConfig
from edge.errors import ConfigError
from edge.labels import find_label, fold
from edge.manifest import LabelEntry
from edge.overlay.content import Overlay
from edge.overlay.store import OverlayStore
from edge.pipeline import Pipeline, overlay_store


@dataclass(frozen=True, eq=False)
class StatePlace:
    """What a command needs.

    Attributes:
        pipeline: the bundle in use; of a running edge-listen with the labels that it listens for.
        config: its settings.
        at_start: those that it begins with when it is started anew, if they are others.
    """

    pipeline: Pipeline
    config: ListenConfig
    at_start: ListenConfig | None = None

    @property
    def store(self) -> OverlayStore:
        """Where the overlay is kept."""
        return overlay_store()

    @property
    def encoder_sha256(self) -> str:
        """Of the encoder in use, which the overlay is tied to."""
        return self.pipeline.encoder_sha256

    def config_for(self, words: Sequence[str]) -> ListenConfig:
        """The settings with other labels, and of the rules for single labels only these labels'.

        Raises: LabelError if words may mean several labels.
        """
        known = self.pipeline.known_labels
        wanted = {_name(asked, known) for asked in words}
        rules = {
            asked: own for asked, own in self.config.label_rules.items() if _name(asked, known) in wanted
        }
        return replace(self.config, labels=tuple(words), comma_lists=False, label_rules=rules)

    def overlay(self) -> Overlay:
        """As it is now. Raises: BundleError."""
        return self.store.read(self.encoder_sha256)

    def change(self, change: Callable[[Overlay], Overlay]) -> Overlay:
        """Change it, if what is listened for can still be listened for after that.

        Raises: SoundError; then nothing has changed.
        """

        def checked(before: Overlay) -> Overlay:
            after = change(before)
            self.check(after)
            return after

        return self.store.change(self.encoder_sha256, checked)

    def check(self, overlay: Overlay) -> None:
        """Refuse an overlay with which the labels in use can't be had. Raises: SoundError."""
        for config in (self.config, self.at_start):
            if config is not None:
                self.pipeline.listening_for(config, overlay)


def _name(words: str, known: Sequence[LabelEntry]) -> str:
    found = find_label(words, known)
    return fold(words) if found is None else found.name


def text_of(arguments: Mapping[str, object], name: str) -> str:
    """A text among a command's arguments. Raises: ConfigError."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{name} is missing or empty: give it in words")
    return value


def number_of(arguments: Mapping[str, object], name: str) -> float | None:
    """A number among a command's arguments, None if it isn't given. Raises: ConfigError."""
    value = arguments.get(name)
    if value is None:
        return None
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError(f"{name} must be a number")
    return number


def rate_of(arguments: Mapping[str, object], name: str) -> float | None:
    """False alarms an hour among a command's arguments, None if not given. Raises: ConfigError."""
    rate = number_of(arguments, name)
    if rate is not None and rate <= 0:
        raise ConfigError(f"{name} must be above 0")
    return rate


def texts_of(arguments: Mapping[str, object], name: str) -> tuple[str, ...]:
    """A list of texts among a command's arguments; empty if it isn't given. Raises: ConfigError."""
    value = arguments.get(name, [])
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise ConfigError(f"{name} must be a list of texts")
    return tuple(value)
