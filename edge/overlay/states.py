"""The states of one encoder's overlay as overlays, with errors for a person."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.errors import BundleError, SinkError
from edge.overlay.content import Overlay
from edge.overlay.file import MAX_OVERLAY_BYTES, overlay_bytes, parse_overlay
from edge.overlay.generations import add_state, read_current, read_file, remove_state


def current_overlay(folder: Path) -> Overlay | None:
    """The current one; None if there is none. Raises: BundleError."""
    with reading(folder):
        current = read_current(folder, MAX_OVERLAY_BYTES)
    return None if current is None else parse_overlay(current[1], str(current[0]))


def overlay_in(state: Path) -> Overlay:
    """That of a file. Raises: BundleError."""
    with reading(state):
        data = read_file(state, MAX_OVERLAY_BYTES)
    return parse_overlay(data, str(state))


def add_overlay(folder: Path, overlay: Overlay) -> Overlay:
    """Make this the current one; returns it as it is kept.

    Raises: SinkError if it can't be written, BundleError if it couldn't be read back; nothing has changed.
    """
    data = overlay_bytes(overlay)
    kept = parse_overlay(data, "the overlay with this change", "nothing was changed")
    with writing(folder):
        add_state(folder, data)
    return kept


def remove_overlay(state: Path) -> None:
    """Remove a file, so that the one before it is the current one. Raises: SinkError."""
    with writing(state):
        remove_state(state)


def check_encoder(overlay: Overlay, encoder_sha256: str, where: str, advice: str) -> None:
    """Refuse another encoder's. where: what a message calls the overlay. Raises: BundleError."""
    if overlay.encoder_sha256 != encoder_sha256:
        raise BundleError(
            f"{where} is from another encoder: its embeddings mean nothing to this bundle's; {advice}"
        )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within it, an OSError becomes a BundleError."""
    try:
        yield
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read: {error.strerror or error}; check its permissions and its disk"
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within it, an OSError becomes a SinkError."""
    try:
        yield
    except OSError as error:
        raise SinkError(
            f"{path} cannot be written ({error.strerror or error}), so nothing has changed: "
            "make room on the disk, or the directory writable"
        ) from error
