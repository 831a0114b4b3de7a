"""Which part of the generated background's voices, instruments and ranges a clip is made of."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Part: TypeAlias = Literal["train", "heldout", "calibration", "test"]
"""What training hears; what it never hears; and of the latter two halves that share nothing, so that rates of
false alarms are set with one and judged with the other."""
PARTS: tuple[Part, ...] = get_args(Part)
