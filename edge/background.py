"""What calibration counts in: windows of background, and of the labels' own sounds, as embeddings.

docs/bundle-format.md describes the file. Background is kept as *moments*: the few windows of a recording,
near one another, that resemble some label most, with how many such moments each stands for (Horvitz &
Thompson, 1952: a moment kept with probability p counts 1/p times).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError
from edge.manifest_entries import EXPORT_AGAIN
from edge.npz_file import check_array, npz_bytes, read_npz, read_text


@dataclass(frozen=True, eq=False)
class Members:
    """Windows of recordings of the labels' own sounds, which their prototypes were not made from.

    Attributes:
        embeddings: (m, dim) float32, unit L2 norms.
        label: (m,) intp, place in the manifest's labels.
        recording: (m,) intp, ascending from 0 without gaps; a recording is of one label.
        position: (m,) intp, number of the window in its recording, a hop each, ascending within it.
        are: what they are, for a person.
    """

    embeddings: NDArray[np.float32]
    label: NDArray[np.intp]
    recording: NDArray[np.intp]
    position: NDArray[np.intp]
    are: str


@dataclass(frozen=True, eq=False)
class Background:
    """What false alarms are counted in.

    Attributes:
        embeddings: (n, dim) float32, unit L2 norms.
        moment: (n,) intp, ascending from 0 without gaps: windows near one another in a recording.
        position: (n,) intp, number of the window in its recording, a hop each, ascending within a moment.
        weight: (n_moments,) float32 above 0: how many moments each stands for.
        recording: (n_moments,) intp: number of the recording that a moment is from.
        n_recordings: how many recordings there were, those without a moment too.
        duration_s: length of all recordings together, in seconds.
        hop_s: seconds between two windows.
        members: of the labels' own sounds; without rows where there are none.
        encoder_sha256: of the encoder that made all embeddings.
    """

    embeddings: NDArray[np.float32]
    moment: NDArray[np.intp]
    position: NDArray[np.intp]
    weight: NDArray[np.float32]
    recording: NDArray[np.intp]
    n_recordings: int
    duration_s: float
    hop_s: float
    members: Members
    encoder_sha256: str


_NAMES = (
    "embeddings", "moment", "position", "weight", "recording", "n_recordings", "duration_s", "hop_s",
    "member_embeddings", "member_label", "member_recording", "member_position", "members_are",
    "encoder_sha256",
)  # fmt: skip


def background_bytes(background: Background) -> bytes:
    """The file that holds it. Embeddings are rounded to 8 bits, which costs a cosine 0.001 or so."""
    members = background.members
    return npz_bytes(
        embeddings=_as_int8(background.embeddings),
        moment=background.moment.astype(np.int32),
        position=background.position.astype(np.int32),
        weight=background.weight.astype(np.float32),
        recording=background.recording.astype(np.int32),
        n_recordings=np.int32(background.n_recordings),
        duration_s=np.float64(background.duration_s),
        hop_s=np.float64(background.hop_s),
        member_embeddings=_as_int8(members.embeddings),
        member_label=members.label.astype(np.int32),
        member_recording=members.recording.astype(np.int32),
        member_position=members.position.astype(np.int32),
        members_are=np.str_(members.are),
        encoder_sha256=np.str_(background.encoder_sha256),
    )


def read_background(path: Path, embedding_dim: int, n_labels: int) -> Background:
    """Read the file and check all that docs/bundle-format.md says of it.

    n_labels: of the manifest. Raises: BundleError.
    """
    arrays = read_npz(path, _NAMES)
    n_rows, n_members = (len(np.atleast_1d(arrays[name])) for name in ("embeddings", "member_embeddings"))
    n_moments = len(np.atleast_1d(arrays["weight"]))
    check_array(path, "embeddings", arrays["embeddings"], np.int8, (None, embedding_dim))
    check_array(path, "member_embeddings", arrays["member_embeddings"], np.int8, (n_members, embedding_dim))
    for name in ("moment", "position"):
        check_array(path, name, arrays[name], np.int32, (n_rows,))
    for name in ("member_label", "member_recording", "member_position"):
        check_array(path, name, arrays[name], np.int32, (n_members,))
    check_array(path, "weight", arrays["weight"], np.float32, (n_moments,))
    check_array(path, "recording", arrays["recording"], np.int32, (n_moments,))
    check_array(path, "n_recordings", arrays["n_recordings"], np.int32, ())
    for name in ("duration_s", "hop_s"):
        check_array(path, name, arrays[name], np.float64, ())
        if not arrays[name] > 0:
            raise BundleError(f"{path}: {name} must be above 0, not {arrays[name]}; {EXPORT_AGAIN}")
    _check_groups(path, "moment", arrays["moment"], arrays["position"])
    _check_groups(path, "member_recording", arrays["member_recording"], arrays["member_position"])
    if n_rows == 0 or int(arrays["moment"][-1]) + 1 != n_moments:
        raise BundleError(f"{path}: weight must have one value a moment; {EXPORT_AGAIN}")
    if not np.all(arrays["weight"] > 0):
        raise BundleError(f"{path}: weight must be above 0; {EXPORT_AGAIN}")
    for name, limit in (("recording", int(arrays["n_recordings"])), ("member_label", n_labels)):
        if np.any((arrays[name] < 0) | (arrays[name] >= limit)):
            raise BundleError(f"{path}: {name} must be within 0 and {limit - 1}; {EXPORT_AGAIN}")
    return Background(
        embeddings=_from_int8(path, "embeddings", arrays["embeddings"]),
        moment=arrays["moment"].astype(np.intp),
        position=arrays["position"].astype(np.intp),
        weight=arrays["weight"],
        recording=arrays["recording"].astype(np.intp),
        n_recordings=int(arrays["n_recordings"]),
        duration_s=float(arrays["duration_s"]),
        hop_s=float(arrays["hop_s"]),
        members=Members(
            _from_int8(path, "member_embeddings", arrays["member_embeddings"]),
            arrays["member_label"].astype(np.intp),
            arrays["member_recording"].astype(np.intp),
            arrays["member_position"].astype(np.intp),
            read_text(path, "members_are", arrays["members_are"]),
        ),
        encoder_sha256=read_text(path, "encoder_sha256", arrays["encoder_sha256"]),
    )


def _check_groups(path: Path, name: str, groups: NDArray[np.int32], position: NDArray[np.int32]) -> None:
    steps = np.diff(groups.astype(np.int64), prepend=-1)
    if len(groups) and (steps[0] != 1 or np.any((steps < 0) | (steps > 1))):
        raise BundleError(f"{path}: {name} must ascend from 0 without gaps; {EXPORT_AGAIN}")
    if np.any(np.diff(position.astype(np.int64))[steps[1:] == 0] <= 0):
        raise BundleError(f"{path}: positions must ascend within a {name}; {EXPORT_AGAIN}")


def _as_int8(embeddings: NDArray[np.float32]) -> NDArray[np.int8]:
    largest = np.abs(embeddings).max(axis=1, keepdims=True, initial=1e-12)
    return np.asarray(np.round(embeddings / largest * 127.0), np.int8)


def _from_int8(path: Path, name: str, rows: NDArray[np.int8]) -> NDArray[np.float32]:
    plain = rows.astype(np.float32)
    norms = np.linalg.norm(plain, axis=1, keepdims=True)
    if np.any(norms == 0):
        raise BundleError(f"{path}: {name} holds a row of zeros; {EXPORT_AGAIN}")
    return np.asarray(plain / norms, np.float32)
