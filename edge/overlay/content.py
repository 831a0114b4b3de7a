"""What a person added to a bundle: own sounds, the site's background, rates of false alarms asked for.

The bundle itself is never changed. `edge.overlay.file` is its form on disk, `edge.overlay.store` keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class EnrolledSound:
    """A label made from a person's own clips.

    Attributes:
        name: what it is listened for by, and what its events bear.
        vectors: (n_prototypes, embedding_dim) float32, unit L2 norms.
        made_from: (n_prototypes), which clips each prototype was made from, for a person.
        clips: names of all clips, as they were given.
        threshold: on-threshold, a cosine in [-1, 1].
        created: when, UTC in RFC 3339.
    """

    name: str
    vectors: NDArray[np.float32]
    made_from: tuple[str, ...]
    clips: tuple[str, ...]
    threshold: float
    created: str


@dataclass(frozen=True, eq=False)
class SiteBackground:
    """What the place sounds like when nothing is wrong.

    Attributes:
        vectors: (n_prototypes, embedding_dim) float32, unit L2 norms.
        created: when, UTC in RFC 3339.
        heard_s: seconds of sound that it was made from.
        level_dbfs: the usual level of a window (median), in dB against full scale.
    """

    vectors: NDArray[np.float32]
    created: str
    heard_s: float
    level_dbfs: float


@dataclass(frozen=True, eq=False)
class Overlay:
    """All additions for one encoder.

    Attributes:
        encoder_sha256: of the encoder whose embeddings these are, as in the bundle's prototypes file.
        sounds: the person's own, by the time they were added; names differ when folded.
        site: the site's background, or None.
        false_alarms: label's name → false alarms an hour that it was calibrated for.
    """

    encoder_sha256: str
    sounds: tuple[EnrolledSound, ...] = ()
    site: SiteBackground | None = None
    false_alarms: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added."""
        return not self.sounds and self.site is None and not self.false_alarms
