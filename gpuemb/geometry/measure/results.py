"""Values of measures, with their preparation, reasons and uncertainty."""

from __future__ import annotations

import math

from gpuemb.core.results import result
from gpuemb.uncertainty.results import Uncertainty


@result(eq=True)
class Similarity(Uncertainty):
    """One number about two tables; its uncertainty if requested.

    Attributes:
        value: the number; NaN where the measure does not exist.
        measure: its name.
        preparation: of the rows, ``raw``, ``unit`` or ``centered``.
        zero_rows: rows without length in either table.
        reason: why the value is NaN; empty otherwise.
        recomputed: whether the rows were read again, their Gram having lost too many digits.
        error_bound: how far the value may be from the exact one where it was binned; 0 where it was not.
    """

    value: float
    measure: str
    preparation: str
    zero_rows: int = 0
    reason: str = ""
    recomputed: bool = False
    error_bound: float = 0.0

    def __float__(self) -> float:
        return self.value


@result(eq=True)
class DirectedSimilarity(Similarity):
    """A measure that is not symmetric, in both directions.

    Attributes:
        reverse: the same with X and Y exchanged.
    """

    reverse: float = math.nan
