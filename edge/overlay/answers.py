"""What is asked of the overlay as a whole, answered as plain data: show, export, import, roll back."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict

from edge.errors import ConfigError
from edge.labels import fold
from edge.overlay.content import Overlay, SiteBackground
from edge.overlay.store import OverlayStore


def show(store: OverlayStore, encoder_sha256: str) -> dict[str, object]:
    """What a person added, which states are kept, and the sounds enrolled with other encoders only.

    Raises: BundleError if it is damaged.
    """
    return _shown(store, store.read(encoder_sha256))


def export_(store: OverlayStore, encoder_sha256: str) -> dict[str, object]:
    """All of it as a file, in base64. Raises: BundleError if it is damaged."""
    return {"data": base64.b64encode(store.export(encoder_sha256)).decode()}


def import_(
    store: OverlayStore, encoder_sha256: str, data: object, where: object, check: Callable[[Overlay], object]
) -> dict[str, object]:
    """Put an exported one in its place; answers as `show`.

    Args:
        store: where it is kept.
        encoder_sha256: of the encoder in use.
        data: the file, in base64.
        where: what a message calls the file.
        check: is given its overlay, and may refuse it by an error.

    Raises: ConfigError if an argument is none; else as `OverlayStore.import_`.
    """
    if not isinstance(data, str) or not isinstance(where, str):
        raise ConfigError("an import takes data, an overlay file in base64, and where, its name")
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError as error:
        raise ConfigError(f"{where} arrived damaged: data is not base64") from error
    return _shown(store, store.import_(content, encoder_sha256, where, check))


def roll_back(
    store: OverlayStore, encoder_sha256: str, check: Callable[[Overlay], object]
) -> dict[str, object]:
    """Go back to the state before; answers as `show`.

    Args:
        store: where it is kept.
        encoder_sha256: of the encoder in use.
        check: is given the state before, and may refuse it by an error.

    Raises: as `OverlayStore.roll_back`.
    """
    return _shown(store, store.roll_back(encoder_sha256, check))


def _shown(store: OverlayStore, overlay: Overlay) -> dict[str, object]:
    encoder_sha256 = overlay.encoder_sha256
    own = {fold(sound.name) for sound in overlay.sounds}
    others = {sound.name for each in store.elsewhere(encoder_sha256) for sound in each.sounds}
    return {
        "encoder": encoder_sha256,
        "sounds": [
            {
                "name": sound.name,
                "clips": list(sound.clips),
                "threshold": sound.threshold,
                "created": sound.created,
            }
            for sound in overlay.sounds
        ],
        "site": _site(overlay.site),
        "false_alarms": dict(overlay.false_alarms),
        "generations": [asdict(generation) for generation in store.generations(encoder_sha256)],
        "elsewhere": sorted(name for name in others if fold(name) not in own),
    }


def _site(site: SiteBackground | None) -> dict[str, object] | None:
    if site is None:
        return None
    return {
        "created": site.created,
        "heard_s": site.heard_s,
        "level_dbfs": site.level_dbfs,
        "n_prototypes": len(site.vectors),
    }
