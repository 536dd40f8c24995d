"""The value of a measure with what it takes to read it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Similarity:
    """One number about two tables.

    Attributes:
        value: the number; NaN where the measure does not exist.
        measure: its name.
        preparation: of the rows, ``raw``, ``unit`` or ``centered``.
        zero_rows: rows without length in either table.
        reason: why the value is NaN; empty otherwise.
        recomputed: whether the rows were read again, their Gram having lost too many digits.
    """

    value: float
    measure: str
    preparation: str
    zero_rows: int = 0
    reason: str = ""
    recomputed: bool = False

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class DirectedSimilarity(Similarity):
    """A number that is another one from the other side.

    Attributes:
        reverse: the same with X and Y exchanged.
    """

    reverse: float = math.nan
