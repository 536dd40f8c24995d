"""What is read again from the rows: means, sums of moved rows, and the triangle of a thin QR."""

from __future__ import annotations

import numpy as np
import pytest
from geometry import definitions
from geometry.definitions import random_table
from tolerances import EPS64, SAFETY, assert_same_bits, assert_within

from gpuemb.core import threads
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.grams.thin_qr import column_means, triangles
from gpuemb.kernels.gram import BLOCK_ROWS


@pytest.mark.parametrize("words", [1, 7, BLOCK_ROWS + 3])
def test_means_of_columns_are_right_and_of_constant_ones_exact(words: int) -> None:
    x = random_table(words, 4) + 1e6
    x[:, 2] = 0.1
    found = column_means(x)
    assert found[2] == 0.1
    assert_within(found, x.mean(axis=0), SAFETY * EPS64 * np.abs(x).max(axis=0) * np.sqrt(words))


@pytest.mark.parametrize("words", [3, 300, BLOCK_ROWS + 3, 2 * BLOCK_ROWS + 1])
@pytest.mark.parametrize("centered", [False, True])
def test_the_triangle_has_the_products_of_the_rows(words: int, centered: bool) -> None:
    tables = [random_table(words, dim, seed) for seed, dim in enumerate((2, 4))]
    parts = triangles(tables, centered=centered)
    rows = [definitions.centered(table) if centered else table for table in tables]
    for a in range(2):
        for b in range(2):
            bound = SAFETY * EPS64 * 8 * np.linalg.norm(rows[a]) * np.linalg.norm(rows[b])
            assert_within(parts[a].T @ parts[b], rows[a].T @ rows[b], bound)
    assert parts[0].shape[0] <= 6
    below = np.tril(np.concatenate(parts, axis=1), -1)
    np.testing.assert_array_equal(below, np.zeros_like(below))


@pytest.mark.parametrize("condition", [1e4, 1e8, 1e12])
def test_the_triangle_keeps_the_smallest_axis(condition: float) -> None:
    words = BLOCK_ROWS + 100
    left = np.linalg.qr(definitions.centered(random_table(words, 4)))[0]
    x = left * np.logspace(0, -np.log10(condition), 4)
    for table, centered in ((x, False), (x + 1e-3, True)):
        singular = np.linalg.svd(triangles([table], centered=centered)[0], compute_uv=False)
        rounding = EPS64 * np.abs(table).max() * np.sqrt(words)  # of the entries themselves
        assert_within(singular, np.logspace(0, -np.log10(condition), 4), SAFETY * 4 * EPS64 + rounding)


def test_the_triangle_of_one_word_or_of_constant_columns_is_zero() -> None:
    for constant in (np.ones((1, 3)), np.full((50, 3), 0.1), np.tile([0.1, -0.7, 1e6], (9000, 1))):
        for part in triangles([constant, constant], centered=True):
            np.testing.assert_array_equal(part, np.zeros_like(part))


def test_the_number_of_threads_changes_no_bit_of_the_triangle() -> None:
    x, y = random_table(BLOCK_ROWS + 500, 40), random_table(BLOCK_ROWS + 500, 30, 1)
    found = []
    for workers in (1, 2):
        with threads.limit(workers):
            found.append(triangles([x, y], centered=True)[1])
    assert_same_bits(found[1], found[0])


def test_sums_of_moved_rows_are_those_of_the_tables_without_their_means() -> None:
    x, y = random_table(BLOCK_ROWS + 50, 3) + 1e7, random_table(BLOCK_ROWS + 50, 2, 1)
    raw = cross_grams([x, y])
    found = raw.moved_to_means()
    means = np.split(raw.sums / raw.rows, [3])
    expected = cross_grams([table - mean for table, mean in zip((x, y), means, strict=True)])
    for name in ("products", "sums", "lengths", "norms"):
        assert_same_bits(getattr(found, name), getattr(expected, name))
    assert (found.rows, found.preparation, found.moved) == (expected.rows, "raw", True)


@pytest.mark.parametrize(("mean", "moved"), [(10.0, False), (1e3, True)])
def test_rows_are_moved_where_a_millionth_would_be_lost(mean: float, moved: bool) -> None:
    x, y = random_table(400, 3, offset=0), random_table(400, 3, 1, offset=0)
    y[5] = 0
    grams = cross_grams([x + mean, y], "centered")
    assert grams.moved == moved
    assert grams.zeros == 1
    rows = [definitions.centered(x + mean), definitions.centered(y)]
    bound = SAFETY * EPS64 * 400 * (1.0 if moved else mean**2)
    assert_within(grams.products, np.concatenate(rows, axis=1).T @ np.concatenate(rows, axis=1), bound)
