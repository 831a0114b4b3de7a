"""A clip of sound as a request and its answer hold it."""

from __future__ import annotations

import base64

import numpy as np

from edge.types import Samples


def plain_clip(name: str, samples: Samples, rate_hz: int) -> dict[str, object]:
    """A clip as a request holds it: 16-bit samples in base64."""
    pcm = np.clip(np.round(samples * 32767.0), -32768, 32767).astype("<i2")
    return {"name": name, "rate_hz": rate_hz, "pcm": base64.b64encode(pcm.tobytes()).decode()}
