"""The bundle: whole, and with the labels that the configuration asks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from edge.bundle import Bundle, load_bundle
from edge.doctor.check import Check, Subject
from edge.doctor.storage import state_directory_of
from edge.errors import BundleError
from edge.labels import find_label, quoted, resolve_labels
from edge.manifest import LabelEntry
from edge.onnx_session import prefers_gpu
from edge.overlay.content import Overlay
from edge.overlay.labels import own_entries
from edge.overlay.store import OverlayStore
from edge.pipeline import builtin_bundle


def bundle(subject: Subject) -> Iterator[Check]:
    """Every file's hash, those of large files too, which a run verifies only when it uses them."""
    loaded = load_bundle(subject.config.bundle or builtin_bundle())
    loaded.verify()
    manifest = loaded.manifest
    n_labels = sum(label.kind == "label" for label in manifest.labels)
    where = "built-in" if subject.config.bundle is None else loaded.directory
    megabytes = sum(entry.size_bytes for entry in manifest.files.values()) / 1e6
    encoders = ", ".join(entry.name for entry in manifest.encoders)
    facts = f"{n_labels} labels, encoders: {encoders}; all {megabytes:.0f} MB are whole"
    yield Check("bundle", "ok", f"{manifest.name} ({where}), {facts}")
    if manifest.text_encoder is not None and find_spec("tokenizers") is None:
        yield Check(
            "bundle",
            "warn",
            "it can make labels of any words, but not without tokenizers",
            'pip install "edge-listen[text]"',
        )


def labels(subject: Subject) -> Iterator[Check]:
    """Whether the bundle knows what is to be listened for."""
    loaded = usable_bundle(subject)
    if loaded is None:
        return
    words = (*subject.config.labels, *subject.config.label_rules)
    if subject.config.labels:
        yield from judge_labels(loaded, words, _own(loaded, subject))
    elif subject.config_path is not None:
        yield Check(
            "labels",
            "fail" if subject.is_service else "warn",
            f"{subject.config_path} names nothing to listen for",
            'put labels = ["dog bark"] under [listen]; edge-listen labels lists all',
        )


def overlay(subject: Subject) -> Iterator[Check]:
    """What was enrolled, learned and calibrated here: whole, and of this bundle's encoder."""
    loaded = usable_bundle(subject)
    if loaded is None:
        return
    added, others = _overlay(loaded, subject)
    parts = [quoted(sound.name) for sound in added.sounds]
    parts += [] if added.site is None else ["the background of this place"]
    parts += [f"{name} at {rate:g}/h" for name, rate in added.false_alarms.items()]
    yield Check("overlay", "ok", ", ".join(parts) or "nothing was enrolled, learned or calibrated")
    lost = [quoted(sound.name) for other in others for sound in other.sounds]
    if lost:
        yield Check(
            "overlay",
            "warn",
            f"of another encoder, so of no use with this bundle: {', '.join(lost)}",
            "edge-listen enroll them anew",
        )


def _overlay(bundle: Bundle, subject: Subject) -> tuple[Overlay, list[Overlay]]:
    store = OverlayStore(state_directory_of(subject) / "overlay")
    entry = bundle.encoder_entry(subject.config.encoder, for_gpu=prefers_gpu(subject.config.provider))
    encoder_sha256 = bundle.arrays[entry.name].encoder_sha256
    return store.read(encoder_sha256), store.elsewhere(encoder_sha256)


def _own(bundle: Bundle, subject: Subject) -> tuple[LabelEntry, ...]:
    try:
        return own_entries(_overlay(bundle, subject)[0], "")
    except BundleError:  # of which `overlay` tells
        return ()


def judge_labels(bundle: Bundle, words: Sequence[str], own: Sequence[LabelEntry]) -> Iterator[Check]:
    """words: of labels, as the configuration has them. own: the person's sounds."""
    known = (*bundle.manifest.labels, *own)
    if bundle.manifest.text_encoder is None:
        names = resolve_labels(words, known)
        made: list[str] = []
    else:
        made = [each for each in words if find_label(each, known) is None]
        names = (
            resolve_labels([each for each in words if each not in made], known)
            if len(made) < len(words)
            else []
        )
    others = f"; to be made on this machine: {', '.join(made)}" if made else ""
    yield Check("labels", "ok", f"{', '.join(names) or 'none of the bundle'}{others}")
    for label in known:
        if label.name in names and label.note is not None:
            yield Check("labels", "warn", f"{label.name} is heard unreliably: {label.note}")


def usable_bundle(subject: Subject) -> Bundle | None:
    """The bundle, or None where it can't be loaded, of which `bundle` tells."""
    try:
        return load_bundle(subject.config.bundle or builtin_bundle())
    except BundleError:
        return None
