"""Overlays for tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.overlay.content import EnrolledSound, Overlay, SiteBackground

ENCODER = "0123456789abcdef" * 4
OTHER_ENCODER = "f" * 64
CREATED = "2024-05-01T12:02:31.250Z"


def unit_rows(n: int, dim: int = 16, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def own_sound(name: str, n: int = 2, dim: int = 16, seed: int = 0, threshold: float = 0.7) -> EnrolledSound:
    made_from = tuple(f"ring{number}.wav" for number in range(n))
    return EnrolledSound(name, unit_rows(n, dim, seed), made_from, made_from, threshold, CREATED)


def full_overlay(encoder_sha256: str = ENCODER) -> Overlay:
    return Overlay(
        encoder_sha256,
        (own_sound("our doorbell"), own_sound("das Öltor", 1, seed=1, threshold=-0.25)),
        SiteBackground(unit_rows(3, seed=2), CREATED, 1800.5, -52.25),
        {"dog bark": 0.5, "our doorbell": 2.0},
    )


def with_sound(overlay: Overlay, name: str) -> Overlay:
    return Overlay(
        overlay.encoder_sha256, (*overlay.sounds, own_sound(name)), overlay.site, overlay.false_alarms
    )


def names(overlay: Overlay) -> list[str]:
    return [sound.name for sound in overlay.sounds]


def assert_same(one: Overlay, other: Overlay) -> None:
    """Equal to the last bit."""
    assert one.encoder_sha256 == other.encoder_sha256
    assert list(one.false_alarms.items()) == list(other.false_alarms.items())
    assert len(one.sounds) == len(other.sounds)
    for a, b in zip(one.sounds, other.sounds, strict=True):
        assert (a.name, a.made_from, a.clips, a.created) == (b.name, b.made_from, b.clips, b.created)
        assert a.threshold == b.threshold
        assert_same_numbers(a.vectors, b.vectors)
    assert (one.site is None) == (other.site is None)
    if one.site is not None and other.site is not None:
        assert (one.site.created, one.site.heard_s, one.site.level_dbfs) == (
            other.site.created,
            other.site.heard_s,
            other.site.level_dbfs,
        )
        assert_same_numbers(one.site.vectors, other.site.vectors)


def assert_same_numbers(one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    assert one.dtype == other.dtype == np.float32
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()
