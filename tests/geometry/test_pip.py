"""The PIP loss equals its V×V definition, for tables of any dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from geometry import definitions, rounding
from geometry.definitions import random_rotation, random_table
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ShapeError
from gpuemb.geometry.pip import pip_loss

TABLES = {
    "words": st.integers(4, 60),
    "dim": st.integers(1, 6),
    "other": st.integers(1, 6),
    "seed": st.integers(0, 999),
}


@settings(deadline=None)
@given(**TABLES)
def test_pip_loss_equals_its_definition(words: int, dim: int, other: int, seed: int) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    assert abs(pip_loss(x, y).value ** 2 - definitions.pip(x, y) ** 2) <= rounding.squared_pip_error(x, y)


@settings(deadline=None)
@given(**TABLES)
def test_pip_loss_does_not_see_rotations(words: int, dim: int, other: int, seed: int) -> None:
    x, y = random_table(words, dim, seed), random_table(words, other, seed + 1)
    turned = pip_loss(x @ random_rotation(dim), y @ random_rotation(other, 1)).value
    assert abs(turned**2 - pip_loss(x, y).value ** 2) <= rounding.squared_pip_error(x, y)


@pytest.mark.parametrize("size", [0.0, 1e-7, 1e-4])
def test_a_nearly_equal_table_of_more_dimensions_keeps_its_digits(size: float) -> None:
    x = random_table()
    wide = np.concatenate([x, np.zeros((40, 3))], axis=1)
    difference = size * random_table(40, 8, 1)
    expected = definitions.pip_of_difference(wide, difference)
    for first, second in ((x, wide + difference), (wide + difference, x)):
        assert abs(
            pip_loss(first, second).value - expected
        ) <= rounding.PROMISED * expected + rounding.vanished_pip(x)


def test_unequal_words_are_refused() -> None:
    with pytest.raises(ShapeError, match="X has 40 rows but Y has 41"):
        pip_loss(random_table(), random_table(41))
