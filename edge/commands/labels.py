"""`edge-listen labels`: what a bundle knows, and what was enrolled."""

from __future__ import annotations

import argparse

from edge.bundle import load_bundle
from edge.pipeline import builtin_bundle, overlay_store
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Print the labels with the other words they answer to; returns the exit code. Raises: SoundError."""
    bundle = load_bundle(getattr(args, "bundle", None) or builtin_bundle())
    labels = [label for label in bundle.manifest.labels if label.kind == "label"]
    background = [label.name for label in bundle.manifest.labels if label.kind == "background"]
    width = max(len(label.name) for label in labels)
    stdout = standard_output()
    for label in sorted(labels, key=lambda label: label.name):
        others = [words for words in (*label.aliases, *label.dataset_names) if words != label.name]
        also = f"  also: {', '.join(dict.fromkeys(others))}" if others else ""
        write_line(stdout, f"{label.name:<{width}}{also}".rstrip())
        if label.note is not None:
            write_line(stdout, f"{'':<{width}}  note: {label.note}")
    own = overlay_store().read(bundle.arrays[bundle.encoder_entry().name].encoder_sha256).sounds
    if own:
        write_line(stdout, "\nyour own:")
    for sound in own:
        write_line(stdout, f"{sound.name:<{width}}  from {len(sound.clips)} clips".rstrip())
    if background:
        write_line(stdout, f"\nbackground sounds, never reported: {', '.join(sorted(background))}")
    if bundle.manifest.text_encoder is not None:
        write_line(stdout, "\nany other words will do too: this bundle has a text encoder")
    return 0
