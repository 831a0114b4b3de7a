"""Request to set labels' thresholds by how many false alarms may come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge.calibration.expectation import countable, expectation
from edge.calibration.table import calibration_lines, expectation_json
from edge.errors import BundleError, ConfigError
from edge.labels import find_label, quoted
from edge.manifest import LabelEntry
from edge.overlay.content import Overlay
from edge.own_state.place import StatePlace, rate_of, texts_of
from edge.pipeline import Pipeline
from edge.requests import Answer

DEFAULT_PER_H = 0.5


def calibrate(arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """Find each label's threshold, and keep the rates that were asked for.

    arguments: labels, names (none: those listened for); per_h, false alarms an hour for all; rates, the same
        for single labels; reset: switch, forgets the rates kept instead.
    Raises: ConfigError, LabelError, BundleError; then nothing has changed.
    """
    return _calibrated(arguments, place, keeps=True)


def expect(arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """The same without keeping anything."""
    return _calibrated(arguments, place, keeps=False)


def _calibrated(arguments: Mapping[str, object], place: StatePlace, *, keeps: bool) -> Answer:
    words = texts_of(arguments, "labels") or tuple(place.pipeline.rules)
    if keeps and arguments.get("reset") and not texts_of(arguments, "labels"):
        return _reset(place, place.overlay().false_alarms)
    if not words:
        raise ConfigError('say which labels, such as: edge-listen calibrate --labels "dog bark,siren"')
    config = place.config_for(words)
    if keeps and arguments.get("reset"):
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
    rates = _rates(arguments, place, now)
    manifest, rows = place.pipeline.bundle.manifest, []
    for name, rule in now.rules.items():
        index = now.prototypes.names.index(name)
        counted = countable(rule, manifest.rules, place.pipeline.settings.hop_s, background.hop_s)
        rows.append(
            expectation(
                index,
                rule,
                now.prototypes,
                background,
                rates[name],
                bare.rules[name].on_threshold,
                counted,
            )
        )
    if keeps:
        place.change(lambda before: replace(before, false_alarms={**before.false_alarms, **rates}))
    after = place.pipeline.listening_for(config).rules if keeps else {}
    return {
        "rows": [expectation_json(row) for row in rows],
        "lines": calibration_lines(rows, background),
        "fixed": [r.label for r in rows if keeps and abs(after[r.label].on_threshold - r.threshold) > 0.0005],
    }


def _reset(place: StatePlace, labels: Mapping[str, object]) -> Answer:
    def drop(before: Overlay) -> Overlay:
        return replace(
            before,
            false_alarms={name: rate for name, rate in before.false_alarms.items() if name not in labels},
        )

    place.change(drop)
    return {"rows": [], "lines": [], "fixed": [], "reset": list(labels)}


def _rates(arguments: Mapping[str, object], place: StatePlace, now: Pipeline) -> dict[str, float]:
    """Label → false alarms an hour: asked for it alone, else configured for it alone, else asked for all."""
    per_h = rate_of(arguments, "per_h")
    common = per_h if per_h is not None else place.config.rules.false_alarms
    asked = arguments.get("rates", {})
    if not isinstance(asked, dict):
        raise ConfigError("rates must be an object of numbers")
    known = now.known_labels
    single: dict[str, float | None] = {}
    for words, rules in place.config.label_rules.items():
        single |= {
            name: rules.false_alarms for name in _named(words, known) if rules.false_alarms is not None
        }
    for words in asked:
        named = _named(words, known)
        if not set(named) & set(now.rules):
            raise ConfigError(
                f"a rate for {quoted(words)} has no effect: it is not among the labels to calibrate"
            )
        single |= dict.fromkeys(named, rate_of(asked, words))
    kept = now.overlay.false_alarms
    return {name: single.get(name) or common or kept.get(name) or DEFAULT_PER_H for name in now.rules}


def _named(words: str, known: Sequence[LabelEntry]) -> list[str]:
    """The label that words name, if it is one of these."""
    found = find_label(words, known)
    return [] if found is None else [found.name]
