"""How far a count of rare events can be trusted."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.90
_Z = 1.6448536269514722
"""The normal quantile that 5 % lie above: an interval of 90 % leaves that much on either side."""


BETWEEN_BACKGROUNDS = 0.9
"""Standard deviation of the logarithm of a label's rate between backgrounds with other voices and
instruments, beyond what counting leaves: measured between halves of the calibration's own background by
benchmarks/calibration_spread.py."""
_NONE_YET = 0.69
"""Events that are as likely exceeded as not where none was seen: exp(-0.69) is a half."""


def interval_elsewhere(per_h: float, low: float, high: float, hours: float) -> tuple[float, float]:
    """The 90 % interval of the rate in another background of the same kinds, from that in this one.

    Both uncertainties are taken as normal in the logarithm, and independent.

    per_h, low, high: the rate and its interval here, events an hour; hours: of which they come.
    """
    spread = _Z * BETWEEN_BACKGROUNDS
    if per_h <= 0.0:
        per_h, low = _NONE_YET / hours, 0.0
    below = math.exp(-math.hypot(math.log(per_h / low), spread)) if low > 0.0 else 0.0
    return per_h * below, per_h * math.exp(math.hypot(math.log(high / per_h), spread))


def count_interval(n: float) -> tuple[float, float]:
    """The 90 % interval of a Poisson mean of which `n` events were counted.

    The limits are chi-square quantiles (Garwood, 1936): of 2n degrees of freedom, halved, and of 2n + 2.
    Wilson & Hilferty (1931) give that of k degrees as k (1 - 2/(9k) + z √(2/(9k)))³: no scipy is
    needed. The upper is within 1 %; the lower within 3 % from 2 events on, and too low below.

    n: 0 or above; need not be whole, since events that come in clusters count less than they are.
    Returns: low and high, in events; of no event, 0 and 3 (the rule of three).
    """
    if n <= 0.0:
        return 0.0, 3.0
    return _half_chi_square(n, -_Z), _half_chi_square(n + 1.0, _Z)


def _half_chi_square(n: float, z: float) -> float:
    root = 1.0 - 1.0 / (9.0 * n) + z / (3.0 * math.sqrt(n))
    return n * max(0.0, root) ** 3


def clustering(weight: NDArray[np.float64], recording: NDArray[np.intp], n_recordings: int) -> float:
    """How many times the variance of these events' number is that of independent ones, Σw² (Kish, 1965).

    It is told from the numbers in single recordings: a voice or an instrument that raises an alarm does so
    again. Where all weigh 1, it is the variance of these numbers over their mean.

    Args:
        weight: (n,) above 0, how many events each stands for; n ≥ 1.
        recording: (n,) number of the recording that each is from.
        n_recordings: how many there were, those without an event too.

    Returns: 1 or above.
    """
    of_recording = np.bincount(recording, weight, n_recordings)
    return max(1.0, n_recordings * float(of_recording.var()) / float(np.sum(weight**2)))
