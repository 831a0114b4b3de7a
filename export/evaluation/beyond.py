"""The variants judged beside the paper's method, each with what was chosen for it on other data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.evaluation.intervals import Interval, source_bootstrap
from export.evaluation.judging import Judged, Prepared, judge
from export.evaluation.methods import Vectors, proto
from export.evaluation.metrics import per_class, per_clip, point
from export.evaluation.texts import DEFAULT, TABLE_2, Sentences, class_texts
from export.evaluation.variants import Variant, disagreeing, variants
from export.progress import progress

Verdict = Literal["wins", "loses", "no difference shown", "not chosen elsewhere"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A data set with what its classes are called to the methods.

    Attributes:
        prepared: the data set.
        texts: (n_classes, dim) by the paper's prompt.
        several: (n_classes, dim) averaged over its five prompts; None if sentences are missing.
    """

    prepared: Prepared
    texts: Vectors
    several: Vectors | None

    @classmethod
    def of(cls, prepared: Prepared, sentences: Sentences) -> Candidate:
        """With the texts that there are sentences for; those of the paper's prompt must be there."""
        classes = prepared.dataset.classes
        wanted = {prompt.sentence(name) for prompt in TABLE_2 for name in classes}
        several = class_texts(classes, TABLE_2, sentences) if wanted <= set(sentences) else None
        return cls(prepared, class_texts(classes, [DEFAULT], sentences), several)

    @property
    def multi_label(self) -> bool:
        """Whether its clips may have several classes."""
        return self.prepared.dataset.multi_label

    def judge(self, variant: Variant, value: float) -> Judged | None:
        """Run a variant; None if it needs texts that there are none of."""
        texts = self.several if variant.needs_several_prompts else self.texts
        return None if texts is None else judge(self.prepared, variant.make(value), texts)


@dataclass(frozen=True)
class VariantRow:
    """A variant on one data set.

    Attributes:
        variant: its name.
        setting: what was chosen, in words.
        figure: its accuracy, or per-clip AP if multi-label.
        ahead: that less Proto's on the same clips.
        verdict: "wins" and "loses" only if the interval is clear of 0 and the choice was made elsewhere.
    """

    variant: str
    setting: str
    figure: float
    ahead: Interval
    verdict: Verdict


def variant_rows(candidates: Mapping[str, Candidate], k: int, seed: int) -> dict[str, list[VariantRow]]:
    """Every variant on every data set.

    Raises: ConfigError if k is larger than a pool.
    """
    families = variants(k, seed)
    baseline = {
        name: per_clip(judge(c.prepared, proto(k), c.texts), multi_label=c.multi_label)
        for name, c in candidates.items()
    }
    wanted = [
        (name, variant, value) for name in candidates for variant in families for value in variant.values
    ]
    results = {
        (name, variant.name, value): judged
        for name, variant, value in progress(wanted, desc="judging variants", unit=" runs")
        for judged in [candidates[name].judge(variant, value)]
        if judged is not None
    }
    rows: dict[str, list[VariantRow]] = {}
    for name, candidate in candidates.items():
        rows[name] = []
        for variant in families:
            others = [other for other in candidates if other != name]
            value = _chosen(variant, others, candidates, results)
            judged = results.get((name, variant.name, value))
            if judged is None:
                continue
            difference = per_clip(judged, multi_label=candidate.multi_label) - baseline[name]
            ahead = source_bootstrap(difference, judged.sources.tolist())
            chosen = bool(others) or len(variant.values) == 1
            rows[name].append(
                VariantRow(
                    variant.name,
                    f"{variant.setting} {value:g}",
                    point(judged, multi_label=candidate.multi_label),
                    ahead,
                    _verdict(ahead, chosen=chosen),
                )
            )
    return rows


@dataclass(frozen=True)
class Refusal:
    """What refusing labels whose neighbours disagree would do on a data set.

    Attributes:
        refused: names of the classes that the product would warn of.
        n_classes: of the data set.
        kept_figure: mean of the classes' figures over those kept; nan if there are none.
        refused_figure: over those refused; nan if there are none.
    """

    refused: tuple[str, ...]
    n_classes: int
    kept_figure: float
    refused_figure: float


def refusal(candidate: Candidate, k: int) -> Refusal:
    """Whether classes that bear the product's note are told worse than the others.

    The note is that of the first split's pool.
    """
    prepared = candidate.prepared
    pool, _ = next(part for part in map(prepared.parts, prepared.dataset.splits) if len(part[1]))
    noted = disagreeing(candidate.texts, prepared.vectors[pool], k)
    figures = per_class(judge(prepared, proto(k), candidate.texts), multi_label=candidate.multi_label)
    is_noted = np.isin(np.arange(len(figures)), list(noted))
    classes = prepared.dataset.classes
    return Refusal(
        tuple(classes[index] for index in sorted(noted)),
        len(classes),
        _mean(figures[~is_noted & np.isfinite(figures)]),
        _mean(figures[is_noted & np.isfinite(figures)]),
    )


def _chosen(
    variant: Variant,
    others: Sequence[str],
    candidates: Mapping[str, Candidate],
    results: Mapping[tuple[str, str, float], Judged],
) -> float:
    """The value that does best on the other data sets; the first if there are none."""

    def mean(value: float) -> float:
        figures = [
            point(
                results[other, variant.name, value],
                multi_label=candidates[other].prepared.dataset.multi_label,
            )
            for other in others
            if (other, variant.name, value) in results
        ]
        return _mean(np.array(figures)) if figures else -np.inf

    return max(variant.values, key=mean)


def _verdict(ahead: Interval, *, chosen: bool) -> Verdict:
    if not chosen:
        return "not chosen elsewhere"
    if ahead.low > 0:
        return "wins"
    return "loses" if ahead.high < 0 else "no difference shown"


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
