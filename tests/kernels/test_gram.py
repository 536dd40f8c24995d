from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from gram_sums import FIELDS, assert_close_sums, assert_same_sums
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import FLOATS, awkward_rows, table_sets
from tolerances import assert_same_bits, assert_within, sum_error

from gpuemb.core import threads
from gpuemb.core.arrays import FloatMatrix, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, RowScaling, gram

KERNEL = gram
PREPARATIONS: tuple[RowScaling, ...] = ("raw", "unit")

preparations = st.sampled_from(PREPARATIONS)


def sums(device: Device, tables: Sequence[FloatMatrix], preparation: RowScaling = "raw") -> GramSums:
    """Run the kernel on the device; bring the sums home."""
    found = gram.on(device)([to_device(table, device) for table in tables], preparation)
    return GramSums(*(to_host(getattr(found, field)) for field in FIELDS))


@given(tables=table_sets(), preparation=preparations)
def test_sums_are_the_reference_s_within_rounding(
    device: Device, tables: list[FloatMatrix], preparation: RowScaling
) -> None:
    assert_close_sums(sums(device, tables, preparation), tables, preparation)


@given(tables=table_sets(), preparation=preparations)
def test_products_are_symmetric_to_the_bit(
    device: Device, tables: list[FloatMatrix], preparation: RowScaling
) -> None:
    found = sums(device, tables, preparation)
    assert_same_bits(found.products, np.ascontiguousarray(found.products.T))
    assert_same_bits(found.norms, np.ascontiguousarray(found.norms.T))


@given(numbers=st.integers(0, 999), words=st.integers(1, 50), preparation=st.just("raw"))
def test_sums_of_small_integers_are_exact(
    device: Device, numbers: int, words: int, preparation: RowScaling
) -> None:
    tables = [
        awkward_rows("tied", dtype, words, dim, numbers)
        for dtype, dim in zip(FLOATS, (3, 17, 8), strict=True)
    ]
    assert_same_sums(sums(device, tables, preparation), gram.reference(tables, preparation))


@given(tables=table_sets())
def test_rows_without_length_are_counted_and_stay_zero(device: Device, tables: list[FloatMatrix]) -> None:
    found = sums(device, tables, "unit")
    lengths = [np.any(table != 0, axis=1) for table in tables]
    assert found.zeros.tolist() == [int((~length).sum()) for length in lengths]
    expected = [[float(np.sum(a & b)) for b in lengths] for a in lengths]  # unit rows: κ is 1 or 0
    assert_within(found.norms, expected, sum_error(len(tables[0]) + 20, expected))
    assert np.isfinite(found.products).all()


@given(tables=table_sets(), factor=st.integers(-3, 3))
def test_unit_sums_do_not_feel_a_power_of_two(device: Device, tables: list[FloatMatrix], factor: int) -> None:
    wide = [table.astype(np.float64) for table in tables]
    scaled = [table * 2.0**factor for table in wide]
    assert_same_sums(sums(device, scaled, "unit"), sums(device, wide, "unit"))


@given(tables=table_sets(), preparation=preparations)
def test_narrow_floats_give_the_bits_of_their_float64_values(
    device: Device, tables: list[FloatMatrix], preparation: RowScaling
) -> None:
    wide = [table.astype(np.float64) for table in tables]
    assert_same_sums(sums(device, tables, preparation), sums(device, wide, preparation))


@given(tables=table_sets(max_tables=3), preparation=preparations)
def test_a_pair_of_tables_gets_the_same_bits_alone_and_among_others(
    device: Device, tables: list[FloatMatrix], preparation: RowScaling
) -> None:
    assume(len(tables) > 1)
    among = sums(device, tables, preparation)
    alone = sums(device, tables[:2], preparation)
    width = alone.products.shape[0]
    assert_same_bits(np.ascontiguousarray(among.products[:width, :width]), alone.products)
    assert_same_bits(among.sums[:width], alone.sums)
    assert_same_bits(np.ascontiguousarray(among.norms[:2, :2]), alone.norms)


def test_the_sources_are_left_as_they_were(device: Device) -> None:
    tables = [
        awkward_rows("zero rows", "float64", 30, 6, seed=1),
        awkward_rows("gaussian", "float64", 30, 4, seed=2),
    ]
    before = [table.copy() for table in tables]
    sums(device, tables, "unit")
    for table, kept in zip(tables, before, strict=True):
        assert_same_bits(table, kept)


# Tables of more than one block of rows.


@pytest.fixture(scope="module")
def tall() -> list[FloatMatrix]:
    words = 2 * BLOCK_ROWS + 1234
    made = zip(("gaussian", "zero rows", "clusters"), FLOATS, (9, 5, 14), strict=True)
    return [awkward_rows(kind, dtype, words, dim, seed=dim) for kind, dtype, dim in made]


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_tall_tables_are_the_reference_s_within_rounding(
    device: Device, tall: list[FloatMatrix], preparation: RowScaling
) -> None:
    assert_close_sums(sums(device, tall, preparation), tall, preparation)


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_sums_of_parts_cut_at_every_block_border_add_up_to_the_same_bits(
    device: Device, tall: list[FloatMatrix], preparation: RowScaling
) -> None:
    whole = sums(device, tall, preparation)
    parts = [
        sums(device, [table[a:b] for table in tall], preparation) for a, b in tiles(len(tall[0]), BLOCK_ROWS)
    ]
    added = GramSums(*(sum(getattr(part, field) for part in parts) for field in FIELDS))
    assert_same_sums(added, whole)


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_one_more_block_added_to_the_sums_before_it_gives_the_same_bits(
    device: Device, tall: list[FloatMatrix], preparation: RowScaling
) -> None:
    first, rest = ([table[a:b] for table in tall] for a, b in pairwise([0, 2 * BLOCK_ROWS, len(tall[0])]))
    parts = sums(device, first, preparation), sums(device, rest, preparation)
    added = GramSums(*(sum(getattr(part, field) for part in parts) for field in FIELDS))
    assert_same_sums(added, sums(device, tall, preparation))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_any_number_of_threads_gives_the_same_bits(
    preparation: RowScaling, workers: int, tall: list[FloatMatrix]
) -> None:
    with threads.limit(1):
        expected = sums(CPU, tall, preparation)
    with threads.limit(workers):
        assert_same_sums(sums(CPU, tall, preparation), expected)


def test_rows_wide_enough_for_threaded_blas_give_the_same_bits() -> None:
    tables = [awkward_rows("gaussian", "float32", BLOCK_ROWS + 100, 200, seed) for seed in (1, 2)]
    with threads.limit(1):
        expected = sums(CPU, tables, "unit")
    with threads.limit(3):
        assert_same_sums(sums(CPU, tables, "unit"), expected)
