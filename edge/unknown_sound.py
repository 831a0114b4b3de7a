"""Any loud unknown sound: well above the place's usual level, and like no label and no background."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.stream_time import whole_samples
from edge.trigger import Trigger
from edge.trigger_rule import TriggerRule
from edge.types import Scores, SoundEvent

UNKNOWN_SOUND = "unknown sound"
"""The label of its events."""
FIRST_S = 10.0
UP_DB_PER_S, DOWN_DB_PER_S = 0.1, 0.3
"""The usual level rises by this while windows are above it and falls by that while they are below: it settles
where a quarter of the windows are below it. A fan switched on for good becomes usual within some minutes."""
LOWEST_DBFS = -80.0
"""No place is taken to be quieter: below lies a microphone's own noise, or digital silence."""
OFF_MARGIN = 0.1


@dataclass(frozen=True)
class UnknownSettings:
    """What counts as one.

    Attributes:
        above_db: how far a window's level must be above the usual one.
        label_slack: how far a window's cosine must stay below each label's threshold. What is just below may
            well be the label's sound, faint or among others.
        background_below: cosine in [-1, 1] that it must stay below with every background, and with labels
            whose threshold is higher. Backgrounds' cosines are higher than labels': sounds of no kind that
            the built-in bundle knows reach 0.3 to 0.9 with them, generated speech, music, noise and hum that
            it never heard mostly more than 0.8.
        confirm_s: as `edge.trigger_rule.TriggerRule`'s, like the next three. Windows that hold but the edge
            of a sound are strange even if it is known, so it takes more of them than of a label's.
        within_s: likewise.
        release_s: likewise.
        cooldown_s: likewise.
    """

    above_db: float = 15.0
    label_slack: float = 0.05
    background_below: float = 0.8
    confirm_s: float = 1.92
    within_s: float = 2.4
    release_s: float = 1.5
    cooldown_s: float = 10.0

    def __post_init__(self) -> None:
        """Raises: ConfigError, naming the setting that is out of range."""
        if not (math.isfinite(self.above_db) and self.above_db >= 0):
            raise ConfigError(f"above_db must be 0 dB or more, not {self.above_db!r}")
        if not 0 <= self.label_slack <= 2:
            raise ConfigError(f"label_slack must be within 0 and 2, not {self.label_slack!r}")
        if not 0 <= self.background_below <= 1:
            raise ConfigError(f"background_below must be within 0 and 1, not {self.background_below!r}")


def unknown_sentence(settings: UnknownSettings) -> str:
    """What counts as one, for a person."""
    return (
        f"{UNKNOWN_SOUND}: told when a sound is {settings.above_db:g} dB above the usual level here and like "
        f"no label and no background, for {settings.confirm_s:g} s within {settings.within_s:g} s; "
        f"{settings.cooldown_s:g} s without another"
    )


