"""Keeps a person's additions in the state directory, for each encoder its own, and the states before.

<directory>/<first 16 digits of encoder_sha256>/000012.overlay, and <directory>/lock for those who write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.errors import BundleError, SoundError
from edge.overlay.content import Overlay
from edge.overlay.file import ROLL_BACK, overlay_bytes, parse_overlay
from edge.overlay.generations import number_of, numbered
from edge.overlay.lock import locked
from edge.overlay.states import (
    add_overlay,
    check_encoder,
    current_overlay,
    overlay_in,
    reading,
    remove_overlay,
    writing,
)
from edge.times import rfc3339, utc

EXPORT_AGAIN = "export it again with: edge-listen overlay export, and copy the file whole"
_ENCODER_DIGITS = 16


@dataclass(frozen=True)
class Generation:
    """A state that the overlay is or was in.

    Attributes:
        number: counts up; the highest is the current one.
        created: when it was written, UTC in RFC 3339.
        size_bytes: of its file.
    """

    number: int
    created: str
    size_bytes: int


def _accept(_overlay: Overlay) -> None:
    """The check where none is asked for."""


class OverlayStore:
    """A person's additions on disk.

    Args:
        directory: where; it need not exist.
        lock_timeout_s: how long to wait for another that is changing them.
    """

    def __init__(self, directory: Path, lock_timeout_s: float = 10.0) -> None:
        self._directory = directory
        self._lock_timeout_s = lock_timeout_s

    def read(self, encoder_sha256: str) -> Overlay:
        """The current one; an empty one if nothing was added.

        Raises: BundleError if it is damaged, another encoder's, or cannot be read.
        """
        folder = self._folder(encoder_sha256)
        overlay = current_overlay(folder) or Overlay(encoder_sha256)
        check_encoder(overlay, encoder_sha256, f"the overlay in {folder}", ROLL_BACK)
        return overlay

    def change(self, encoder_sha256: str, change: Callable[[Overlay], Overlay]) -> Overlay:
        """Replace the current one by what `change` makes of it, whole or not at all.

        Returns: the new one, as it is kept.

        Raises:
            SinkError: it cannot be written.
            BundleError: the current one is damaged, or the new one could not be read back.
            SoundError: another is changing it, and takes too long.
            Whatever `change` raises. In each case nothing has changed.
        """
        with self._alone():
            overlay = change(self.read(encoder_sha256))
            check_encoder(overlay, encoder_sha256, "the overlay with this change", "nothing was changed")
            return add_overlay(self._folder(encoder_sha256), overlay)

    def roll_back(self, encoder_sha256: str, check: Callable[[Overlay], object] = _accept) -> Overlay:
        """Go back to the state before, and forget the current one, be that damaged or not.

        Args:
            encoder_sha256: of the encoder in use.
            check: is given the state before, and may refuse it by an error.

        Raises:
            SoundError: there is none before; another is changing it, and takes too long.
            SinkError: the directory cannot be written.
            BundleError: the state before is damaged as well, and the current one now.
            Whatever `check` raises. Then, as with the first two, nothing has changed.
        """
        with self._alone():
            *before, current = self._states_to_leave(encoder_sha256)
            try:
                overlay = overlay_in(before[-1]) if before else Overlay(encoder_sha256)
                check_encoder(overlay, encoder_sha256, "the overlay before", ROLL_BACK)
            except BundleError:
                remove_overlay(current)
                raise
            check(overlay)
            remove_overlay(current)
            return overlay

    def generations(self, encoder_sha256: str) -> list[Generation]:
        """All states that are kept, the oldest first. Raises: BundleError if they cannot be listed."""
        generations = []
        folder = self._folder(encoder_sha256)
        with reading(folder):
            for path in numbered(folder):
                with suppress(FileNotFoundError):  # removed since it was listed
                    stat = path.stat()
                    written = rfc3339(utc(stat.st_mtime))
                    generations.append(Generation(number_of(path), written, stat.st_size))
        return generations

    def elsewhere(self, encoder_sha256: str) -> list[Overlay]:
        """The current ones of other encoders. A damaged one is left out: it is told of once it is in use."""
        overlays = []
        for folder in sorted(self._directory.glob("[0-9a-f]" * _ENCODER_DIGITS)):
            if folder != self._folder(encoder_sha256):
                with suppress(BundleError):
                    overlays.append(current_overlay(folder))
        return [overlay for overlay in overlays if overlay is not None]

    def export(self, encoder_sha256: str) -> bytes:
        """The current one as a file. Raises: BundleError, as `read`."""
        return overlay_bytes(self.read(encoder_sha256))

    def import_(
        self, data: bytes, encoder_sha256: str, where: str, check: Callable[[Overlay], object] = _accept
    ) -> Overlay:
        """Put what `export` gave in place of the current one, be that damaged or not.

        Args:
            data: the file.
            encoder_sha256: of the encoder in use.
            where: what a message calls the file.
            check: is given its overlay, and may refuse it by an error.

        Raises: BundleError if it is damaged or another encoder's; whatever `check` raises; else as `change`.
        """
        overlay = parse_overlay(data, where, EXPORT_AGAIN)
        check_encoder(
            overlay, encoder_sha256, where, "enrol its sounds anew, or use the bundle it was made with"
        )
        with self._alone():
            check(overlay)
            return add_overlay(self._folder(encoder_sha256), overlay)

    def _folder(self, encoder_sha256: str) -> Path:
        return self._directory / encoder_sha256[:_ENCODER_DIGITS]

    def _states_to_leave(self, encoder_sha256: str) -> list[Path]:
        """All states, of which the last can be left. Raises: SoundError."""
        folder = self._folder(encoder_sha256)
        with reading(folder):
            states = numbered(folder)
        if not states:
            raise SoundError("there is nothing to go back to: nothing was added to this bundle")
        if len(states) == 1 and number_of(states[0]) > 1:
            raise SoundError(
                f"there is nothing to go back to: no state before {states[0]} is kept; import another with: "
                "edge-listen overlay import, or remove that file to begin anew"
            )
        return states

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as stack:
            with writing(self._directory):
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                try:
                    stack.enter_context(locked(self._directory / "lock", self._lock_timeout_s))
                except TimeoutError:
                    raise SoundError("another edge-listen is changing the overlay: try again") from None
            yield
