"""What can go wrong with a checkpoint."""

from __future__ import annotations

from edge.errors import SoundError


class CheckpointError(SoundError, ValueError):
    """A checkpoint cannot be had, is damaged, or is not LAION-CLAP's."""

    exit_code = 3
