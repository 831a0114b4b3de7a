"""Embedding and prototypes → one cosine score a name, and which names are a label's rivals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edge.settings import Rivals
from edge.types import Embedding, Scores

UNIT_NORM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class PrototypeSet:
    """The prototypes of labels and background, each name with one or more.

    Attributes:
        vectors: (n_prototypes, embedding_dim) float32, each of unit L2 norm.
        owners: (n_prototypes,) intp, ascending: which of `names` each prototype stands for. All have one.
        names: (n_names), each once: labels and background.
        background: (n_names), True for what is there only to be rival to labels.
        rivals_groups: (n_names), synonyms and kin share a group and are never rivals; None for no group.
    """

    vectors: NDArray[np.float32]
    owners: NDArray[np.intp]
    names: tuple[str, ...]
    background: tuple[bool, ...]
    rivals_groups: tuple[str | None, ...]

    def __post_init__(self) -> None:
        """Raises: ValueError, saying which part doesn't fit the others."""
        if self.vectors.ndim != 2 or self.vectors.dtype != np.float32 or not self.vectors.size:
            raise ValueError(
                "prototype vectors must be (n_prototypes, embedding_dim) float32, "
                f"not {self.vectors.shape} {self.vectors.dtype}"
            )
        if not np.isfinite(self.vectors).all():
            raise ValueError("a prototype vector holds a value that is not finite")
        norms = np.linalg.norm(self.vectors, axis=1)
        worst = int(np.argmax(np.abs(norms - 1.0)))
        if abs(norms[worst] - 1.0) > UNIT_NORM_TOLERANCE:
            raise ValueError(f"prototype vector {worst} has norm {norms[worst]:.4g} where 1 is needed")
        if len(set(self.names)) != len(self.names):
            raise ValueError("two prototypes' names are the same; several vectors of one name share an owner")
        if not len(self.names) == len(self.background) == len(self.rivals_groups):
            raise ValueError(
                f"{len(self.names)} prototype names, {len(self.background)} background marks and "
                f"{len(self.rivals_groups)} rivals groups: there must be one of each a name"
            )
        self._check_owners()

    def _check_owners(self) -> None:
        if self.owners.shape != (len(self.vectors),) or not np.issubdtype(self.owners.dtype, np.integer):
            raise ValueError(
                f"prototype owners must be ({len(self.vectors)},) integers, one a vector, "
                f"not {self.owners.shape} {self.owners.dtype}"
            )
        if (np.diff(self.owners) < 0).any():
            raise ValueError("prototype owners must be in ascending order")
        if not np.array_equal(np.unique(self.owners), np.arange(len(self.names))):
            raise ValueError(f"prototype owners must name each of 0 to {len(self.names) - 1} at least once")

    @cached_property
    def first_of_name(self) -> NDArray[np.intp]:
        """(n_names,) intp: where each name's prototypes begin in `vectors`."""
        return np.searchsorted(self.owners, np.arange(len(self.names)))


def scores(embedding: Embedding, prototypes: PrototypeSet) -> Scores:
    """Score each name by the best of its prototypes.

    embedding: (embedding_dim,) float32, unit L2 norm; or (n, embedding_dim) for many.
    Returns: (n_names,) float32 cosine in [-1, 1] in the order of `prototypes.names`; or (n, n_names).
    """
    cosines = embedding @ prototypes.vectors.T
    return np.asarray(np.maximum.reduceat(cosines, prototypes.first_of_name, axis=-1), np.float32)


def rivals_of(prototypes: PrototypeSet, name_index: int, which: Rivals) -> NDArray[np.intp]:
    """Which names a label must beat.

    Args:
        prototypes: the prototypes of labels and background.
        name_index: the label's place in `prototypes.names`.
        which: "background" for the background names, "all" for every name, "none" for none; never the label
            itself and never one of its rivals group.

    Returns: (n_rivals,) intp, places in `prototypes.names`.
    """
    group = prototypes.rivals_groups[name_index]
    return np.array(
        [
            index
            for index, (is_background, other) in enumerate(
                zip(prototypes.background, prototypes.rivals_groups, strict=True)
            )
            if index != name_index
            and (group is None or other != group)
            and (which == "all" or (which == "background" and is_background))
        ],
        np.intp,
    )
