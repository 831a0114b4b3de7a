"""A place's own sounds, heard for a while → a few prototypes of what isn't to be told there.

No sound is kept, only embeddings; of a long time a fair sample of them, in whole stretches, so that what
would have been told in them can be counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.overlay.content import SiteBackground
from edge.recognizer import WindowReport
from edge.site.clear_scores import clear_scores
from edge.site.prototypes import site_prototypes
from edge.trigger_rule import TriggerRule

__all__ = ["HeardSite", "SiteListener", "clear_scores", "learn"]

STRETCH_WINDOWS = 50
N_STRETCHES = 159
"""With the stretch not full yet, at most 8,000 windows: 8 MB where an embedding has 512 numbers."""
LEAST_S = 30.0
NEARLY = 0.1
"""Windows this close below a threshold get prototypes of their own: it is they that become false alarms."""
MOST_NEARLY, MOST_OTHER = 12, 4


@dataclass
class _Row:
    start_sample: int
    end_sample: int
    embedding: NDArray[np.float16]
    excess: float
    is_clear: bool


@dataclass(frozen=True, eq=False)
class HeardSite:
    """What was heard of a place: n windows in the order they came; some may be missing between.

    Attributes:
        embeddings: (n, embedding_dim) float32, unit L2 norms up to rounding to 16 bits.
        start_sample: (n,) int64.
        end_sample: (n,) int64.
        excess: (n,) float32, how far the best label listened for was above its threshold.
        is_clear: (n,) bool, True for windows that are, or overlap with, a clear match of such a label.
        skipped: label → windows that sound clearly like it, of all that were heard.
        share_kept: how much of what was heard this is, in (0, 1].
        level_dbfs: median level of the windows, those too quiet to be embedded too; -inf for silence.
        hop_s: seconds between windows.
        sample_rate_hz: of the stream.
    """

    embeddings: NDArray[np.float32]
    start_sample: NDArray[np.int64]
    end_sample: NDArray[np.int64]
    excess: NDArray[np.float32]
    is_clear: NDArray[np.bool_]
    skipped: Mapping[str, int]
    share_kept: float
    level_dbfs: float
    hop_s: float
    sample_rate_hz: int


class SiteListener:
    """Collects what a place sounds like, window by window.

    Args:
        rules: of the labels listened for.
        names: whose scores the reports hold, in their order.
        clear_scores: for each label listened for, the score from which on a window is taken for its sound.
        wanted_s: seconds to listen.
        hop_s: seconds between windows.
        sample_rate_hz: of the stream.
    """

    def __init__(
        self,
        rules: Mapping[str, TriggerRule],
        names: Sequence[str],
        clear_scores: Mapping[str, float],
        wanted_s: float,
        hop_s: float,
        sample_rate_hz: int,
    ) -> None:
        self._labels = tuple(rules)
        self._places = np.array([names.index(label) for label in rules], np.intp)
        self._thresholds = np.array([rule.on_threshold for rule in rules.values()])
        self._clear = np.array([clear_scores[label] for label in rules])
        self._wanted_s, self._hop_s, self._sample_rate_hz = wanted_s, hop_s, sample_rate_hz
        self._n_windows = self._n_rows = self._n_stretches = 0
        self._levels: Counter[int] = Counter()
        self._skipped: Counter[str] = Counter()
        self._clear_label, self._clear_until = "", 0
        self._current: list[_Row] = []
        self._before: list[_Row] = []
        self._kept: list[tuple[int, list[_Row]]] = []
        self._rng = np.random.default_rng(0)

    @property
    def heard_s(self) -> float:
        """Seconds listened so far, quiet ones too."""
        return self._n_windows * self._hop_s

    @property
    def is_done(self) -> bool:
        """Whether that is as long as wanted."""
        return self.heard_s >= self._wanted_s

    def saw(self, report: WindowReport) -> None:
        """Take the next window in. One without an embedding counts for the time and the level alone."""
        self._n_windows += 1
        if np.isfinite(report.level_dbfs):
            self._levels[round(report.level_dbfs)] += 1
        if report.embedding is None or report.scores is None:
            return
        own = report.scores[self._places]
        if self._current and report.start_sample < self._current[-1].start_sample:
            self._clear_until = report.start_sample  # the stream began anew
        clear = np.flatnonzero(own >= self._clear)
        if len(clear):
            self._clear_label = self._labels[int(clear[np.argmax((own - self._clear)[clear])])]
            self._clear_until = report.end_sample
            self._mark_overlapping(report.start_sample)
        is_clear = report.start_sample < self._clear_until
        self._skipped[self._clear_label] += is_clear
        excess = float((own - self._thresholds).max(initial=-np.inf))
        embedding = report.embedding.astype(np.float16)
        self._current.append(_Row(report.start_sample, report.end_sample, embedding, excess, is_clear))
        self._n_rows += 1
        if len(self._current) == STRETCH_WINDOWS:
            self._keep_or_drop()

    def _mark_overlapping(self, start_sample: int) -> None:
        """A window that holds the beginning of a clear match isn't background either."""
        for row in reversed([*self._before, *self._current]):
            if row.is_clear or not row.start_sample < start_sample < row.end_sample:
                return
            row.is_clear = True
            self._skipped[self._clear_label] += 1

    def _keep_or_drop(self) -> None:
        """Every stretch is kept with the same probability (Vitter, 1985, algorithm R)."""
        self._n_stretches += 1
        place = len(self._kept)
        if place < N_STRETCHES:
            self._kept.append((self._n_stretches, self._current))
        elif (place := int(self._rng.integers(self._n_stretches))) < N_STRETCHES:
            self._kept[place] = (self._n_stretches, self._current)
        self._before, self._current = self._current, []

    def heard(self) -> HeardSite:
        """What was heard so far. Raises: ConfigError if no window was embedded."""
        rows = [row for _, stretch in sorted(self._kept, key=lambda kept: kept[0]) for row in stretch]
        rows += self._current
        if not rows:
            raise ConfigError(_too_little(0.0))
        return HeardSite(
            embeddings=np.stack([row.embedding for row in rows]).astype(np.float32),
            start_sample=np.array([row.start_sample for row in rows], np.int64),
            end_sample=np.array([row.end_sample for row in rows], np.int64),
            excess=np.array([row.excess for row in rows], np.float32),
            is_clear=np.array([row.is_clear for row in rows]),
            skipped={label: n for label, n in self._skipped.most_common() if n},
            share_kept=len(rows) / self._n_rows,
            level_dbfs=_median(self._levels),
            hop_s=self._hop_s,
            sample_rate_hz=self._sample_rate_hz,
        )


