from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuemb.core import memory, threads
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.core.memory import (
    RESERVE,
    MemoryPlan,
    available_host_bytes,
    buffer,
    largest_tile,
    limit,
    own_bytes,
    peak_bytes,
    readable,
    rows_per_tile,
    tiles,
)

PLAN = MemoryPlan(
    "neighbors of all words", {"a": 100, "table": 5000, "b": 2, "tile": 3_000, "lists": 1_500_000}
)


def test_a_plan_holds_all_its_buffers() -> None:
    assert PLAN.bytes == 1_508_102
    assert MemoryPlan("nothing", {}).bytes == 0


def test_a_plan_that_fits_is_returned() -> None:
    assert PLAN.require(PLAN.bytes) is PLAN


def test_a_plan_one_byte_too_large_is_refused_and_names_its_largest_buffers() -> None:
    with pytest.raises(MemoryBudgetError) as caught:
        PLAN.require(PLAN.bytes - 1)
    error = caught.value
    assert error.given.startswith("neighbors of all words: needs 1.5 MB but may use ")
    assert error.needed == "The largest parts are lists 1.5 MB, table 5.0 kB, tile 3.0 kB."
    assert "1.5 MB" in error.remedy


def test_a_plan_may_use_what_is_free_less_the_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1000
    monkeypatch.setattr(memory, "available_host_bytes", lambda: free)
    allowed = int(free * RESERVE)
    MemoryPlan("small", {"x": allowed}).require()
    with pytest.raises(MemoryBudgetError):
        MemoryPlan("large", {"x": allowed + 1}).require()


def test_more_than_any_machine_has_is_refused() -> None:
    with pytest.raises(MemoryBudgetError, match="V×V"):
        MemoryPlan("every pair", {"V×V": buffer((10**7, 10**7), np.float64)}).require()


@pytest.mark.parametrize(
    ("shape", "dtype", "size"),
    [((3, 5), np.float64, 120), ((), np.float32, 4), ((0, 7), np.int8, 0), ((2,), "float16", 4)],
)
def test_a_buffer_is_its_array_s_bytes(shape: tuple[int, ...], dtype: type, size: int) -> None:
    assert buffer(shape, dtype) == np.empty(shape, dtype).nbytes == size


@given(length=st.integers(0, 500), step=st.integers(1, 600))
def test_tiles_cover_every_row_once_and_only_the_last_is_shorter(length: int, step: int) -> None:
    found = tiles(length, step)
    assert [row for first, last in found for row in range(first, last)] == list(range(length))
    assert all(last - first == step for first, last in found[:-1])
    assert all(0 < last - first <= step for first, last in found)


@given(row=st.integers(0, 10**7), tile=st.integers(1, 10**8), multiple=st.integers(1, 10_000))
def test_rows_of_a_tile_are_a_multiple_and_fit_where_one_multiple_fits(
    row: int, tile: int, multiple: int
) -> None:
    rows = rows_per_tile(row, tile, multiple=multiple)
    assert rows >= multiple
    assert rows % multiple == 0
    assert rows * row <= tile or rows == multiple
    assert (rows + multiple) * max(row, 1) > tile  # another multiple would not fit


@given(
    budget=st.integers(1, 10**6),
    rows=st.integers(1, 1000),
    fixed=st.integers(0, 1000),
    row=st.integers(1, 5000),
    multiple=st.integers(1, 64),
)
def test_the_largest_tile_fits_and_no_larger_one_would_or_was_wanted(
    budget: int, rows: int, fixed: int, row: int, multiple: int
) -> None:
    def plan() -> int:
        per_row = {"scores": row, "ids": 4}
        return largest_tile(
            "search", budget, rows, fixed={"table": fixed}, per_row=per_row, multiple=multiple
        )

    if fixed + multiple * (row + 4) > budget:
        with pytest.raises(MemoryBudgetError, match="search: needs"):
            plan()
        return
    tile = plan()
    assert tile % multiple == 0
    assert fixed + tile * (row + 4) <= budget
    assert fixed + (tile + multiple) * (row + 4) > budget or rows <= tile < rows + multiple


def test_a_tile_that_does_not_fit_names_what_is_largest() -> None:
    with pytest.raises(MemoryBudgetError) as caught:
        largest_tile("search", 1000, 50, fixed={"table": 900}, per_row={"scores": 40}, multiple=4)
    assert caught.value.given == "search: needs 1.1 kB but may use 1.0 kB"
    assert caught.value.needed == "The largest parts are table 900 B, scores 160 B."


@given(row=st.integers(1, 10**6))
def test_tiles_are_64_mib_unless_said_otherwise(row: int) -> None:
    assert rows_per_tile(row) == max(1, (64 << 20) // row)


def test_free_and_peak_bytes_are_this_machine_s() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < available_host_bytes() <= total
    assert 0 < peak_bytes() <= total


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1536, "1.5 kB"),
        (2_500_000, "2.5 MB"),
        (3e9, "3.0 GB"),
        (4e15, "4000.0 TB"),
    ],
)
def test_sizes_are_written_in_decimal_units(size: float, text: str) -> None:
    assert readable(size) == text


@given(size=st.integers(0, 10**15 - 10**11))
def test_no_size_is_written_with_a_thousand_of_its_unit(size: int) -> None:
    number = re.fullmatch(r"([\d.]+) (B|kB|MB|GB|TB)", readable(size))
    assert number is not None
    assert float(number[1]) < 1000


def test_the_last_size_before_a_unit_is_written_in_the_next() -> None:
    assert readable(999_999) == "1.0 MB"
    assert readable(999_999_999) == "1.0 GB"


def test_plans_inside_a_limit_count_on_what_it_leaves_and_threads_inherit_it() -> None:
    free = available_host_bytes()
    allowed = own_bytes() + (50 << 20)
    with limit(allowed), threads.limit(2):
        left = available_host_bytes()
        assert 0 < left <= 50 << 20
        assert all(0 < one <= 50 << 20 for one in threads.run(lambda _: available_host_bytes(), range(4)))
        with pytest.raises(MemoryBudgetError, match="may use"):
            MemoryPlan("more than the limit leaves", {"x": 60 << 20}).require()
        with limit(None):
            assert available_host_bytes() > left
        with limit(1):
            assert available_host_bytes() == 0
    assert available_host_bytes() > free // 2


def test_what_a_process_holds_itself_grows_with_an_array_and_not_with_a_mapped_file(tmp_path: Path) -> None:
    size, before = 64 << 20, own_bytes()
    np.save(tmp_path / "table.npy", np.ones(size, np.uint8))
    mapped = np.load(tmp_path / "table.npy", mmap_mode="r")
    assert int(mapped.sum()) == size
    if not before:
        pytest.skip("this system does not tell what a process holds")
    assert own_bytes() - before < size // 2
    held = np.ones(size, np.uint8)
    assert own_bytes() - before > size // 2
    del held
