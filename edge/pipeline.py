"""The settings and a bundle → a recognizer ready to be fed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from edge.bundle import Bundle, load_bundle
from edge.config import ListenConfig, RuleSettings
from edge.custom_labels import make_labels, with_labels
from edge.encoder import LoadedEncoder, load_encoder
from edge.errors import BundleError, ConfigError
from edge.labels import find_label, parse_label_list, resolve_labels
from edge.manifest import EncoderEntry, LabelEntry, Manifest, RuleDefaults
from edge.onnx_session import prefers_gpu
from edge.recognizer import Recognizer, RecognizerSettings, WindowReport
from edge.scoring import PrototypeSet
from edge.trigger import TriggerRule
from edge.trigger_bank import TriggerBank
from edge.types import Encoder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Pipeline:
    """Everything that recognition needs, loaded and checked.

    Attributes:
        bundle: the bundle in use.
        entry: the encoder in use.
        encoder: that encoder, open.
        prototypes: of all the bundle's labels and backgrounds, and of those made for this run.
        thresholds: on-threshold of every label of these, listened for or not.
        rules: of the labels listened for, in the order they were asked for.
        settings: window, hop and gate.
    """

    bundle: Bundle
    entry: EncoderEntry
    encoder: LoadedEncoder
    prototypes: PrototypeSet
    thresholds: Mapping[str, float]
    rules: Mapping[str, TriggerRule]
    settings: RecognizerSettings

    @property
    def sample_rate_hz(self) -> int:
        """The rate that sources must deliver."""
        return self.settings.log_mel.sample_rate_hz

    @property
    def label_width(self) -> int:
        """Characters of the longest label listened for."""
        return max(map(len, self.rules))

    @property
    def description(self) -> str:
        """What runs, for a person."""
        return (
            f"bundle {self.bundle.manifest.name}, encoder {self.entry.name} on {self.encoder.provider}, "
            f"a window of {self.settings.window_s:g} s every {self.settings.hop_s:g} s"
        )

    def recognizer(
        self, observe: Callable[[WindowReport], None] | None = None, encoder: Encoder | None = None
    ) -> Recognizer:
        """A recognizer at the start of a stream.

        encoder: takes the place of this pipeline's, such as one that times it.
        Raises: ConfigError.
        """
        return Recognizer(self.settings, encoder or self.encoder, self.prototypes, self.rules, observe)

    def listening_for(self, config: ListenConfig) -> Pipeline:
        """The same bundle and encoder with the labels and rules of another configuration.

        Raises: BundleError, LabelError, ConfigError, EncoderError.
        """
        chosen = _choose_labels(config, self.bundle, self.entry)
        # Made to be thrown away: it refuses rules that aren't whole samples before anything is changed.
        TriggerBank(chosen.prototypes, chosen.rules, self.settings.window_hop, self.sample_rate_hz)
        return replace(self, prototypes=chosen.prototypes, thresholds=chosen.thresholds, rules=chosen.rules)


def builtin_bundle() -> Path:
    """Directory of the bundle that comes with the program. Raises: BundleError if it isn't there."""
    directory = Path(str(files("edge") / "starter" / "bundle"))
    if not directory.is_dir():
        raise BundleError(
            f"the built-in bundle is missing ({directory}): install edge-listen anew or give --bundle"
        )
    return directory


def prepare(config: ListenConfig) -> Pipeline:
    """Load the bundle, find the labels in it, make those that it can make, and open its encoder.

    Raises: BundleError, LabelError, ConfigError, EncoderError.
    """
    bundle = load_bundle(config.bundle or builtin_bundle())
    manifest = bundle.manifest
    entry = bundle.encoder_entry(config.encoder, for_gpu=prefers_gpu(config.provider))
    chosen = _choose_labels(config, bundle, entry)
    settings = RecognizerSettings(
        log_mel=manifest.log_mel,
        window_s=manifest.window_s,
        clip_s=manifest.clip_s,
        hop_s=manifest.hop_s if config.hop_s is None else config.hop_s,
        padding=manifest.padding,
        gate_dbfs=config.gate_dbfs,
    )
    return Pipeline(
        bundle=bundle,
        entry=entry,
        encoder=load_encoder(bundle, entry, settings.window_hop, config.provider),
        prototypes=chosen.prototypes,
        thresholds=chosen.thresholds,
        rules=chosen.rules,
        settings=settings,
    )


@dataclass(frozen=True, eq=False)
class _Chosen:
    prototypes: PrototypeSet
    thresholds: Mapping[str, float]
    rules: Mapping[str, TriggerRule]


def _choose_labels(config: ListenConfig, bundle: Bundle, entry: EncoderEntry) -> _Chosen:
    """Find the labels, make those that the bundle can make, and say by which rules each is told."""
    manifest = bundle.manifest
    words = parse_label_list(config.labels, manifest.labels) if config.comma_lists else config.labels
    made = make_labels(words, bundle, entry)
    known = (*manifest.labels, *(label.entry for label in made))
    labels = resolve_labels(words, known, _way_to_add(manifest))
    own_rules = _rules_by_name(config, known, labels, any_words=manifest.text_encoder is not None)
    thresholds = bundle.thresholds(entry) | {m.entry.name: m.entry.thresholds[entry.name] for m in made}
    rules = {
        name: _trigger_rule(own_rules.get(name, config.rules), thresholds[name], manifest.rules)
        for name in labels
    }
    _warn_of_notes(known, labels)
    return _Chosen(
        prototypes=with_labels(bundle.prototypes(entry), made),
        thresholds=thresholds | {name: rule.on_threshold for name, rule in rules.items()},
        rules=rules,
    )


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


def _trigger_rule(rules: RuleSettings, bundle_threshold: float, defaults: RuleDefaults) -> TriggerRule:
    def chosen(name: str) -> float:
        given: float | None = getattr(rules, name)
        own: float = getattr(defaults, name)
        return own if given is None else given

    on_threshold = bundle_threshold if rules.threshold is None else rules.threshold
    return TriggerRule(
        on_threshold=on_threshold,
        off_threshold=max(-1.0, on_threshold - chosen("off_margin")),
        margin=chosen("margin"),
        rivals=rules.rivals or defaults.rivals,
        confirm_s=chosen("confirm_s"),
        within_s=chosen("within_s"),
        release_s=chosen("release_s"),
        cooldown_s=rules.cooldown_s,
    )
