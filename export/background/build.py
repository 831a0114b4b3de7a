"""The order of steps from a bundle and recordings to the bundle with its background.

recordings of background → heard → moments ┐
recordings of the labels → heard → windows ┴→ background.npz → bundle
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge.background import Background, Members, background_bytes
from edge.bundle import Bundle
from edge.bundle_writer import write_bundle
from edge.config import RuleSettings
from edge.errors import AudioSourceError
from edge.manifest import SCHEMA_VERSION
from edge.rule_presets import trigger_rule
from edge.scoring import PrototypeSet
from edge.trigger_rule import TriggerRule
from export.background.heard_store import HeardStore
from export.background.hearing import Ear, Heard
from export.background.members import joined_members, member_windows
from export.background.selection import all_windows, select_background
from export.background.sound import Sound
from export.pool.errors import PoolError
from export.progress import progress

BACKGROUND_FILE = "background.npz"
GENERATION_SEED = 1

logger = logging.getLogger(__name__)


def make_background(
    bundle: Bundle,
    recordings: Sequence[Sound],
    members: Sequence[tuple[int, Sound]],
    members_are: str,
    work: Path,
) -> Background:
    """Hear all recordings with the bundle's first encoder and choose what to keep.

    recordings: in which no label sounds.
    members: recordings of the labels' own sounds, each with the label's place in the manifest.
    members_are: what these are, for a person.
    work: folder in which what was heard is kept, so that an interrupted run goes on.
    Raises: BundleError, EncoderError, OSError; PoolError if there is not one window to keep.
    """
    entry = bundle.manifest.encoders[0]
    ear, prototypes, rules = Ear(bundle), bundle.prototypes(entry), default_rules(bundle)
    store = HeardStore(work / "heard", ear)
    heard = [one for one in _hear_all(store, recordings, "background") if one is not None]
    if not any(len(one.position) for one in heard):
        raise PoolError("not a window of the background is loud enough to be heard: give other recordings")
    places, sounds = [place for place, _ in members], [sound for _, sound in members]
    of_members = zip(places, _hear_all(store, sounds, "labels' own sounds"), strict=True)
    return select_background(
        all_windows(heard),
        prototypes,
        rules,
        bundle.manifest.hop_s,
        _members(of_members, prototypes, rules, bundle.manifest.hop_s, entry.embedding_dim, members_are),
        ear.encoder_sha256,
    )


def add_background(
    bundle: Bundle,
    background: Background,
    out: Path,
    created: str,
    *,
    replace_old: bool,
    others: Mapping[str, bytes] | None = None,
) -> Bundle:
    """Write the bundle anew, with this background in place of one that it may have.

    created: RFC 3339 UTC.
    others: further files that go into it.
    Raises: BundleError.
    """
    files: dict[str, bytes | Path] = {
        name: bundle.directory / name for name in bundle.manifest.files if name != bundle.manifest.background
    }
    files |= {BACKGROUND_FILE: background_bytes(background), **(others or {})}
    manifest = replace(
        bundle.manifest, schema_version=SCHEMA_VERSION, created=created, background=BACKGROUND_FILE
    )
    return write_bundle(out, manifest, files, replace=replace_old)


def default_rules(bundle: Bundle) -> dict[int, TriggerRule]:
    """Place of each label that can be listened for → the rule it has with the first encoder by default."""
    manifest, encoder = bundle.manifest, bundle.manifest.encoders[0].name
    return {
        place: trigger_rule(
            RuleSettings(), label.thresholds[encoder], manifest.rules, manifest.window_s, manifest.hop_s
        )
        for place, label in enumerate(manifest.labels)
        if label.kind == "label"
    }


def _hear_all(store: HeardStore, sounds: Sequence[Sound], what: str) -> Iterator[Heard | None]:
    """What was heard of each; None for a file that cannot be read, which is named."""
    for sound in progress(sounds, desc=what, unit=" recordings"):
        yield _heard_if_readable(store, sound)


def _heard_if_readable(store: HeardStore, sound: Sound) -> Heard | None:
    try:
        return store.heard(sound)
    except AudioSourceError as error:
        logger.warning("left out: %s", error)
        return None


def _members(
    heard: Iterable[tuple[int, Heard | None]],
    prototypes: PrototypeSet,
    rules: Mapping[int, TriggerRule],
    hop_s: float,
    embedding_dim: int,
    are: str,
) -> Members:
    parts = (
        (place, one, member_windows(one, place, prototypes, rules[place], hop_s))
        for place, one in heard
        if one is not None
    )
    return joined_members(parts, embedding_dim, are)
