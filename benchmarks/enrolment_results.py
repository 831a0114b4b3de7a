"""What benchmarks/enrolment.py found, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from export.evaluation.intervals import rate_interval, share_interval, source_bootstrap


@dataclass
class Results:
    """Of one class."""

    found: dict[str, list[bool]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    alarms: list[int] = field(default_factory=list)
    by_kind: Counter[str] = field(default_factory=Counter)
    expected: list[float] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    others: list[bool] = field(default_factory=list)
    complained: list[bool] = field(default_factory=list)
    named: list[bool] = field(default_factory=list)


def table(results: Mapping[str, Results], hours: float) -> Iterator[str]:
    """Lines of Markdown."""
    yield (
        "| class | threshold | recall (95 %) | false alarms/h (95 %) | worst enrolment | expected/h "
        "| others told | right ones complained of | wrong one named |"
    )
    yield "|-|-|-|-|-|-|-|-|-|"
    for name, of_class in results.items():
        names = sorted(of_class.found)
        shares: NDArray[np.float64] = np.array([np.mean(of_class.found[clip]) for clip in names])
        recall = source_bootstrap(shares, [of_class.sources[clip] for clip in names])
        alarms = rate_interval(sum(of_class.alarms), hours * len(of_class.alarms))
        yield (
            f"| {name} | {min(of_class.thresholds):.2f} to {max(of_class.thresholds):.2f} "
            f"| {recall.value:.2f} ({recall.low:.2f} to {recall.high:.2f}) "
            f"| {alarms.value:.2f} ({alarms.low:.2f} to {alarms.high:.2f}) "
            f"| {max(of_class.alarms) / hours:.1f}/h | {np.median(of_class.expected):.2f} "
            f"| {share(of_class.others)} | {share(of_class.complained)} | {share(of_class.named)} |"
        )


def kinds_table(results: Mapping[str, Results], hours_a_kind: float) -> Iterator[str]:
    """Lines of Markdown: false alarms an hour of each kind of background."""
    kinds = next(iter(results.values())).by_kind
    yield f"| false alarms/h of | {' | '.join(kinds)} |"
    yield "|-|" + "-|" * len(kinds)
    for name, of_class in results.items():
        hours = hours_a_kind * len(of_class.alarms)
        yield f"| {name} | " + " | ".join(f"{n / hours:.2f}" for n in of_class.by_kind.values()) + " |"


def share(hits: Sequence[bool]) -> str:
    """A share with its interval."""
    found = share_interval(sum(hits), len(hits))
    return f"{sum(hits)} of {len(hits)} ({found.low:.2f} to {found.high:.2f})"
