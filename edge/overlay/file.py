"""An overlay as one file: a line with version and hash, then JSON that gives the very same numbers back.

    edge-listen overlay 1 <sha256 of all that follows>
    {"encoder_sha256": "...", "sounds": [...], "site": null, "false_alarms": {"dog bark": 0.5}}

A vector is the base64 of its float32 numbers, little end first. The hash finds damage; it doesn't tell who
made the file, so all of it is checked as well.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError, one_line
from edge.labels import fold, quoted
from edge.overlay.content import EnrolledSound, Overlay, SiteBackground
from edge.schema import build

VERSION = 1
MAX_OVERLAY_BYTES = 8 << 20
"""Some 3000 prototypes of 512 numbers; in base64 it still fits into a request to the control socket."""
NORM_TOLERANCE = 1e-3
ROLL_BACK = "go back with: edge-listen overlay rollback"
_FIRST_LINE = re.compile(rb"edge-listen overlay (\d{1,9}) ([0-9a-f]{64})")


@dataclass(frozen=True)
class _PlainSound:
    name: str
    vectors: tuple[str, ...]
    made_from: tuple[str, ...]
    clips: tuple[str, ...]
    threshold: float
    created: str


@dataclass(frozen=True)
class _PlainSite:
    vectors: tuple[str, ...]
    created: str
    heard_s: float
    level_dbfs: float


@dataclass(frozen=True)
class _PlainOverlay:
    encoder_sha256: str
    sounds: tuple[_PlainSound, ...]
    site: _PlainSite | None
    false_alarms: Mapping[str, float]


def overlay_bytes(overlay: Overlay) -> bytes:
    """The file that holds it: the same bytes for the same overlay. It is not checked here."""
    rates = {label: float(rate) for label, rate in overlay.false_alarms.items()}
    sounds = tuple(_plain_sound(sound) for sound in overlay.sounds)
    plain = _PlainOverlay(overlay.encoder_sha256, sounds, _plain_site(overlay.site), rates)
    content = json.dumps(asdict(plain)).encode() + b"\n"
    return b"edge-listen overlay %d %s\n" % (VERSION, hashlib.sha256(content).hexdigest().encode()) + content


def parse_overlay(data: bytes, where: str, advice: str = ROLL_BACK) -> Overlay:
    """Read what `overlay_bytes` wrote, and check it.

    Args:
        data: the whole file.
        where: what a message calls it.
        advice: what to do if it cannot be used, for the message.

    Raises: BundleError if it is damaged, too large, of a newer version, or holds what an `Overlay` can't.
    """
    try:
        plain: _PlainOverlay = build(_PlainOverlay, json.loads(_content(data)))
        _check(plain)
        return _overlay(plain)
    except RecursionError:  # of JSON that is nested too deep
        raise BundleError(f"{where} cannot be used: it is nested too deep; {advice}") from None
    except ValueError as error:
        raise BundleError(f"{where} cannot be used: {one_line(str(error))}; {advice}") from error


def _content(data: bytes) -> bytes:
    if len(data) > MAX_OVERLAY_BYTES:
        raise ValueError(f"it is larger than {MAX_OVERLAY_BYTES >> 20} MiB")
    first_line, _, content = data.partition(b"\n")
    match = _FIRST_LINE.fullmatch(first_line)
    if match is None:
        raise ValueError("it is damaged, or no overlay of edge-listen")
    version, sha256 = int(match[1]), match[2].decode()
    if version > VERSION:
        raise ValueError(f"it was made by a newer version of edge-listen (its format is {version})")
    if version < VERSION:
        raise ValueError(f"it is of the unknown format {version}")
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError("it is damaged: its content is not what its first line says")
    return content


def _check(plain: _PlainOverlay) -> None:
    if re.fullmatch("[0-9a-f]{64}", plain.encoder_sha256) is None:
        raise ValueError("encoder_sha256 is not a hash")
    _check_names("sound", [sound.name for sound in plain.sounds])
    _check_names("calibrated label", plain.false_alarms)
    for sound in plain.sounds:
        name = quoted(sound.name)
        if not -1.0 <= sound.threshold <= 1.0:
            raise ValueError(f"the threshold of {name} must be within -1 and 1, not {sound.threshold:g}")
        if len(sound.made_from) != len(sound.vectors):
            raise ValueError(f"{name} must say of each prototype what it was made from")
    for label, rate in plain.false_alarms.items():
        if not rate > 0:
            raise ValueError(f"the rate of false alarms of {quoted(label)} must be above 0, not {rate:g}")
    if plain.site is not None and not plain.site.heard_s > 0:
        raise ValueError("the site's background must be made from more than 0 s of sound")


def _check_names(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        folded = fold(name)
        if not folded or not name.isprintable():
            raise ValueError(f"{quoted(name)} is no name of a {what}")
        if folded in seen:
            raise ValueError(f"it holds two {what}s called {quoted(name)}")
        seen.add(folded)


def _overlay(plain: _PlainOverlay) -> Overlay:
    sounds = tuple(_sound(sound) for sound in plain.sounds)
    site = None if plain.site is None else _site(plain.site)
    dims = {sound.vectors.shape[1] for sound in sounds} | ({site.vectors.shape[1]} if site else set())
    if len(dims) > 1:
        raise ValueError(
            f"its prototypes have {' and '.join(map(str, sorted(dims)))} numbers, not all as many"
        )
    return Overlay(plain.encoder_sha256, sounds, site, plain.false_alarms)


def _sound(plain: _PlainSound) -> EnrolledSound:
    vectors = _vectors(plain.vectors, quoted(plain.name))
    return EnrolledSound(plain.name, vectors, plain.made_from, plain.clips, plain.threshold, plain.created)


def _site(plain: _PlainSite) -> SiteBackground:
    vectors = _vectors(plain.vectors, "the site's background")
    return SiteBackground(vectors, plain.created, plain.heard_s, plain.level_dbfs)


def _vectors(texts: tuple[str, ...], whose: str) -> NDArray[np.float32]:
    """(len(texts), embedding_dim) float32, unit norms. Raises: ValueError."""
    try:
        rows = [np.frombuffer(base64.b64decode(text, validate=True), "<f4") for text in texts]
        vectors = np.stack(rows).astype(np.float32)
    except ValueError:  # no base64, no whole float32 numbers, not all of one length, or none at all
        raise ValueError(f"the prototypes of {whose} are not vectors of one size") from None
    norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    if not np.all(np.abs(norms - 1.0) <= NORM_TOLERANCE):  # a NaN is not within it either
        raise ValueError(f"a prototype of {whose} has not norm 1")
    return vectors


def _plain_sound(sound: EnrolledSound) -> _PlainSound:
    return _PlainSound(
        sound.name,
        _texts(sound.vectors),
        sound.made_from,
        sound.clips,
        float(sound.threshold),
        sound.created,
    )


def _plain_site(site: SiteBackground | None) -> _PlainSite | None:
    if site is None:
        return None
    return _PlainSite(_texts(site.vectors), site.created, float(site.heard_s), float(site.level_dbfs))


def _texts(vectors: NDArray[np.float32]) -> tuple[str, ...]:
    return tuple(base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors)
