"""What a microphone delivered in a test: how loud, how fast, with what faults, and what to do about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edge.config import ListenConfig
from edge.recognizer import LEVEL_STRETCH_S
from edge.signal_check import CLIPPED_SHARE, FULL_SCALE, check
from edge.types import AudioBlock, Samples

WINDOW_S = 1.0
"""Faults are sought in stretches of this length, as the recognizer seeks them in its windows."""
NOTABLE_CLIPPED_SHARE = 0.001
"""More of the samples at full scale than this costs accuracy before it is a fault."""
LEAST_RATE_S = 2.0
"""Shorter recordings say too little of the rate: sound comes in pieces of 0.05 s and more."""
RATE_TOLERANCE = 0.05
QUIET_DBFS = ListenConfig().gate_dbfs
"""Windows below it are passed over unless the configuration says otherwise."""

Problem = Literal["no sound", "not numbers", "silent", "constant", "clipped"]

REMEDIES: dict[Problem, str] = {
    "no sound": "plug it in anew, close other programs that use it, or choose another (edge-listen devices)",
    "not numbers": "its driver is at fault: try another USB port, or another microphone",
    "silent": "is it muted, or the wrong one? Unmute it (alsamixer, F4; or pavucontrol), look for a switch "
    "on it, or choose another (edge-listen devices)",
    "constant": "is anything plugged into this input? Choose another (edge-listen devices)",
    "clipped": "turn down the gain of the input (alsamixer, F4), or its automatic gain off",
}


@dataclass(frozen=True)
class DeviceReport:
    """What came in a test.

    Attributes:
        recorded_s: seconds of sound that came.
        level_dbfs: RMS of the loudest 0.1 s, about the mean, in dB re full scale; -inf for silence or none,
            nan if there are samples that aren't numbers.
        mean_level_dbfs: RMS of all, likewise.
        peak: the largest magnitude, 1 at full scale.
        clipped_share: of the samples, those at full scale; 0 to 1.
        dc_offset: mean of all samples, in full scales.
        lost_s: seconds of sound lost.
        rate_hz: samples that came in a second of wall time; None if too few came to tell.
        nominal_rate_hz: as many as should.
        problem: why it cannot be used, or None.
    """

    recorded_s: float
    level_dbfs: float
    mean_level_dbfs: float
    peak: float
    clipped_share: float
    dc_offset: float
    lost_s: float
    rate_hz: float | None
    nominal_rate_hz: int
    problem: Problem | None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should mend although it can be used, each with what to do."""
        if self.problem is not None:
            return ()
        found = []
        if self.level_dbfs < QUIET_DBFS:
            found.append(
                f"very quiet, below {QUIET_DBFS:g} dBFS, where nothing is listened to by default: make some "
                "noise and test again; if it stays so, raise the gain (alsamixer, F4)"
            )
        if self.clipped_share > NOTABLE_CLIPPED_SHARE:
            found.append("clipped at times: turn down the gain (alsamixer, F4)")
        if self.lost_s > 0:
            found.append("sound was lost: is this machine too busy, or its USB port shared?")
        if self.rate_hz is not None and abs(self.rate_hz / self.nominal_rate_hz - 1) > RATE_TOLERANCE:
            found.append(
                f"it delivers {self.rate_hz:.0f} samples a second and says {self.nominal_rate_hz}, so that "
                "sounds have a wrong pitch: try another USB port or sound server"
            )
        return tuple(found)

    @property
    def verdict(self) -> str:
        """All of it in a sentence or two, for a person."""
        if self.problem is not None:
            what = {"silent": "digital silence", "constant": "a constant level instead of sound"}
            return f"not usable, {what.get(self.problem, self.problem)}: {REMEDIES[self.problem]}"
        return "; ".join(("usable", *self.remarks))


@dataclass
class DeviceTest:
    """Takes blocks as they come, and keeps no more than `WINDOW_S` of them.

    Attributes:
        sample_rate_hz: the device's own, so that its clipping shows as it is.
    """

    sample_rate_hz: int
    _pieces: list[Samples] = field(default_factory=list)
    _n_pending: int = 0
    _n_samples: int = 0
    _n_after_first: int = 0
    _first_s: float | None = None
    _last_s: float = 0.0
    _levels: list[float] = field(default_factory=list)
    _faults: set[str | None] = field(default_factory=set)
    _peak: float = 0.0
    _n_clipped: int = 0
    _sum: float = 0.0
    _sum_of_squares: float = 0.0

    @property
    def recorded_s(self) -> float:
        """Seconds of sound so far."""
        return self._n_samples / self.sample_rate_hz

    def add(self, block: AudioBlock, arrived_s: float) -> None:
        """Take a block.

        arrived_s: when it came, by a clock that only runs forward.
        """
        if self._first_s is None:
            self._first_s = arrived_s
        else:
            # What came with the first block was recorded before the clock began to run.
            self._n_after_first += len(block.samples)
        self._last_s = arrived_s
        self._n_samples += len(block.samples)
        self._pieces.append(block.samples)
        self._n_pending += len(block.samples)
        if self._n_pending >= WINDOW_S * self.sample_rate_hz:
            self._measure()

    def report(self, lost_samples: int = 0) -> DeviceReport:
        """What came so far. lost_samples: at the same rate."""
        if self._n_pending:
            self._measure()
        n = max(1, self._n_samples)
        mean = self._sum / n
        power = self._sum_of_squares / n - mean * mean
        problem = self._problem()
        numbers = problem != "not numbers"
        return DeviceReport(
            recorded_s=self.recorded_s,
            level_dbfs=max(self._levels, default=-math.inf) if numbers else math.nan,
            mean_level_dbfs=decibels(math.sqrt(max(power, 0.0))) if numbers else math.nan,
            peak=self._peak,
            clipped_share=self._n_clipped / n,
            dc_offset=mean,
            lost_s=lost_samples / self.sample_rate_hz,
            rate_hz=self._rate_hz(lost_samples),
            nominal_rate_hz=self.sample_rate_hz,
            problem=problem,
        )

    def _measure(self) -> None:
        samples = np.concatenate(self._pieces)
        self._pieces, self._n_pending = [], 0
        found = check(samples, round(LEVEL_STRETCH_S * self.sample_rate_hz))
        self._levels.append(found.level_dbfs)
        self._faults.add(found.fault)
        self._peak = max(found.peak, self._peak)  # in this order, so that a nan stays
        self._n_clipped += int(np.count_nonzero(np.abs(samples) >= FULL_SCALE))
        self._sum += float(samples.sum(dtype=np.float64))
        self._sum_of_squares += float(np.square(samples, dtype=np.float64).sum())

    def _rate_hz(self, lost_samples: int) -> float | None:
        elapsed_s = 0.0 if self._first_s is None else self._last_s - self._first_s
        return (self._n_after_first + lost_samples) / elapsed_s if elapsed_s >= LEAST_RATE_S else None

    def _problem(self) -> Problem | None:
        if not self._n_samples:
            return "no sound"
        if "nonfinite" in self._faults:
            return "not numbers"
        if self._faults == {"silent"}:
            return "silent"
        if self._faults <= {"silent", "dc"}:
            return "constant"
        return "clipped" if self._n_clipped > CLIPPED_SHARE * self._n_samples else None


def decibels(magnitude: float) -> float:
    """A magnitude in dB re full scale, -inf for 0."""
    return 20.0 * math.log10(magnitude) if magnitude > 0 else -math.inf
