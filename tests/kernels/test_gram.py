from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from gram_sums import FIELDS, assert_close_sums, assert_same_sums
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import FLOATS, awkward_rows, table_sets
from tolerances import EPS32, EPS64, assert_same_bits, assert_within, sum_error

from gpuemb.core import threads
from gpuemb.core.arrays import FloatMatrix, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.core.memory import tiles
from gpuemb.kernels.gram import BLOCK_ROWS, CHUNK_ROWS, PROBES, GramSums, RowScaling, cpu, gram
from gpuemb.kernels.gram.cpu import blas, panels

KERNEL = gram
PREPARATIONS: tuple[RowScaling, ...] = ("raw", "unit")

preparations = st.sampled_from(PREPARATIONS)


def sums(
    device: Device, tables: Sequence[FloatMatrix], preparation: RowScaling = "raw", *more: Any
) -> GramSums:
    """Run the kernel on the device; bring the sums home."""
    found = gram.on(device)([to_device(table, device) for table in tables], preparation, *more)
    return GramSums(*map(to_host, found.fields))


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
    kept = np.all(lengths, axis=0)
    assert found.left_out == np.sum(~kept)
    assert_same_bits(found.norms, np.full((len(tables), len(tables)), float(kept.sum())))
    rest = sums(device, [table[kept] for table in tables], "unit") if kept.any() else None
    expected = rest.products if rest else np.zeros_like(found.products)
    assert_within(found.products, expected, sum_error(len(kept), float(len(kept))))


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
    if preparation == "unit":  # a row without length in the others would be left out of the pair too
        assume(all(table.any(axis=1).all() for table in tables))
    among = sums(device, tables, preparation)
    alone = sums(device, tables[:2], preparation)
    width = alone.products.shape[0]
    assert_same_bits(np.ascontiguousarray(among.products[:width, :width]), alone.products)
    for field in ("sums", "lengths"):
        found, expected = getattr(among, field), getattr(alone, field)
        assert_within(found[: len(expected)], expected, sum_error(len(tables[0]), among.lengths.sum() + 60))


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
    assert_same_sums(parts[0] + parts[1] + parts[2], whole)


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_one_more_block_added_to_the_sums_before_it_gives_the_same_bits(
    device: Device, tall: list[FloatMatrix], preparation: RowScaling
) -> None:
    first, rest = ([table[a:b] for table in tall] for a, b in pairwise([0, 2 * BLOCK_ROWS, len(tall[0])]))
    added = sums(device, first, preparation) + sums(device, rest, preparation)
    assert_same_sums(added, sums(device, tall, preparation))


@pytest.mark.parametrize("workers", [2, 3])
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


# Products in float32, chosen pairs, moved rows, tables wider than are read at once.