def learn(heard: HeardSite, created: str) -> SiteBackground:
    """Make a few prototypes of it; windows that sound clearly like a label listened for take no part.

    created: now, UTC in RFC 3339.
    Raises: ConfigError if less than LEAST_S seconds of it can be learnt from.
    """
    usable = ~heard.is_clear
    usable_s = float(usable.sum()) * heard.hop_s / heard.share_kept
    if usable_s < LEAST_S:
        raise ConfigError(_too_little(usable_s, heard.skipped))
    is_near = heard.excess >= -NEARLY
    parts = [
        site_prototypes(heard.embeddings[which], most)
        for which, most in ((usable & is_near, MOST_NEARLY), (usable & ~is_near, MOST_OTHER))
        if which.any()
    ]
    return SiteBackground(np.concatenate(parts), created, usable_s, heard.level_dbfs)


def _median(levels: Counter[int]) -> float:
    if not levels:
        return -np.inf
    values = np.array(sorted(levels))
    counts = np.cumsum([levels[value] for value in values])
    return float(values[np.searchsorted(counts, counts[-1] / 2.0)])


def _too_little(usable_s: float, skipped: Mapping[str, int] | None = None) -> str:
    why = f"; {sum(skipped.values())} windows sounded like {', '.join(skipped)}" if skipped else ""
    return (
        f"only {usable_s:.0f} s of this place could be learnt from, and {LEAST_S:.0f} s is the least{why}: "
        "listen longer, or at another time, and see that sound arrives and gate_dbfs isn't above it"
    )
