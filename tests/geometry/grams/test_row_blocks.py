"""Rows summed in parts: the same bits as in one pass, wherever they were cut; and more rows than memory."""

from __future__ import annotations

import tracemalloc
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from geometry.definitions import random_table
from hypothesis import given, settings
from hypothesis import strategies as st
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, MemoryBudgetError, NonFiniteError
from gpuemb.core.memory import MemoryPlan
from gpuemb.geometry.cross_grams import CrossGrams, cross_grams
from gpuemb.geometry.grams import row_blocks
from gpuemb.geometry.grams.build import plan_cross_grams
from gpuemb.kernels.gram import BLOCK_ROWS, cpu

FIELDS = ("products", "sums", "norms", "lengths")
BLOCK = 8  # rows: the tree is the same for blocks of any size


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_blocks, "BLOCK_ROWS", BLOCK)
    monkeypatch.setattr(cpu, "BLOCK_ROWS", BLOCK)


def assert_same_grams(found: CrossGrams, expected: CrossGrams) -> None:
    for name in FIELDS:
        assert_same_bits(getattr(found, name), getattr(expected, name))
    assert (found.rows, found.zeros) == (expected.rows, expected.zeros)


def cut(tables: list[Any], borders: list[int], preparation: Any, precision: Any) -> list[CrossGrams]:
    edges = [0, *(BLOCK * border for border in borders), len(tables[0])]
    return [
        cross_grams([t[a:b] for t in tables], preparation, precision=precision, first_row=a)
        for a, b in pairwise(edges)
    ]


@settings(deadline=None, max_examples=25)
@given(data=st.data(), blocks=st.integers(1, 21), short=st.integers(1, BLOCK), workers=st.integers(1, 3))
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("preparation", ["raw", "unit"])
def test_parts_cut_anywhere_and_added_in_any_order_have_the_bits_of_one_pass(
    data: Any, blocks: int, short: int, workers: int, preparation: Any, precision: Any
) -> None:
    tables = [random_table(BLOCK * (blocks - 1) + short, dim, dim, dtype=np.float32) for dim in (3, 2)]
    tables[1][len(tables[1]) // 2] = 0
    borders = sorted(data.draw(st.sets(st.integers(1, max(1, blocks - 1)), max_size=blocks - 1), "cuts"))
    borders = [border for border in borders if border < blocks]
    with threads.limit(workers):
        grams = cut(tables, borders, preparation, precision)
    while len(grams) > 1:
        place = data.draw(st.integers(0, len(grams) - 2), "added first")
        grams[place : place + 2] = [grams[place] + grams[place + 1]]
    assert_same_grams(grams[0], cross_grams(tables, preparation, precision=precision))


def test_parts_of_many_blocks_hold_few_sums() -> None:
    table = random_table(BLOCK * 1000, 2)
    part = cross_grams([table[BLOCK * 3 :]], first_row=BLOCK * 3)
    assert len(part.nodes) <= 2 * 10


def test_what_was_added_can_be_centered_and_asked_for_distances() -> None:
    x = random_table(BLOCK * 7 + 3, 3)
    tables = [x, x + 1e-7 * random_table(len(x), 3, 1)]
    whole, added = cross_grams(tables), reduce(add, cut(tables, [2, 3, 6], "raw", "auto"))
    assert_same_bits(added.centered().products, whole.centered().products)
    assert_same_bits(added.procrustes().distance, whole.procrustes().distance)  # nearly equal: rows again
    assert added.procrustes().recomputed == 1


def test_a_part_must_begin_where_a_block_does() -> None:
    with pytest.raises(ConfigError, match="first_row = 9 is no multiple of 8"):
        cross_grams([random_table()], first_row=9)
    with pytest.raises(ConfigError, match="preparation = 'centered'"):
        cross_grams([random_table()], "centered", first_row=0)


def test_parts_that_do_not_follow_each_other_are_not_added() -> None:
    x = random_table(3 * BLOCK)
    first, last = cut([x], [1, 2], "raw", "auto")[::2]
    with pytest.raises(ConfigError, match="the second part begins at row 16, the first ends at row 8"):
        _ = first + last
    for other in (cross_grams([x]), cross_grams([x], "unit", first_row=BLOCK)):
        with pytest.raises(ConfigError, match="these sums cannot be added"):
            _ = first + other


@given(first=st.integers(0, 300), length=st.integers(1, 300))
def test_aligned_nodes_cover_the_blocks_in_order(first: int, length: int) -> None:
    nodes = row_blocks.aligned(first, first + length)
    covered = [block for level, index in nodes for block in range(index << level, (index + 1) << level)]
    assert covered == list(range(first, first + length))
    assert len(nodes) <= 2 * length.bit_length()


@pytest.fixture
def mapped(tmp_path: Path) -> list[Any]:
    made = []
    for s in range(2):
        rows = np.memmap(tmp_path / f"{s}.bin", np.float32, "w+", shape=(100_000, 40))
        rows[:] = np.random.default_rng(s).standard_normal(40, np.float32)
        rows[::7, s] = 3
        rows.flush()
        made.append(np.memmap(tmp_path / f"{s}.bin", np.float32, "r", shape=rows.shape))
    return made


@pytest.mark.parametrize("preparation", ["raw", "unit", "centered"])
def test_tables_mapped_from_files_are_never_copied(
    mapped: list[Any], preparation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (row_blocks, cpu):
        monkeypatch.setattr(module, "BLOCK_ROWS", BLOCK_ROWS)
    expected = cross_grams([np.asarray(table) for table in mapped], preparation).products
    tracemalloc.start()
    found = cross_grams(mapped, preparation).products
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_same_bits(found, expected)
    plan = plan_cross_grams(80, 100_000)
    assert peak < threads.count() * plan.bytes + 8 * 80 * BLOCK_ROWS < sum(t.nbytes for t in mapped)


def test_more_than_memory_is_refused_before_any_row_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.broadcast_to(np.float32(np.nan), (10, 100_000))
    monkeypatch.setattr(MemoryPlan.require, "__defaults__", (1 << 30,))
    with pytest.raises(MemoryBudgetError, match="cross-Grams of 100000 columns"):
        cross_grams([table])


def test_a_number_that_is_not_finite_is_named_though_no_table_is_read_for_it_before() -> None:
    tables = [random_table(seed=s, dtype=np.float32) for s in (0, 1)]
    tables[1][17, 2] = np.inf
    for preparation in ("raw", "unit", "centered"):
        with pytest.raises(NonFiniteError, match="run 1 holds NaN or infinity; row 17"):
            cross_grams(tables, preparation)  # type: ignore[arg-type]
