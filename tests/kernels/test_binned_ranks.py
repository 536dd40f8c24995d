"""Cells and products of ranks of all cosines: the reference's, whatever the stripe, and add up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tolerances import EPS64

from gpuemb.core.arrays import Float64
from gpuemb.core.device import CPU
from gpuemb.kernels.binned_ranks import BINS, TILE, Grid, rank_histogram, rank_products

GRID = Grid(-1.0 + 2.0**-30, BINS / 2)  # borders that no simple fraction lies on
NARROW = Grid(-0.1, BINS / 0.2)  # most cosines lie beyond, in the last cells


def unit(words: int, dim: int, seed: int = 0) -> Float64:
    rows = np.random.default_rng([seed, words, dim]).standard_normal((words, dim))
    rows[words // 2] = rows[0]
    rows[words - 1] = -rows[0]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


SHAPES = [(2, 1), (3, 2), (40, 5), (TILE, 3), (TILE + 1, 3), (2 * TILE + 77, 4)]


@pytest.mark.parametrize("grid", [GRID, NARROW])
@pytest.mark.parametrize(("words", "dim"), SHAPES)
def test_cells_are_those_of_the_reference_but_for_cosines_on_a_border(
    words: int, dim: int, grid: Grid
) -> None:
    """A sum in another order may carry a cosine over a border, into the next cell."""
    rows = unit(words, dim)
    found, expected = (f(rows, 0, words, grid) for f in (rank_histogram.on(CPU), rank_histogram.reference))
    assert (found.dtype, found.shape) == (np.int64, (BINS,))
    assert found.sum() == expected.sum() == words * (words - 1) // 2
    moved = np.abs(np.cumsum(found - expected))  # pairs carried over each border
    near = 4 * dim * EPS64 * grid.scale  # share of a cell that rounding can cross
    assert moved.max() <= 1 + words // TILE
    assert moved.sum() <= 2 + 100 * near * words * (words - 1)


@pytest.mark.parametrize(("words", "dim"), SHAPES)
def test_products_are_those_of_the_reference(words: int, dim: int) -> None:
    x, y = unit(words, dim), unit(words, dim + 1, 1)
    smooth = np.linspace(-1, 1, BINS) ** 3  # a border changes little
    other = np.linspace(1, 0, BINS)
    found, expected = (
        f(x, y, 0, words, GRID, NARROW, smooth, other)
        for f in (rank_products.on(CPU), rank_products.reference)
    )
    pairs = words * (words - 1) // 2
    assert abs(found - expected) <= pairs * (EPS64 * pairs + 1e-12)


@pytest.mark.parametrize("cuts", [[0, TILE, 2 * TILE + 77], [0, 2 * TILE, 2 * TILE + 77]])
def test_stripes_add_up(cuts: list[int]) -> None:
    x, y = unit(2 * TILE + 77, 4), unit(2 * TILE + 77, 3, 1)
    ranks = np.arange(BINS) - BINS / 2
    cells, products = rank_histogram.on(CPU), rank_products.on(CPU)
    parts = list(pairwise(cuts))
    np.testing.assert_array_equal(sum(cells(x, *part, GRID) for part in parts), cells(x, 0, len(x), GRID))
    whole = products(x, y, 0, len(x), GRID, GRID, ranks, ranks)
    assert abs(sum(products(x, y, *part, GRID, GRID, ranks, ranks) for part in parts) - whole) <= (
        1e-12 * abs(whole)
    )


def test_cells_and_products_see_the_same_cosines() -> None:
    """Ranks that are 1 in one cell only: the product counts what the cell holds, to the last pair."""
    x = unit(TILE + 300, 3)
    counts = rank_histogram.on(CPU)(x, 0, len(x), GRID)
    parity = (np.arange(BINS) % 2).astype(np.float64)
    ones = np.ones(BINS)
    found = rank_products.on(CPU)(x, x, 0, len(x), GRID, GRID, parity, ones)
    assert found == counts[1::2].sum()