def test_float32_products_come_with_the_images_of_the_true_ones(tall: list[FloatMatrix]) -> None:
    found, expected = (f(tall, "raw", "float32") for f in (gram.on(CPU), gram.reference))
    magnitude = gram.reference([np.abs(table) for table in tall]).products
    assert_within(found.products, expected.products, sum_error(len(tall[0]), magnitude, EPS32))
    edges = np.cumsum([0, *(table.shape[1] for table in tall)])
    if found.images.shape[1] == 0:
        return  # a device may multiply in float64 all the same
    for s, (a, b) in enumerate(pairwise(edges)):
        later = slice(s * PROBES, None)
        bound = sum_error(len(tall[0]), 8 * np.sqrt(edges[-1]) * magnitude.max())
        assert_within(found.images[a:b, later], expected.images[a:b, later], bound)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_tables_read_in_groups_have_the_same_products(
    tall: list[FloatMatrix], preparation: RowScaling, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = sums(CPU, tall, preparation, precision)
    monkeypatch.setattr(cpu, "WIDTH", 20)
    parted = sums(CPU, tall, preparation, precision)
    for field in ("products", "zeros", "left_out"):
        assert_same_bits(getattr(parted, field), getattr(whole, field))
    for field in ("sums", "lengths", "norms", "weighted"):
        bound = sum_error(len(tall[0]), np.abs(getattr(whole, field)).max() + len(tall[0]))
        assert_within(getattr(parted, field), getattr(whole, field), bound)


def test_pairs_that_are_asked_for_have_the_products_of_all(device: Device, tall: list[FloatMatrix]) -> None:
    whole, chosen = sums(device, tall), sums(device, tall, "raw", "float64", [(0, 2)])
    assert_same_bits(
        np.ascontiguousarray(chosen.products[:9, 14:]), np.ascontiguousarray(whole.products[:9, 14:])
    )
    for field in FIELDS[1:]:
        assert_same_bits(getattr(chosen, field), getattr(whole, field))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@given(tables=table_sets(), preparation=preparations, seed=st.integers(0, 99))
def test_rows_are_moved_before_they_are_scaled(
    precision: str, tables: list[FloatMatrix], preparation: RowScaling, seed: int
) -> None:
    numbers = np.random.default_rng(seed)
    origins = [numbers.standard_normal(table.shape[1]) for table in tables]
    moved = [table.astype(np.float64) - origin for table, origin in zip(tables, origins, strict=True)]
    found = sums(CPU, tables, preparation, precision, None, origins)
    assert_same_sums(found, sums(CPU, moved, preparation, precision))


def test_the_order_of_numbers_in_memory_changes_no_bit(tall: list[FloatMatrix]) -> None:
    turned = [np.asfortranarray(table) for table in tall]
    assert_same_sums(sums(CPU, turned), sums(CPU, tall))


# The strategies of the CPU: panels where registers have 512 bits, BLAS elsewhere. Both run everywhere.


@pytest.fixture(params=[blas, panels], ids=["blas", "panels"])
def strategy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(cpu, "STRATEGY", request.param)
    taken: ModuleType = request.param
    return taken


@pytest.mark.parametrize("preparation", PREPARATIONS)
def test_each_road_sums_within_rounding_for_any_number_of_threads(
    strategy: ModuleType, preparation: RowScaling, tall: list[FloatMatrix]
) -> None:
    with threads.limit(1):
        expected = sums(CPU, tall, preparation)
    with threads.limit(3):
        found = sums(CPU, tall, preparation)
    assert_same_sums(found, expected)
    assert_close_sums(found, tall, preparation)


@pytest.mark.parametrize("dim", [1, 8, 15, 16, 17, 33, 130])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_each_strategy_multiplies_tables_of_any_width(strategy: ModuleType, precision: str, dim: int) -> None:
    words = CHUNK_ROWS + 3
    tables = [awkward_rows("gaussian", "float32", words, width, width) for width in (dim, 5)]
    found = sums(CPU, tables, "raw", precision)
    magnitude = gram.reference([np.abs(table) for table in tables])
    for field in ("products", "sums", "weighted", "norms", "lengths"):
        eps = EPS32 if (precision, field) == ("float32", "products") else EPS64
        bound = sum_error(words + dim, getattr(magnitude, field), eps)
        assert_within(getattr(found, field), getattr(gram.reference(tables), field), bound)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_each_strategy_leaves_zero_rows_out_of_all_tables(strategy: ModuleType, precision: str) -> None:
    tables = [awkward_rows("zero rows", "float32", 300, dim, dim) for dim in (20, 9)]
    kept = np.all([table.any(axis=1) for table in tables], axis=0)
    assert 0 < kept.sum() < len(kept)
    found = sums(CPU, tables, "unit", precision)
    rest = sums(CPU, [table[kept] for table in tables], "unit", precision)
    assert found.left_out == np.sum(~kept)
    for field in ("products", "images", "sums", "weighted"):
        eps = EPS32 if (precision, field) == ("float32", "products") else EPS64
        scale = np.abs(getattr(rest, field)).max(initial=0.0) + len(kept)
        assert_within(getattr(found, field), getattr(rest, field), sum_error(len(kept), scale, eps))
