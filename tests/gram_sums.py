"""What the sums of a Gram are held to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tolerances import assert_same_bits, assert_within, sum_error

from gpuemb.core.arrays import FloatMatrix
from gpuemb.kernels.gram import GramSums, RowScaling, gram

FIELDS = ("products", "sums", "lengths", "norms", "weighted", "zeros", "left_out")
COUNTS = ("zeros", "left_out")


def assert_same_sums(found: GramSums, expected: GramSums) -> None:
    for field in FIELDS:
        assert_same_bits(getattr(found, field), getattr(expected, field))


def assert_close_sums(found: GramSums, tables: Sequence[FloatMatrix], preparation: RowScaling) -> None:
    """Each entry may err by the walk of its terms: V rows, and the d squares in a row's length."""
    expected = gram.reference(tables, preparation)
    terms = len(tables[0]) + max(table.shape[1] for table in tables)
    magnitude = gram.reference([np.abs(table) for table in tables], preparation)
    for field in FIELDS:
        if field in COUNTS:
            assert_same_bits(getattr(found, field), getattr(expected, field))
            continue
        bound = sum_error(terms, getattr(magnitude, field))
        assert_within(getattr(found, field), getattr(expected, field), bound)
