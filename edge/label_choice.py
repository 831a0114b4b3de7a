"""A configuration, a bundle and what a person added → the labels listened for, each with its rule."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.bundle import Bundle
from edge.calibration.expectation import countable, expectation
from edge.config import ListenConfig, RuleSettings
from edge.custom_labels import CustomLabel, make_labels, with_labels
from edge.errors import ConfigError, LabelError
from edge.labels import find_label, parse_label_list, quoted, resolve_labels
from edge.manifest import EncoderEntry, LabelEntry, Manifest
from edge.overlay.content import Overlay
from edge.overlay.labels import enrolled_elsewhere, own_entries, usable, with_overlay
from edge.recognizer import RecognizerSettings
from edge.rule_presets import of_own_sound, trigger_rule
from edge.rule_sentence import rule_sentence
from edge.scoring import PrototypeSet
from edge.site.cost import MAX_LABEL_COST, found_alone_and_beside
from edge.trigger import TriggerRule

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Chosen:
    """What is listened for.

    Attributes:
        prototypes: of all labels and backgrounds: the bundle's, those made, the own sounds', the site's.
        thresholds: on-threshold of every label of these, listened for or not.
        rules: of the labels listened for, in the order they were asked for.
        sentences: what these rules say.
        made: labels that the bundle lacks.
        overlay: as far as it can be used with this bundle.
    """

    prototypes: PrototypeSet
    thresholds: Mapping[str, float]
    rules: Mapping[str, TriggerRule]
    sentences: tuple[str, ...]
    made: tuple[CustomLabel, ...]
    overlay: Overlay


def choose_labels(
    config: ListenConfig,
    bundle: Bundle,
    entry: EncoderEntry,
    overlay: Overlay,
    elsewhere: Sequence[Overlay],
    settings: RecognizerSettings,
) -> Chosen:
    """Find the labels, make those that the bundle can make, and say by which rules each is told.

    elsewhere: overlays of other encoders, which can't be used with this one.
    Raises: LabelError, ConfigError, BundleError, EncoderError.
    """
    manifest = bundle.manifest
    overlay = usable(overlay, manifest.labels)
    own = own_entries(overlay, entry.name)
    whole = (*manifest.labels, *own)
    words = parse_label_list(config.labels, whole) if config.comma_lists else config.labels
    lacking = [asked for asked in words if find_label(asked, whole) is None]
    advice = enrolled_elsewhere(lacking, elsewhere)
    if advice is not None:
        # Before it is made of its words, or said to be unknown.
        raise LabelError(advice)
    made = make_labels([asked for asked in words if find_label(asked, own) is None], bundle, entry)
    known = (*manifest.labels, *(label.entry for label in made), *own)
    labels = resolve_labels(words, known, _way_to_add(manifest)) if words else []
    own_rules = _rules_by_name(config, known, labels, any_words=manifest.text_encoder is not None)
    chosen = {name: own_rules.get(name, config.rules) for name in labels}
    chosen |= {entry.name: of_own_sound(chosen[entry.name]) for entry in own if entry.name in chosen}
    thresholds = {e.name: e.thresholds[entry.name] for e in known if e.kind == "label"}
    prototypes = with_overlay(with_labels(bundle.prototypes(entry), made), overlay, thresholds)
    thresholds |= _thresholds_by_rate(chosen, thresholds, prototypes, bundle, overlay, settings)
    rules = {
        name: trigger_rule(each, thresholds[name], manifest.rules, settings.window_s, settings.hop_s)
        for name, each in chosen.items()
    }
    _warn_of_notes(known, labels)
    _warn_of_deafness(rules, prototypes, bundle, overlay)
    return Chosen(
        prototypes=prototypes,
        thresholds=thresholds | {name: rule.on_threshold for name, rule in rules.items()},
        rules=rules,
        sentences=tuple(
            rule_sentence(name, rule, settings.hop_s, settings.window_s, chosen[name].preset)
            for name, rule in rules.items()
        ),
        made=made,
        overlay=overlay,
    )


def _thresholds_by_rate(
    chosen: Mapping[str, RuleSettings],
    own: Mapping[str, float],
    prototypes: PrototypeSet,
    bundle: Bundle,
    overlay: Overlay,
    settings: RecognizerSettings,
) -> dict[str, float]:
    """Thresholds of the labels for which a rate of false alarms was asked for and no threshold was given.

    Raises: ConfigError if the configuration asks for one and the bundle has no background to count in.
    """
    rates = {name: rules.false_alarms or overlay.false_alarms.get(name) for name, rules in chosen.items()}
    rates = {name: rate for name, rate in rates.items() if rate and chosen[name].threshold is None}
    background = bundle.background if rates else None
    found = {}
    for name, per_h in rates.items():
        rules = chosen[name]
        if background is None:
            if rules.false_alarms is None:
                logger.warning(
                    "%s was calibrated with another bundle; this one has no background to do it with, so its "
                    "own threshold holds",
                    quoted(name),
                )
                continue
            raise ConfigError(
                f"false_alarms of {quoted(name)}: {bundle.directory} has no background to count false alarms "
                "in: give a threshold, or add a background with edge-export background"
            )
        defaults = bundle.manifest.rules
        rule = trigger_rule(rules, own[name], defaults, settings.window_s, settings.hop_s)
        expected = expectation(
            prototypes.names.index(name),
            rule,
            prototypes,
            background,
            per_h,
            own[name],
            countable(rule, defaults, settings.hop_s, background.hop_s),
        )
        found[name] = expected.threshold
    return found


def _way_to_add(manifest: Manifest) -> str:
    """What a person can do about a label that the bundle lacks, for the message."""
    if manifest.recipe is None:
        return "this bundle's labels are fixed; a CLAP bundle takes any words (edge-export clap)"
    return (
        "to add it, export the bundle again with it: edge-export clap --labels ...; "
        "exported with --text-encoder, it takes any words"
    )


def _rules_by_name(
    config: ListenConfig, known: Sequence[LabelEntry], labels: Sequence[str], *, any_words: bool
) -> dict[str, RuleSettings]:
    """The rules given for single labels, by the labels' names.

    any_words: whether the bundle takes any, so that those it doesn't know are of a label not made now.
    """
    by_name: dict[str, RuleSettings] = {}
    for words, rules in config.label_rules.items():
        found = find_label(words, known)
        is_known = found is not None and found.kind == "label"
        name = words if any_words and not is_known else resolve_labels([words], known)[0]
        if name in by_name:
            raise ConfigError(f"rules for {name!r} are given twice, under two of its names: use one of them")
        by_name[name] = rules
        if name not in labels:
            logger.warning("the rules for %r have no effect: it is not among the labels listened for", words)
    return by_name


def _warn_of_notes(known: Sequence[LabelEntry], labels: Sequence[str]) -> None:
    notes = {label.name: label.note for label in known if label.note is not None}
    for note in dict.fromkeys(notes[name] for name in labels if name in notes):
        names = ", ".join(name for name in labels if notes.get(name) == note)
        logger.warning("heard unreliably: %s: %s", names, note)


def _warn_of_deafness(
    rules: Mapping[str, TriggerRule], prototypes: PrototypeSet, bundle: Bundle, overlay: Overlay
) -> None:
    """Say which labels own sounds, or a background that was learned for others, make deaf."""
    if overlay.site is None and not overlay.sounds:
        return
    background = bundle.background
    alone = bundle.prototypes(bundle.manifest.encoders[0])
    for label, rule in rules.items():
        if background is None or label not in alone.names:
            continue
        before, after = found_alone_and_beside(label, rule, alone, prototypes, background)
        if before - after > max(1.0, MAX_LABEL_COST * before):
            logger.warning(
                "with what was enrolled and learned here, %d of %d recordings of %s are found that were "
                "found without: see edge-listen overlay; forget a sound, or learn the background again",
                after,
                before,
                quoted(label),
            )
