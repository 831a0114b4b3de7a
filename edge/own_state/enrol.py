"""Requests to enrol a sound or to forget one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import numpy as np

from edge.custom_labels import checked_label
from edge.encoder import load_encoder
from edge.enrolment.enrol import Clip, Enrolment, Ground, enrol
from edge.errors import ConfigError, LabelError, one_line
from edge.frontend import LogMelFrontEnd, fit_window
from edge.labels import find_label, fold, quoted
from edge.overlay.content import Overlay
from edge.overlay.labels import RESERVED, own_entries
from edge.own_state.place import StatePlace, rate_of, text_of
from edge.pipeline import Pipeline
from edge.requests import Answer
from edge.resampling import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, StreamingResampler
from edge.rule_presets import of_own_sound, trigger_rule
from edge.site.cost import found_alone_and_beside
from edge.times import rfc3339
from edge.types import Embedding, Samples

DEFAULT_PER_H = 0.5


def enrol_sound(arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """Make a label of clips.

    arguments: name; clips, as `plain_clip` makes them; per_h, false alarms an hour; replace and anyway,
        switches.
    Raises: ConfigError, LabelError, SinkError; then nothing has changed.
    """
    said = checked_label(text_of(arguments, "name"))
    name = fold(said)
    pipeline, per_h = place.pipeline, rate_of(arguments, "per_h")
    replaces = bool(arguments.get("replace"))
    _check_name(said, place, replaces=replaces)
    before = place.overlay()
    others = replace(before, sounds=tuple(sound for sound in before.sounds if sound.name != name))
    enrolment = enrol(
        name,
        [_clip(plain, pipeline.sample_rate_hz) for plain in _plain_clips(arguments)],
        _ground(name, place, others),
        rfc3339(datetime.now(timezone.utc)),
        per_h=DEFAULT_PER_H if per_h is None else per_h,
        anyway=bool(arguments.get("anyway")),
    )

    def add(current: Overlay) -> Overlay:
        if not replaces and any(sound.name == name for sound in current.sounds):
            raise _taken(name)
        kept = tuple(sound for sound in current.sounds if sound.name != name)
        # What the sound of that name was calibrated for says nothing of this one.
        rates = {label: rate for label, rate in current.false_alarms.items() if label != name}
        return replace(current, sounds=(*kept, enrolment.sound), false_alarms=rates)

    place.change(add)
    known = pipeline.listening_for(place.config_for([name]))
    in_force = known.rules[name].on_threshold
    return {**_told(enrolment), "in_force": in_force, "costs": _costs(place, known)}


def _costs(place: StatePlace, known: Pipeline) -> list[dict[str, object]]:
    """The bundle's labels of which fewer recordings are found with what was added."""
    bundle, background = place.pipeline.bundle, place.pipeline.bundle.background
    if background is None:
        return []
    alone, settings, found = bundle.prototypes(bundle.manifest.encoders[0]), known.settings, []
    for label in bundle.manifest.labels:
        if label.kind == "label":
            threshold = known.thresholds[label.name]
            rule = trigger_rule(
                place.config.rules, threshold, bundle.manifest.rules, settings.window_s, settings.hop_s
            )
            before, after = found_alone_and_beside(label.name, rule, alone, known.prototypes, background)
            if after < before:
                found.append({"label": label.name, "before": before, "after": after})
    return found


