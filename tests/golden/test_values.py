"""The public functions have the values on fixed tables that they had."""

from __future__ import annotations

import json

import numpy as np
import pytest
from golden.values import SMALL, small_values

# Another BLAS adds in another order: every measure promises six digits whatever it is, and what is 0 but for
# rounding (an instability of a table and itself, of nearly equal ones) is some eps of the sums it comes from.
DIGITS, ROUNDING = 1e-6, 1e-14


@pytest.mark.slow
def test_values_are_those_of_the_file() -> None:
    expected, found = json.loads(SMALL.read_text("utf-8")), small_values()
    assert list(found) == list(expected)
    far = [
        f"{name}: {found[name]}, was {known}"
        for name, known in expected.items()
        if not np.allclose(found[name], known, rtol=DIGITS, atol=ROUNDING, equal_nan=True)
    ]
    assert far == []