class UnknownSounds:
    """Tells of them, window by window, beside the labels' triggers.

    An event's score is 1 less the window's best cosine, so the stranger the higher, in [0, 2]; its threshold
    is 1 less `background_below`. While the usual level is being found, which takes 10 s where the site's
    isn't known, nothing is told.

    By the settings' defaults and the built-in bundle, in a quiet room, it tells half of generated sounds of
    no kind that the bundle knows, 8 % of clips of what it has labels for, and 4 to 8 % of generated speech,
    music, noise and hum.

    Args:
        names: whose scores the windows bring, in their order: labels listened for or not, and backgrounds.
        thresholds: label → the score from which on a window is taken for it; names without are backgrounds.
        settings: what counts as one.
        window_hop: samples between windows.
        sample_rate_hz: of the stream.
        numbers: gives each event its number; shared with the stream's triggers.
        site_level_dbfs: the usual level, if it was learned.

    Raises:
        ConfigError: if a duration isn't a whole number of samples.
    """

    def __init__(
        self,
        names: Sequence[str],
        thresholds: Mapping[str, float],
        settings: UnknownSettings,
        window_hop: int,
        sample_rate_hz: int,
        numbers: Iterator[int],
        site_level_dbfs: float | None = None,
    ) -> None:
        self._settings = settings
        rule = TriggerRule(
            on_threshold=1.0 - settings.background_below,
            off_threshold=1.0 - settings.background_below - OFF_MARGIN,
            margin=0.0,
            rivals="none",
            confirm_s=settings.confirm_s,
            within_s=settings.within_s,
            release_s=settings.release_s,
            cooldown_s=settings.cooldown_s,
        )
        self._trigger = Trigger(UNKNOWN_SOUND, rule, window_hop, sample_rate_hz, numbers)
        first = whole_samples(FIRST_S, sample_rate_hz, "the time to find the usual level")
        self._level = _UsualLevel(window_hop / sample_rate_hz, math.ceil(first / window_hop), site_level_dbfs)
        self._site_level_dbfs = site_level_dbfs
        self.compare_with(names, thresholds)

    def learned(self, site_level_dbfs: float | None) -> None:
        """Take the usual level as it was learned, if that is news."""
        if site_level_dbfs is not None and site_level_dbfs != self._site_level_dbfs:
            self._level.dbfs = max(site_level_dbfs, LOWEST_DBFS)
        self._site_level_dbfs = site_level_dbfs

    def compare_with(self, names: Sequence[str], thresholds: Mapping[str, float]) -> None:
        """Take scores of other names from now on; the usual level and an open event stay."""
        slack, of_background = self._settings.label_slack, self._settings.background_below + OFF_MARGIN
        limits = [thresholds[name] - slack if name in thresholds else of_background for name in names]
        self._matches: NDArray[np.float64] = np.array(limits)

    @property
    def usual_dbfs(self) -> float | None:
        """The level that windows are held against; None while it is being found."""
        return self._level.dbfs

    def step(
        self,
        start_sample: int,
        end_sample: int,
        level_dbfs: float,
        scores: Scores | None,
        *,
        n_hops: int = 1,
        is_all: bool = False,
    ) -> SoundEvent | None:
        """Take the next window.

        Args:
            start_sample: position of its first sample.
            end_sample: position just behind its last.
            level_dbfs: of its loudest stretch; nan if it has none.
            scores: (n_names,) float32 cosine; None if it wasn't embedded.
            n_hops: how many hops after the window before it stands.
            is_all: whether there is no more of the stream than this window.

        Returns: the event that begins or ends with this window, if one does.
        """
        usual_dbfs = self._level.dbfs
        self._level.follow(level_dbfs, n_hops)
        strangeness = None
        if scores is not None and usual_dbfs is not None:
            is_loud = level_dbfs - usual_dbfs >= self._settings.above_db
            if is_loud and not np.any(scores >= self._matches):
                strangeness = 1.0 - float(scores.max())
        return self._trigger.step(
            start_sample, end_sample, strangeness, -math.inf, n_hops=n_hops, is_all=is_all
        )

    def close(self, end_sample: int) -> list[SoundEvent]:
        """End the stream, or a stretch of it before a gap, as `Trigger.close` does. The usual level stays."""
        return self._trigger.close(end_sample)


class _UsualLevel:
    """Follows a quantile of the windows' levels: a stochastic approximation (Robbins & Monro, 1951)."""

    def __init__(self, hop_s: float, n_first: int, dbfs: float | None) -> None:
        self._hop_s = hop_s
        self._n_first = n_first
        self._first: list[float] = []
        self.dbfs = None if dbfs is None else max(dbfs, LOWEST_DBFS)

    def follow(self, level_dbfs: float, n_hops: int) -> None:
        if math.isnan(level_dbfs):
            return
        level_dbfs = max(level_dbfs, LOWEST_DBFS)
        if self.dbfs is None:
            self._first.append(level_dbfs)
            if len(self._first) >= self._n_first:
                self.dbfs = float(np.median(self._first))
                self._first.clear()
        elif level_dbfs > self.dbfs:
            self.dbfs = min(level_dbfs, self.dbfs + UP_DB_PER_S * self._hop_s * n_hops)
        else:
            self.dbfs = max(level_dbfs, self.dbfs - DOWN_DB_PER_S * self._hop_s * n_hops)