def check_sound(arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """Whether a sound may be enrolled under a name, before it is recorded.

    arguments: name; replace: switch. Raises: ConfigError, LabelError.
    """
    _check_name(checked_label(text_of(arguments, "name")), place, replaces=bool(arguments.get("replace")))
    return {}


def forget_sound(arguments: Mapping[str, object], place: StatePlace) -> Answer:
    """Take an own sound away.

    arguments: name. Raises: LabelError, SinkError; then nothing has changed.
    """
    asked = text_of(arguments, "name")
    found = find_label(asked, own_entries(place.overlay(), place.pipeline.entry.name))
    if found is None:
        own = ", ".join(quoted(sound.name) for sound in place.overlay().sounds)
        raise LabelError(
            f"no own sound is called {quoted(asked)}; " + (f"there are: {own}" if own else "there are none")
        )
    if found.name in place.pipeline.rules:
        raise LabelError(
            f"{quoted(found.name)} is listened for: take it out of the labels first, then forget it"
        )

    def drop(current: Overlay) -> Overlay:
        rates = {label: rate for label, rate in current.false_alarms.items() if label != found.name}
        kept = tuple(sound for sound in current.sounds if sound.name != found.name)
        return replace(current, sounds=kept, false_alarms=rates)

    place.change(drop)
    return {"name": found.name}


def _check_name(said: str, place: StatePlace, *, replaces: bool) -> None:
    found = find_label(said, place.pipeline.bundle.manifest.labels)
    if found is not None:
        raise LabelError(
            f"{quoted(said)} is a sound of the bundle ({found.name}): give yours a name of its own, "
            f"such as {quoted('our ' + found.name)}"
        )
    name = fold(said)
    if name in RESERVED:
        raise LabelError(f"{quoted(said)} is the program's own word for something else: choose another name")
    for sound in place.overlay().sounds:
        if sound.name == name and not replaces:
            raise _taken(name)
        if sound.name != name and find_label(said, own_entries(Overlay("", (sound,)), "")) is not None:
            raise LabelError(
                f"{quoted(said)} would be mistaken for {quoted(sound.name)}: choose another name"
            )


def _taken(name: str) -> LabelError:
    return LabelError(f"{quoted(name)} is enrolled already: give --replace, or another name")


def _plain_clips(arguments: Mapping[str, object]) -> Sequence[Mapping[str, Any]]:
    clips = arguments.get("clips")
    if not isinstance(clips, list) or not all(isinstance(clip, dict) for clip in clips):
        raise ConfigError("clips must be a list of clips")
    return clips


def _clip(plain: Mapping[str, Any], sample_rate_hz: int) -> Clip:
    name, rate_hz = one_line(text_of(plain, "name")), plain.get("rate_hz")
    if type(rate_hz) is not int or not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise ConfigError(f"{name}: rate_hz must be a sample rate in Hz")
    try:
        pcm = np.frombuffer(base64.b64decode(text_of(plain, "pcm"), validate=True), "<i2")
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"{name}: its sound arrived damaged") from error
    resampler = StreamingResampler(rate_hz, sample_rate_hz)
    samples = pcm.astype(np.float32) / np.float32(32767.0)
    return Clip(name, np.concatenate([resampler.push(samples), resampler.flush()]).astype(np.float32))


def _ground(name: str, place: StatePlace, others: Overlay) -> Ground:
    pipeline, config = place.pipeline, place.config
    manifest, settings = pipeline.bundle.manifest, pipeline.settings
    # Of its own: the one that listens keeps what it heard last, and isn't to be called from two threads.
    encoder = load_encoder(pipeline.bundle, pipeline.entry, settings.window_hop, config.provider)
    front_end = LogMelFrontEnd(settings.log_mel)

    def embed(samples: Samples) -> Embedding:
        clip = fit_window(samples, settings.window_length, settings.clip_length, settings.padding)
        return encoder.encode(front_end(clip))

    rules = next((rules for words, rules in config.label_rules.items() if fold(words) == name), config.rules)
    known = pipeline.listening_for(replace(config, labels=(), label_rules={}), others)
    return Ground(
        prototypes=known.prototypes,
        background=pipeline.bundle.background,
        rule=trigger_rule(of_own_sound(rules), 0.5, manifest.rules, settings.window_s, settings.hop_s),
        thresholds=known.thresholds,
        embed=embed,
        window_length=settings.window_length,
        hop_length=settings.window_hop,
        sample_rate_hz=pipeline.sample_rate_hz,
    )


def _told(enrolment: Enrolment) -> Answer:
    sound, expected = enrolment.sound, enrolment.expected
    return {
        "name": sound.name,
        "threshold": sound.threshold,
        "n_prototypes": len(sound.vectors),
        "clips": list(sound.clips),
        "n_found": enrolment.n_found,
        "conflicts": [{"name": conflict.name, "cosine": conflict.cosine} for conflict in enrolment.conflicts],
        "odd": [str(odd) for odd in enrolment.odd],
        "false_alarms": None if expected is None else [expected.per_h, expected.low, expected.high],
        "notes": list(enrolment.notes),
    }
