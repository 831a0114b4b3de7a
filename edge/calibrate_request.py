"""Request to set labels' thresholds by how many false alarms may come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edge.calibration import expectation
from edge.calibration_table import calibration_lines, expectation_json
from edge.errors import BundleError, ConfigError
from edge.labels import fold, resolve_labels
from edge.overlay import Overlay
from edge.requests import Answer
from edge.state_place import StatePlace, number_of, texts_of

DEFAULT_PER_H = 0.5


def calibrate(arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """Find each label's threshold, and keep the rates that were asked for.

    arguments: labels, names (none: those listened for); per_h, false alarms an hour for all; rates, the same
        for single labels; keep: switch, without it nothing is kept; reset: switch, forgets the rates kept.
    Raises: ConfigError, LabelError, BundleError; then nothing has changed.
    """
    words = texts_of(arguments, "labels") or tuple(place.pipeline.rules)
    if not words:
        raise ConfigError('say which labels, such as: edge-listen calibrate --labels "dog bark,siren"')
    config = place.config_for(words)
    if arguments.get("reset"):
        return _reset(place, place.pipeline.listening_for(config).rules)
    background = place.pipeline.bundle.background
    if background is None:
        raise BundleError(
            f"{place.pipeline.bundle.directory} has no background to count false alarms in: add one with "
            "edge-export background"
        )
    plain = replace(config, label_rules={}, rules=replace(config.rules, threshold=None, false_alarms=None))
    bare = place.pipeline.listening_for(plain, replace(place.overlay(), false_alarms={}))
    now = place.pipeline.listening_for(config)
    rates = _rates(arguments, place, tuple(now.rules))
    rows = []
    for name, rule in now.rules.items():
        index = now.prototypes.names.index(name)
        rows.append(
            expectation(
                index,
                rule,
                now.prototypes,
                background,
                rates[name],
                bare.rules[name].on_threshold,
                place.pipeline.bundle.manifest.rules,
            )
        )
    if arguments.get("keep"):
        place.change(lambda before: replace(before, false_alarms={**before.false_alarms, **rates}))
    fixed = [
        words
        for words, rules in place.config.label_rules.items()
        if fold(words) in rates and (rules.threshold is not None or rules.false_alarms is not None)
    ]
    return {
        "rows": [expectation_json(row) for row in rows],
        "lines": calibration_lines(rows, background),
        "fixed": fixed,
    }


def _reset(place: StatePlace, labels: Mapping[str, object]) -> Answer:
    def drop(before: Overlay) -> Overlay:
        return replace(
            before,
            false_alarms={name: rate for name, rate in before.false_alarms.items() if name not in labels},
        )

    place.change(drop)
    return {"rows": [], "lines": [], "fixed": [], "reset": list(labels)}


def _rates(arguments: Mapping[str, object], place: StatePlace, names: tuple[str, ...]) -> dict[str, float]:
    """Label → false alarms an hour: asked for it alone, else configured for it alone, else asked for all."""
    per_h = number_of(arguments, "per_h")
    common = per_h if per_h is not None else place.config.rules.false_alarms
    asked = arguments.get("rates", {})
    if not isinstance(asked, dict):
        raise ConfigError("rates must be an object of numbers")
    known = place.pipeline.known_labels
    single: dict[str, float | None] = {
        resolve_labels([words], known)[0]: rules.false_alarms
        for words, rules in place.config.label_rules.items()
        if rules.false_alarms is not None
    }
    single |= {resolve_labels([words], known)[0]: number_of(asked, words) for words in asked}
    return {name: single.get(name) or common or DEFAULT_PER_H for name in names}
