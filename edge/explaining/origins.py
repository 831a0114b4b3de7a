"""What each prototype was made from, for a person."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping, Sequence

from edge.bundle import Bundle
from edge.custom_labels import CustomLabel
from edge.errors import first_line
from edge.manifest import LabelEntry
from edge.overlay.content import Overlay
from edge.scoring import PrototypeSet
from edge.site.prototypes import SITE_NAME

logger = logging.getLogger(__name__)

MOST_NAMES = 3
"""Recordings that are named; of the others it is said how many there are."""


def prototype_origins(
    bundle: Bundle, prototypes: PrototypeSet, overlay: Overlay, made: Sequence[CustomLabel]
) -> tuple[str, ...]:
    """Say of each row of the prototypes' vectors what it was made from.

    Reads the bundle's attribution file, if it has one; where that doesn't say which recordings are a label's,
    or can't be read, a label's method and their number must do.

    Args:
        bundle: whose labels' prototypes come first, in the manifest's order.
        prototypes: of the bundle, of the labels made, of the overlay's sounds and of the site's background.
        overlay: a person's additions.
        made: labels made on the device.

    Returns: (n_prototypes) lines without an end, in the order of `prototypes.vectors`.
    """
    origins = _of_bundle(bundle) | {label.entry.name: (_of_made(label.entry),) for label in made}
    for sound in overlay.sounds:
        origins[sound.name] = tuple(f"your own {clips}" for clips in sound.made_from)
    if overlay.site is not None:
        origins[SITE_NAME] = (f"this place, learned on {overlay.site.created[:10]}",)
    lines = []
    for row, owner in enumerate(prototypes.owners.tolist()):
        several = origins[prototypes.names[owner]]
        # What was made as a whole says the same of all its prototypes.
        place = row - int(prototypes.first_of_name[owner]) if len(several) > 1 else 0
        lines.append(several[place])
    return tuple(lines)


def _of_bundle(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    recordings = _recordings(bundle)
    return {
        label.name: (_of_label(label, recordings.get(label.name, ())),) for label in bundle.manifest.labels
    }


def _of_label(label: LabelEntry, recordings: Sequence[str]) -> str:
    if recordings:
        return f"{label.method}: {_listed(recordings)}"
    return f"{label.method}, from {_counted(label.support)}" if label.support else label.method


def _of_made(entry: LabelEntry) -> str:
    if not entry.support:
        return "its text alone"
    return f"its text and {_counted(entry.support)} of the bundle's pool"


def _counted(n_recordings: int) -> str:
    return "1 recording" if n_recordings == 1 else f"{n_recordings} recordings"


def _listed(recordings: Sequence[str]) -> str:
    named, n_more = ", ".join(recordings[:MOST_NAMES]), len(recordings) - MOST_NAMES
    return f"{named} and {n_more} more" if n_more > 0 else named


def _recordings(bundle: Bundle) -> Mapping[str, list[str]]:
    """Label → its recordings with their licences, as far as the attribution file says which are whose."""
    if bundle.manifest.provenance.attribution is None:
        return {}
    path = bundle.directory / bundle.manifest.provenance.attribution
    found: dict[str, list[str]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                shown = f"{row.get('file') or 'without a name'} ({row.get('licence') or 'licence unknown'})"
                for label in filter(None, map(str.strip, (row.get("labels") or "").split(";"))):
                    found.setdefault(label, []).append(shown)
    except (OSError, ValueError, csv.Error) as error:
        logger.warning("%s cannot be read, so recordings are not named: %s", path, first_line(error))
        return {}
    return found
