"""What was heard is kept, a file a recording, so that an interrupted run goes on where it stopped."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from edge.bundle_arrays import npz_bytes
from edge.npz_file import read_npz
from export.background.hearing import Ear, Heard
from export.background.sound import Sound


class HeardStore:
    """Hears each recording once.

    Args:
        folder: where results are kept, made if it is missing.
        ear: that hears.
    """

    def __init__(self, folder: Path, ear: Ear) -> None:
        self._folder = folder
        self._ear = ear
        folder.mkdir(parents=True, exist_ok=True)

    def heard(self, sound: Sound) -> Heard:
        """What the ear makes of a recording; its samples are asked for only if it wasn't heard before.

        Raises: BundleError if a result cannot be read; EncoderError; OSError; what its samples raise.
        """
        name = hashlib.sha256(f"{self._ear.encoder_sha256} {sound.key}".encode()).hexdigest()[:32]
        path = self._folder / f"{name}.npz"
        if path.is_file():
            arrays = read_npz(path, ("embeddings", "position", "duration_s"))
            return Heard(arrays["embeddings"], arrays["position"], float(arrays["duration_s"]))
        heard = self._ear.hear(sound.blocks())
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(
            npz_bytes(
                embeddings=heard.embeddings,
                position=heard.position,
                duration_s=np.float64(heard.duration_s),
            )
        )
        unfinished.replace(path)
        return heard
