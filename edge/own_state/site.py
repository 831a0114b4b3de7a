"""Requests to take what was heard of the site as background, or to forget it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone

from edge.errors import ConfigError
from edge.own_state.place import StatePlace, number_of
from edge.requests import Answer
from edge.site.effect import effect_lines, site_effect
from edge.site.listening import HeardSite, learn
from edge.times import rfc3339

DEFAULT_MAX_COST = 0.02
"""Share of the listened-for labels' own sounds that may be lost."""


def learn_site(arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """Make a few prototypes of what was heard, unless that makes a label deaf.

    arguments: heard, a HeardSite, which only this process can hand over; max_cost, a share.
    Raises: ConfigError if too little was heard or it would cost too much; then nothing has changed.
    """
    heard = arguments.get("heard")
    if not isinstance(heard, HeardSite):
        raise ConfigError("learn-site needs what was heard: ask for learn-background instead")
    max_cost = number_of(arguments, "max_cost")
    pipeline, overlay = place.pipeline, place.overlay()
    known = pipeline.listening_for(place.config, replace(overlay, site=None))
    effect = site_effect(
        known.rules,
        known.prototypes,
        pipeline.bundle.background,
        learn(heard, rfc3339(datetime.now(timezone.utc))),
        heard,
        max_cost=DEFAULT_MAX_COST if max_cost is None else max_cost,
    )
    place.change(lambda before: replace(before, site=effect.site))
    return {"lines": effect_lines(effect), "n_prototypes": len(effect.site.vectors)}


def forget_site(_arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """Go back to the bundle's own backgrounds. Raises: ConfigError if none was learned."""
    if place.overlay().site is None:
        raise ConfigError("no background was learned here: there is nothing to forget")
    place.change(lambda before: replace(before, site=None))
    return {"lines": ["the learned background is forgotten"]}
