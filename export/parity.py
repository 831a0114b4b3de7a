"""How far one encoder's embeddings are from another's, and how far they may be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import SoundError

logger = logging.getLogger(__name__)


class ParityError(SoundError, ValueError):
    """An encoder differs from what it was made from by more than the limits."""

    exit_code = 4


@dataclass(frozen=True)
class Parity:
    """One encoder against another, on the same clips.

    Attributes:
        max_abs: greatest difference of any component.
        cosine_mean: of each clip's two embeddings, on average.
        cosine_min: of the clip for which they differ most.
        centred_cosine: on average, after each encoder's mean embedding is subtracted from its embeddings.
            What all clips have in common makes the plain cosine flattering.
    """

    max_abs: float
    cosine_mean: float
    cosine_min: float
    centred_cosine: float


@dataclass(frozen=True)
class Limits:
    """How far an encoder may be from what it was made from.

    Attributes: as of `Parity`; None where no limit is set.
    """

    max_abs: float | None = None
    cosine_mean: float | None = None
    cosine_min: float | None = None
    centred_cosine: float | None = None


FP32_LIMITS = Limits(max_abs=1e-5, cosine_min=0.99999)
INT8_LIMITS = Limits(cosine_mean=0.995, centred_cosine=0.99)
TEXT_LIMITS = Limits(cosine_mean=0.99)
"""A text's prototype is found by it, not compared with it, so that less will do."""
LEAST_AGREEMENT = 0.97
"""Share of clips of which an int8 encoder must find the same prototype nearest."""


def compare(found: NDArray[np.float32], expected: NDArray[np.float32]) -> Parity:
    """Compare embeddings, (n, dim) float32 of unit norm each, n at least 1.

    Of a single clip the centred cosine is 1, for there is nothing to tell apart.
    """
    a, b = found.astype(np.float64), expected.astype(np.float64)
    cosines = _cosines(a, b)
    centred = _cosines(a - a.mean(axis=0), b - b.mean(axis=0))
    return Parity(
        max_abs=float(np.abs(a - b).max()),
        cosine_mean=float(cosines.mean()),
        cosine_min=float(cosines.min()),
        centred_cosine=float(centred.mean()),
    )


@dataclass(frozen=True)
class Measured:
    """What comparisons found.

    Attributes:
        figures: for the manifest.
        beyond_limits: which of them are beyond their limits, in words.
    """

    figures: Mapping[str, float | str]
    beyond_limits: tuple[str, ...] = ()

    def __add__(self, other: Measured) -> Measured:
        return Measured({**self.figures, **other.figures}, (*self.beyond_limits, *other.beyond_limits))

    def accepted(self, *, overrule: bool) -> Measured:
        """The same, once it is within its limits, or it is said in it that it was accepted all the same.

        Raises: ParityError, unless `overrule`.
        """
        if not self.beyond_limits:
            return self
        words = "; ".join(self.beyond_limits)
        if not overrule:
            raise ParityError(f"nothing is written: {words}; --accept-parity overrules and is recorded")
        logger.warning("accepted although %s", words)
        return self + Measured({"accepted_although": words})


def measure(
    what: str, than: str, found: NDArray[np.float32], expected: NDArray[np.float32], limits: Limits
) -> Measured:
    """Compare the embeddings of `what` with those of `than`, see `compare`."""
    parity = compare(found, expected)
    logger.info(
        "  %-20s cosine mean %.6f, min %.6f, centred %.5f; max abs %.1e",
        f"{what} to {than}", parity.cosine_mean, parity.cosine_min, parity.centred_cosine, parity.max_abs,
    )  # fmt: skip
    figures = {f"{what}_to_{than}_{name}": float(f"{value:.6g}") for name, value in asdict(parity).items()}
    return Measured(figures, tuple(f"{what} to {than}: {words}" for words in beyond(parity, limits)))


def measure_agreement(what: str, than: str, found: NDArray[np.intp], expected: NDArray[np.intp]) -> Measured:
    """Share of clips for which both encoders find the same prototype nearest, given its number for each."""
    share = float(np.mean(found == expected))
    logger.info("  %-20s nearest prototype the same for %.1f %%", f"{what} to {than}", 100 * share)
    too_low = f"{what} to {than}: agreement {share:.4g} is below {LEAST_AGREEMENT:g}"
    figures = {f"{what}_to_{than}_agreement": float(f"{share:.6g}")}
    return Measured(figures, (too_low,) if share < LEAST_AGREEMENT else ())


def beyond(parity: Parity, limits: Limits) -> list[str]:
    """Which figures are beyond their limits, each in words; none if all is well."""
    figures, allowed = asdict(parity), asdict(limits)
    return [
        f"{name} {figures[name]:.6g} is {'above' if name == 'max_abs' else 'below'} {limit:g}"
        for name, limit in allowed.items()
        # NaN is within no limit.
        if limit is not None and not (figures[name] <= limit if name == "max_abs" else figures[name] >= limit)
    ]


def _cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    of_a, of_b = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    # Two embeddings that both are the mean have no direction in which they could differ; if one is, they do.
    directionless = np.where((of_a == 0) & (of_b == 0), 1.0, 0.0)
    norms = of_a * of_b
    return np.asarray(np.divide(np.einsum("nd,nd->n", a, b), norms, out=directionless, where=norms != 0))
