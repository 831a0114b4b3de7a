"""What a site's background brings and costs: told before it is taken, and refused where it costs too much.

It costs recordings of the labels' own sounds, which the bundle has: those told without it and no longer with
it. It brings events fewer in what was heard of the place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.background import Background
from edge.errors import ConfigError
from edge.overlay.content import SiteBackground
from edge.scoring import PrototypeSet
from edge.site.clear_scores import clear_scores
from edge.site.cost import LabelMembers, label_members, left_within_cost
from edge.site.events import events_by_label
from edge.site.listening import HeardSite
from edge.site.prototypes import away_from_labels, with_site
from edge.trigger_rule import TriggerRule

MAX_COST = 0.02


@dataclass(frozen=True)
class LabelEffect:
    """What it does to one label listened for.

    Attributes:
        label: its name.
        n_recordings: of its own sound, in the bundle; 0 if there are none.
        found_before: how many of those its rule tells without the site's background.
        found_after: and with it.
        events_before: told in what was heard, but for what sounded clearly like a label.
        events_after: and with the site's background.
    """

    label: str
    n_recordings: int
    found_before: int
    found_after: int
    events_before: int
    events_after: int


@dataclass(frozen=True, eq=False)
class SiteEffect:
    """What it does to all.

    Attributes:
        site: what is left of it.
        labels: each label's, in the order of the rules.
        left_out: label → how many prototypes were left out because of it.
        skipped: label → windows that sounded clearly like it and weren't learnt from.
        counted_s: seconds of what was heard that the events were counted in.
    """

    site: SiteBackground
    labels: tuple[LabelEffect, ...]
    left_out: Mapping[str, int]
    skipped: Mapping[str, int]
    counted_s: float


def site_effect(
    rules: Mapping[str, TriggerRule],
    prototypes: PrototypeSet,
    background: Background | None,
    site: SiteBackground,
    heard: HeardSite,
    max_cost: float = MAX_COST,
) -> SiteEffect:
    """Judge a site's background, turned away from the labels; leave out what would still make one deaf.

    A label without recordings is judged by its prototypes: none of the site's may be as like one of them as
    a window that is clearly the label's sound.

    Args:
        rules: of the labels listened for.
        prototypes: of labels and backgrounds, the bundle's first and without a site's.
        background: the bundle's, with recordings of its labels' sounds; or None.
        site: as learnt.
        heard: what it was learnt from.
        max_cost: share of the recordings found without the site that may be lost, all labels together. A
            single label may lose `edge.site.cost.MAX_LABEL_COST` of its own, or one where that is more.

    Raises: ConfigError if no prototype may stay.
    """
    members = (
        [] if background is None else [label_members(n, r, prototypes, background) for n, r in rules.items()]
    )
    members = [m for m in members if m.n_recordings]
    unmeasured = {label: rule for label, rule in rules.items() if label not in {m.label for m in members}}
    like = _likest(site.vectors, prototypes, unmeasured)
    turned = away_from_labels(site.vectors, _vectors_of(prototypes, list(rules)))
    vectors = turned[[label is None for label in like]]
    kept, blamed = left_within_cost(members, vectors, max_cost)
    if not len(kept):
        raise ConfigError(_refusal(members, turned, [label for label in like if label is not None]))
    left = replace(site, vectors=vectors[kept])
    found = {m.label: (m.n_recordings, m.n_found(), m.n_found(left.vectors)) for m in members}
    before = events_by_label(rules, prototypes, heard)
    after = events_by_label(rules, with_site(prototypes, left), heard)
    return SiteEffect(
        site=left,
        labels=tuple(LabelEffect(n, *found.get(n, (0, 0, 0)), before[n], after[n]) for n in rules),
        left_out=dict(Counter([*blamed, *(label for label in like if label is not None)])),
        skipped=heard.skipped,
        counted_s=len(heard.embeddings) * heard.hop_s,
    )


def _likest(
    vectors: NDArray[np.float32], prototypes: PrototypeSet, rules: Mapping[str, TriggerRule]
) -> list[str | None]:
    """For each of the site's prototypes, the label that it is clearly like, or None."""
    like: list[str | None] = [None] * len(vectors)
    for label, clear in clear_scores(prototypes, None, rules).items():
        own = _vectors_of(prototypes, [label])
        for place in np.flatnonzero((vectors @ own.T).max(axis=1) >= clear):
            like[place] = label
    return like


def _vectors_of(prototypes: PrototypeSet, labels: list[str]) -> NDArray[np.float32]:
    places = [prototypes.names.index(label) for label in labels]
    return prototypes.vectors[np.isin(prototypes.owners, places)]


def _refusal(members: list[LabelMembers], vectors: NDArray[np.float32], like: list[str]) -> str:
    costs = {m.label: (m.n_found(), m.n_found(vectors)) for m in members}
    worst = sorted((a - b, n) for n, (b, a) in costs.items() if a < b)[:3]
    told = [f"{n} ({costs[n][1]} of {costs[n][0]} recordings still told)" for _, n in worst]
    told += [f"{label} (sounds like it)" for label in dict.fromkeys(like)]
    return (
        f"nothing was learnt, since all that was heard here would make deaf to {', '.join(told)}: "
        "learn while these don't sound, or allow more with --max-cost"
    )


def effect_lines(effect: SiteEffect) -> list[str]:
    """What a person is told of it, a line each."""
    labels, site = effect.labels, effect.site
    measured = [label for label in labels if label.n_recordings]
    found = f"{sum(n.found_before for n in measured)} before, {sum(n.found_after for n in measured)} after"
    n_recordings = sum(label.n_recordings for label in measured)
    n_before, n_after = sum(n.events_before for n in labels), sum(n.events_after for n in labels)
    learnt = f"learnt {_count(len(site.vectors), 'prototype')} from {site.heard_s / 60.0:.0f} min heard here"
    lines = [
        f"{learnt}, usual level {site.level_dbfs:.0f} dBFS",
        f"events in {effect.counted_s / 60.0:.0f} min: {n_before} before, {n_after} after",
        *(
            f"  {n.label}: {n.events_before} before, {n.events_after} after"
            for n in sorted(labels, key=lambda n: -n.events_before)[:5]
            if n.events_before
        ),
    ]
    if measured:
        lines.append(f"of {n_recordings} recordings of the sounds listened for, found {found}")
    lines += [
        f"  {n.label}: of {n.n_recordings}, found {n.found_before} before, {n.found_after} after"
        for n in measured
        if n.found_after < n.found_before
    ]
    unmeasured = [label.label for label in labels if not label.n_recordings]
    if unmeasured:
        lines.append(f"no recordings to measure this with: {', '.join(unmeasured)}; checked by likeness only")
    lines += [
        f"left out {_count(n, 'prototype')} that would have cost {label} too much"
        for label, n in effect.left_out.items()
    ]
    return lines + [
        f"skipped {_count(n, 'window')} that {'sounds' if n == 1 else 'sound'} like {label}"
        for label, n in effect.skipped.items()
    ]


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
