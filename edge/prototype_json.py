"""A prototype as plain data for JSON, which gives the very same numbers back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.prototypes import Prototype


@dataclass(frozen=True)
class PlainPrototype:
    """The fields of `Prototype` with lists for arrays, as `edge.schema.build` checks them."""

    vector: tuple[float, ...]
    rows: tuple[int, ...]
    threshold: float
    headroom: float | None
    note: str | None
    kin: tuple[str, ...]

    @classmethod
    def of(cls, prototype: Prototype) -> PlainPrototype:
        """The plain form of a prototype."""
        return cls(
            tuple(prototype.vector.tolist()),
            tuple(prototype.rows.tolist()),
            float(prototype.threshold),
            None if prototype.headroom is None else float(prototype.headroom),
            prototype.note,
            prototype.kin,
        )

    def prototype(self) -> Prototype:
        """The prototype that this is the plain form of."""
        vector, rows = np.array(self.vector, np.float32), np.array(self.rows, np.intp)
        return Prototype(vector, rows, self.threshold, self.headroom, self.note, self.kin)
