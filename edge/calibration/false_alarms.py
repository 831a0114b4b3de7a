"""How often a label's rule fires at background, at any threshold; and the threshold for a rate asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.background import Background
from edge.calibration.alarm_levels import alarm_levels, own_and_best_rival, windows_needed
from edge.calibration.rate_interval import clustering, count_interval, interval_elsewhere
from edge.scoring import PrototypeSet
from edge.trigger import TriggerRule

__all__ = ["FalseAlarms", "Rate", "alarm_levels", "false_alarms_of"]

N_ANCHOR = 5
"""Above the level that this many events reach, they are too few to count: the tail is modelled."""
N_BASE = 20
"""How many of the highest events tell how fast the tail falls."""
N_CLUSTERED = 40
"""How many at least tell how clustered events are: of fewer, chance puts some in one recording or none."""


@dataclass(frozen=True)
class Rate:
    """Events an hour, with a 90 % interval for the true rate."""

    per_h: float
    low: float
    high: float


class FalseAlarms:
    """Events of one label by one rule in background, by the threshold that lets them come.

    Where 5 events or more reach a threshold, they are counted; between the levels of two, the logarithm of
    the count is interpolated. Above, the count falls by exp(-excess/scale): peaks over a threshold (Pickands,
    1975; Coles, 2001, ch. 4) with a generalized Pareto tail of shape 0, which is cautious for a score that
    has a highest value. The scale is the mean excess of the 20 highest events over the least of them. Fewer
    than 5 have no tail: above the highest none were seen, which proves a rate below 3/T.

    The interval is that of n events, (Σw)²/Σw² over their clustering, see `rate_interval`. In the tail
    the error of the scale joins in: 1/n = 1/n₅ + L (L + 2 ln(N₂₀/N₅))/n₂₀ at L scales above the 5th event, by
    the independence of exponential spacings (Rényi, 1953). That of `expected` is wider.

    Args:
        levels: (n_events,) the highest on-threshold at which each is one; -inf for none.
        weight: (n_events,) above 0: how many each stands for.
        recording: (n_events,) number of the recording that each is from.
        n_recordings: how many there were, those without an event too.
        duration_s: of all recordings together.
        is_upper_bound: whether a looser rule than the label's was counted.
    """

    def __init__(
        self,
        levels: NDArray[np.float64],
        weight: NDArray[np.float32],
        recording: NDArray[np.intp],
        n_recordings: int,
        duration_s: float,
        *,
        is_upper_bound: bool = False,
    ) -> None:
        self.is_upper_bound = is_upper_bound
        self.hours = duration_s / 3600.0
        is_event = levels > -np.inf
        order = np.argsort(-levels[is_event], kind="stable")
        self._levels = levels[is_event][order]
        self._weight = weight[is_event][order].astype(np.float64)
        self._recording = recording[is_event][order]
        self._n_recordings = n_recordings
        self._total = np.cumsum(self._weight)
        # The last of those at the same level tells how many reach it.
        self._knots = np.flatnonzero(np.diff(self._levels, append=-np.inf))
        self._scale = self._mean_excess()
        if self._scale:
            self._knots = self._knots[self._knots >= N_ANCHOR - 1]

    def _mean_excess(self) -> float:
        """0 where there are too few events to tell, or all are alike."""
        n = min(N_BASE, len(self._levels))
        if n < N_ANCHOR:
            return 0.0
        return float(np.average(self._levels[: n - 1] - self._levels[n - 1], weights=self._weight[: n - 1]))

    def rate(self, threshold: float) -> Rate:
        """At this on-threshold. It falls as that rises."""
        if not len(self._knots):
            return Rate(0.0, 0.0, 3.0 / self.hours)
        top = self._knots[0]
        excess = max(0.0, threshold - float(self._levels[top]))
        if excess and not self._scale:
            return Rate(0.0, 0.0, 3.0 / self.hours)
        if excess:
            scales = excess / self._scale
            n_events = float(self._total[top]) * math.exp(-scales)
            n = 1.0 / self._tail_variance(int(top), scales)
        else:
            at = -self._levels[self._knots]
            n_events = math.exp(np.interp(-threshold, at, np.log(self._total[self._knots])))
            n = self._trusted_count(int(np.count_nonzero(self._levels >= threshold)))
        low, high = count_interval(n)
        per_h = n_events / self.hours
        return Rate(per_h, per_h * low / n, per_h * high / n)

    def expected(self, threshold: float) -> Rate:
        """At this on-threshold in another background of the same kinds, by a wider interval."""
        here = self.rate(threshold)
        return Rate(here.per_h, *interval_elsewhere(here.per_h, here.low, here.high, self.hours))

    def threshold_for(self, per_h: float) -> float:
        """The on-threshold with this rate.

        per_h: above 0.
        Returns: -inf if the rate is below it at any threshold. Of fewer than 5 events, a little above the
            highest, if even that one is too often.
        """
        n_wanted = per_h * self.hours
        if not len(self._knots) or n_wanted > self._total[-1]:
            return -math.inf
        top = self._knots[0]
        if n_wanted >= self._total[top]:
            counts = np.log(self._total[self._knots])
            return float(np.interp(math.log(n_wanted), counts, self._levels[self._knots]))
        highest = float(self._levels[top])
        if not self._scale:
            return math.nextafter(highest, math.inf)
        return highest + self._scale * math.log(float(self._total[top]) / n_wanted)

    def _trusted_count(self, n_highest: int) -> float:
        """How many independent events are as uncertain as the highest so many."""
        weight, n_telling = self._weight[:n_highest], max(n_highest, N_CLUSTERED)
        n_alone = float(weight.sum()) ** 2 / float(np.sum(weight**2))
        return n_alone / clustering(self._weight[:n_telling], self._recording[:n_telling], self._n_recordings)

    def _tail_variance(self, top: int, scales: float) -> float:
        base = min(N_BASE, len(self._levels)) - 1
        fall = math.log(self._total[max(base, top)] / self._total[top])
        of_scale = scales * (scales + 2.0 * fall) / self._trusted_count(base + 1)
        return 1.0 / self._trusted_count(top + 1) + of_scale


def false_alarms_of(
    place: int, prototypes: PrototypeSet, rule: TriggerRule, background: Background
) -> FalseAlarms:
    """Count a label's events in background; a moment is one at most.

    A rule that needs more windows than are kept of every moment is counted as if it needed as many as are: an
    upper bound, since whatever fires by the stricter rule fires by the looser. Only margin, confirm_s and
    within_s are looked at; cooldown and limits of duration could only make fewer events.

    Args:
        place: of the label, among the prototypes' names.
        prototypes: of the encoder that made the background.
        rule: the label's; its on_threshold doesn't matter.
        background: windows of the bundle's or the site's.
    """
    own, best_rival = own_and_best_rival(background.embeddings, place, prototypes, rule)
    n_kept = int(np.bincount(background.moment).min())
    is_loosened = windows_needed(rule, background.hop_s) > n_kept
    if is_loosened:
        rule = replace(rule, confirm_s=n_kept * background.hop_s)
    levels = alarm_levels(own, best_rival, background.moment, background.position, rule, background.hop_s)
    return FalseAlarms(
        levels,
        background.weight,
        background.recording,
        background.n_recordings,
        background.duration_s,
        is_upper_bound=is_loosened,
    )
