"""The settings and a bundle → a recognizer ready to be fed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from edge.bundle import Bundle, load_bundle
from edge.config import ListenConfig
from edge.custom_labels import CustomLabel
from edge.encoder import LoadedEncoder, load_encoder
from edge.errors import BundleError, LabelError
from edge.label_choice import choose_labels
from edge.labels import SEE_ALL
from edge.manifest import EncoderEntry, LabelEntry
from edge.onnx_session import prefers_gpu
from edge.overlay.content import Overlay
from edge.overlay.labels import own_entries
from edge.overlay.store import OverlayStore
from edge.recognizer import Recognizer, RecognizerSettings, WindowReport
from edge.scoring import PrototypeSet
from edge.state import state_directory
from edge.trigger import TriggerRule
from edge.trigger_bank import TriggerBank
from edge.types import Encoder
from edge.unknown_sound import UNKNOWN_SOUND, UnknownSettings, UnknownSounds, unknown_sentence


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
        sentences: what these rules say, one for each.
        settings: window, hop and gate.
        overlay: what the person added to the bundle.
        made: labels that the bundle lacks, made for this run.
        unknown: whether any loud unknown sound is told too.
    """

    bundle: Bundle
    entry: EncoderEntry
    encoder: LoadedEncoder
    prototypes: PrototypeSet
    thresholds: Mapping[str, float]
    rules: Mapping[str, TriggerRule]
    sentences: tuple[str, ...]
    settings: RecognizerSettings
    overlay: Overlay
    made: tuple[CustomLabel, ...]
    unknown: bool

    @property
    def sample_rate_hz(self) -> int:
        """The rate that sources must deliver."""
        return self.settings.log_mel.sample_rate_hz

    @property
    def encoder_sha256(self) -> str:
        """Of the encoder in use."""
        return self.bundle.arrays[self.entry.name].encoder_sha256

    @property
    def known_labels(self) -> tuple[LabelEntry, ...]:
        """Of the bundle, made for this run, and the person's own."""
        made = (label.entry for label in self.made)
        return (*self.bundle.manifest.labels, *made, *own_entries(self.overlay, self.entry.name))

    @property
    def all_sentences(self) -> tuple[str, ...]:
        """What every rule says, that of unknown sounds too."""
        unknown = (unknown_sentence(UnknownSettings()),) if self.unknown else ()
        return (*self.sentences, *unknown)

    @property
    def site_level_dbfs(self) -> float | None:
        """The place's usual level, if it was learned."""
        return None if self.overlay.site is None else self.overlay.site.level_dbfs

    @property
    def label_width(self) -> int:
        """Characters of the longest label listened for."""
        return max(map(len, (*self.rules, UNKNOWN_SOUND) if self.unknown else self.rules))

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
        return Recognizer(
            self.settings,
            encoder or self.encoder,
            self.prototypes,
            self.rules,
            observe,
            self._unknown_sounds if self.unknown else None,
        )

    def _unknown_sounds(self, numbers: Iterator[int]) -> UnknownSounds:
        return UnknownSounds(
            self.prototypes.names,
            self.thresholds,
            UnknownSettings(),
            self.settings.window_hop,
            self.sample_rate_hz,
            numbers,
            self.site_level_dbfs,
        )

    def listening_for(self, config: ListenConfig, overlay: Overlay | None = None) -> Pipeline:
        """The same bundle and encoder with the labels and rules of another configuration.

        overlay: None for what is kept now.
        Raises: BundleError, LabelError, ConfigError, EncoderError.
        """
        store = overlay_store()
        overlay = store.read(self.encoder_sha256) if overlay is None else overlay
        elsewhere = store.elsewhere(self.encoder_sha256)
        chosen = choose_labels(config, self.bundle, self.entry, overlay, elsewhere, self.settings)
        # Made to be thrown away: it refuses rules that aren't whole samples before anything is changed.
        TriggerBank(chosen.prototypes, chosen.rules, self.settings.window_hop, self.sample_rate_hz)
        return replace(
            self,
            prototypes=chosen.prototypes,
            thresholds=chosen.thresholds,
            rules=chosen.rules,
            sentences=chosen.sentences,
            overlay=chosen.overlay,
            made=chosen.made,
        )


def builtin_bundle() -> Path:
    """Directory of the bundle that comes with the program. Raises: BundleError if it isn't there."""
    directory = Path(str(files("edge") / "starter" / "bundle"))
    if not directory.is_dir():
        raise BundleError(
            f"the built-in bundle is missing ({directory}): install edge-listen anew or give --bundle"
        )
    return directory


def overlay_store() -> OverlayStore:
    """Where what the person added is kept."""
    return OverlayStore(state_directory() / "overlay")


def prepare(config: ListenConfig, *, needs_labels: bool = True, reads_overlay: bool = True) -> Pipeline:
    """Load the bundle, find the labels in it, make those that it can make, and open its encoder.

    needs_labels: without, there may be none to listen for.
    reads_overlay: without, as if nothing had been added, be what was added damaged or not.
    Raises: BundleError, LabelError, ConfigError, EncoderError.
    """
    bundle = load_bundle(config.bundle or builtin_bundle())
    manifest = bundle.manifest
    entry = bundle.encoder_entry(config.encoder, for_gpu=prefers_gpu(config.provider))
    settings = RecognizerSettings(
        log_mel=manifest.log_mel,
        window_s=manifest.window_s,
        clip_s=manifest.clip_s,
        hop_s=manifest.hop_s if config.hop_s is None else config.hop_s,
        padding=manifest.padding,
        gate_dbfs=config.gate_dbfs,
    )
    if needs_labels and not config.labels:
        raise LabelError(f"no label given; name one at least; {SEE_ALL}")
    encoder_sha256 = bundle.arrays[entry.name].encoder_sha256
    store = overlay_store()
    overlay = store.read(encoder_sha256) if reads_overlay else Overlay(encoder_sha256)
    elsewhere = store.elsewhere(encoder_sha256)
    chosen = choose_labels(config, bundle, entry, overlay, elsewhere, settings)
    return Pipeline(
        bundle=bundle,
        entry=entry,
        encoder=load_encoder(bundle, entry, settings.window_hop, config.provider),
        prototypes=chosen.prototypes,
        thresholds=chosen.thresholds,
        rules=chosen.rules,
        sentences=chosen.sentences,
        settings=settings,
        overlay=chosen.overlay,
        made=chosen.made,
        unknown=config.unknown,
    )
