"""cosine_topk on a GPU for tables of the host: which rows are uploaded, and that no bit depends on it."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.launch import EACH_SCHEDULE, Run
from cuda_on_host.searches import (
    assert_same,
    crowded,
    cut,
    resident,
    search,
    search_from_the_host,
    separated,
)
from slow import cases
from strategies import KINDS, awkward_rows

from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.device import CPU
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.core.memory import RESERVE
from gpuemb.kernels.cosine_topk import cosine_topk, cuda
from gpuemb.kernels.cosine_topk.cuda import float16_rows, rescore
from gpuemb.kernels.cosine_topk.cuda.memory_plan import Sizes, buffer_capacity, fitting_host, plan
from gpuemb.kernels.cosine_topk.cuda.state import SIDE

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")
STRATEGIES = sorted(cuda.STRATEGIES)
LEAST = SIDE + 1  # least number of resident rows: a query and its candidates


@pytest.fixture(params=EACH_SCHEDULE)
def schedule(request: pytest.FixtureRequest) -> Iterator[str]:
    with stand_in.installed(Run(request.param, seed=6)):
        yield request.param


@pytest.fixture
def emulator() -> Iterator[None]:
    with stand_in.installed(Run("random", seed=7)):
        yield


@pytest.fixture
def here() -> list[int]:
    """Rows on the device at each gathering."""
    return []


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch, here: list[int]) -> list[Any]:
    """The numbers of the rows of each gathering, in order; ``here`` is what then was there."""
    gathered: list[Any] = []
    alive: list[Any] = []
    real = rescore.copied

    def copied(table: Any, dtype: Any, rows: Any, numbers: Any) -> Any:
        assert type(numbers) is np.ndarray
        gathered.append(numbers)
        found = real(table, dtype, rows, numbers)
        alive.append(weakref.ref(found))
        here.append(sum(len(array) for array in (one() for one in alive) if array is not None))
        return found

    monkeypatch.setattr(rescore, "copied", copied)
    return gathered


def mapped(rows: FloatMatrix, folder: Path) -> FloatMatrix:
    """The same table as a memory map that nobody may write."""
    path = folder / "table.npy"
    np.save(path, rows)
    table: FloatMatrix = np.load(path, mmap_mode="r")
    assert isinstance(table, np.memmap)
    return table


# The same bits.


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_table_that_does_not_fit_gives_the_reference_s_bits_under_every_schedule(
    strategy: str, tmp_path: Path
) -> None:
    rows = separated(SIDE + 60, 9)
    expected = cosine_topk.reference(rows, 4)
    with cut(strategy), resident(LEAST):
        found = search_from_the_host(mapped(rows, tmp_path), 4)
    assert_same(found, expected)
    assert (found.certified, found.recomputed) == (int(rows.any(axis=1).sum()), 0)


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("dtype", cases("float32", slow=("float16", "float64")))
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_reference_s_bits(kind: str, dtype: str, tmp_path: Path) -> None:
    rows = awkward_rows(kind, dtype, SIDE + 30, 9, seed=2)
    asked = np.arange(0, len(rows), 9)
    expected = cosine_topk.reference(rows, 3, rows[asked], asked)
    with resident(LEAST + 20, block_bytes=900):
        found = search_from_the_host(mapped(rows, tmp_path), 3, rows[asked], asked)
    assert_same(found, expected)


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("fits", [True, False])
@pytest.mark.parametrize("dtype", cases("float32", slow=("float16", "float64")))
def test_queries_may_lie_in_a_memory_map_of_their_own(dtype: str, fits: bool, tmp_path: Path) -> None:
    rows, strangers = separated(SIDE + 20, 9).astype(dtype), separated(SIDE + 30, 9, seed=1).astype(dtype)
    (tmp_path / "others").mkdir()
    table, others = mapped(rows, tmp_path), mapped(strangers, tmp_path / "others")
    with resident(10**6 if fits else LEAST):
        found = search_from_the_host(table, 3, others)
    assert_same(found, cosine_topk.reference(rows, 3, strangers))


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("dtype", cases("float32", slow=("float16", "float64")))
@pytest.mark.parametrize("resident_rows", [10**6, LEAST])
@pytest.mark.parametrize("layout", cases("gaps", "columns and bytes", slow=("columns", "bytes")))
def test_any_layout_and_byte_order_of_the_host_give_the_same_bits(
    layout: str, dtype: str, resident_rows: int
) -> None:
    rows = awkward_rows("gaussian", dtype, SIDE + 9, 9, seed=1)
    expected = cosine_topk.reference(rows, 4)
    table = rows.astype(rows.dtype.newbyteorder()) if "bytes" in layout else rows
    if "columns" in layout:
        table = np.asfortranarray(table)
    if layout == "gaps":
        table = np.repeat(np.repeat(rows, 2, axis=0), 2, axis=1)[::2, ::2]
    with resident(resident_rows):
        assert_same(search_from_the_host(table, 4), expected)


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("resident_rows", cases(LEAST, slow=(LEAST + 1, 200, 299, 300)))
@pytest.mark.slow
def test_the_number_of_resident_rows_changes_no_bit_and_no_proof(resident_rows: int) -> None:
    rows = separated(300, 10)
    with cut("fused", capacity=SIDE):
        expected = search(rows, 6)
    for block_bytes in (1, 5000):
        with resident(resident_rows, block_bytes=block_bytes):
            found = search_from_the_host(rows, 6)
        assert_same(found, expected)
        assert (found.certified, found.recomputed) == (expected.certified, expected.recomputed)


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_overflowed_lists_are_compared_with_every_block_of_the_table(strategy: str) -> None:
    rows, asked = crowded()
    rows, asked = rows[::-1], len(rows) - 1 - asked  # the equal rows come last: they are in no first block
    with cut(strategy), resident(LEAST, block_bytes=15 * 32):
        found = search_from_the_host(rows, 3, rows[asked], asked)
    assert_same(found, cosine_topk.reference(rows, 3, rows[asked], asked))
    assert (found.certified, found.recomputed) == (1, 2)


@pytest.mark.usefixtures("emulator")
@pytest.mark.slow
def test_more_overflowed_lists_than_resident_rows_go_through_in_tiles(
    brought: list[Any], here: list[int]
) -> None:
    rows = np.tile(awkward_rows("gaussian", "float32", 1, 3, seed=0), (4 * SIDE, 1))
    asked = np.arange(LEAST + 9)
    with resident(LEAST, block_bytes=SIDE * 32):
        found = search_from_the_host(rows, 2, rows[asked], asked)
    assert found.recomputed == len(asked)
    assert (found.ids == np.where(asked[:, None] > [0, 1], [0, 1], [1, 2])).all()
    assert [len(numbers) for numbers in brought[-2:]] == [LEAST, 9]
    assert max(here) <= LEAST


@pytest.mark.usefixtures("schedule")
def test_warm_start_rows_change_no_bit() -> None:
    rows = separated(SIDE + 30, 12)
    expected, numbers = cosine_topk.reference(rows, 4), np.random.default_rng(0)
    rivals = {
        "another run's lists": np.where(numbers.random((len(rows), 4)) < 0.2, -1, expected.ids),
        "more than the capacity": numbers.integers(-1, len(rows), (len(rows), 2 * SIDE + 3)),
        "none": np.full((len(rows), 2), -1),
    }
    for warm_start in rivals.values():
        with resident(LEAST + 60):
            assert_same(search_from_the_host(rows, 4, warm_start=warm_start.astype(np.int32)), expected)


# Uploads.


@pytest.mark.usefixtures("emulator")
def test_only_rows_that_are_scored_are_gathered_each_once_and_in_their_order(brought: list[Any]) -> None:
    rows = separated(4 * SIDE, 12)
    asked = np.array([400, 7, 90])
    with resident(3 * SIDE):
        found = search_from_the_host(rows, 2, rows[asked], asked)
    assert_same(found, cosine_topk.reference(rows, 2, rows[asked], asked))
    assert all((np.diff(numbers) > 0).all() for numbers in brought)
    asking, candidates = brought[::2], brought[1::2]
    assert all(numbers.tolist() == [0, 1, 2] for numbers in asking)
    assert len(candidates[0]) == SIDE  # the first round scores its whole block, the others what passes
    assert all(len(numbers) < SIDE // 2 for numbers in candidates[1:])


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("resident_rows", [LEAST, 2 * LEAST])
@pytest.mark.slow
def test_no_more_rows_are_here_at_once_than_may_be(
    resident_rows: int, brought: list[Any], here: list[int]
) -> None:
    with resident(resident_rows):
        search_from_the_host(separated(300, 10), 6)
    assert max(here) <= resident_rows
    assert len(brought) == len(here) > 16


@pytest.mark.usefixtures("emulator")
def test_a_table_that_fits_is_brought_once(monkeypatch: pytest.MonkeyPatch, brought: list[Any]) -> None:
    read: list[int] = []
    real = cuda.copied
    monkeypatch.setattr(cuda, "copied", lambda table, *more: read.append(len(table)) or real(table, *more))
    rows = separated(60, 5)
    assert_same(search_from_the_host(rows, 3), cosine_topk.reference(rows, 3))
    assert (read, brought) == ([60], [])


# Memory.


@pytest.mark.slow
def test_memory_that_runs_out_halves_the_resident_rows_and_changes_no_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, tried = separated(4 * LEAST, 9), []
    with stand_in.installed(Run()):
        import cupy

        real = cupy.empty

        def empty(shape: Any, dtype: Any = float) -> Any:
            if isinstance(shape, tuple) and shape[1:] == (9,):
                tried.append(shape[0])
                if shape[0] > 250:
                    raise stand_in.OutOfMemoryError("out of memory allocating 1 byte")
            return real(shape, dtype)

        monkeypatch.setattr(cupy, "empty", empty, raising=False)
        with resident(len(rows)):
            found = search_from_the_host(rows, 2)
    assert_same(found, search_on_the_cpu(rows, 2))
    assert tried[0] == len(rows)
    assert max(tried[1:]) <= 2 * LEAST  # half the table is two times the least number of resident rows


def search_on_the_cpu(rows: FloatMatrix, k: int) -> Any:
    return cosine_topk.on(CPU)(rows, k)


def test_memory_that_never_suffices_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with stand_in.installed(Run()):
        import cupy

        def empty(shape: Any, dtype: Any = float) -> Any:
            raise stand_in.OutOfMemoryError("out of memory allocating 1 byte")

        monkeypatch.setattr(cupy, "empty", empty, raising=False)
        with resident(4 * LEAST), pytest.raises(MemoryBudgetError, match="tiles of 516, 258, 129 rows"):
            search_from_the_host(separated(4 * LEAST, 3), 2)


@pytest.mark.parametrize("itemsize", [2, 4, 8])
@pytest.mark.parametrize("asked", [None, 1, 50_000])
def test_the_plan_holds_as_much_of_the_tables_as_fits(asked: int | None, itemsize: int) -> None:
    sizes = Sizes(3_000_000, 300, 10, asked, itemsize)
    least, most = plan(Sizes(3_000_000, 300, 10, asked), 0).bytes, buffer_capacity(sizes.words, sizes.k)
    for free in (least + (n << 30) for n in (3, 4, 6, 8)):
        capacity, rows = fitting_host(sizes, free, most)
        left = free - plan(Sizes(3_000_000, 300, 10, asked), capacity).bytes
        resident_bytes = min(rows, sizes.rows) * 300 * max(itemsize, 4)
        assert capacity < rows
        assert left // 3 < resident_bytes <= left or rows >= sizes.rows
    assert fitting_host(sizes, 1 << 35, most) == (most, -(-sizes.rows // (most + 1)) * (most + 1))


def test_a_table_whose_float16_rows_fit_is_searched_where_the_table_does_not() -> None:
    """GoogleNews, 3,000,000 x 300: 3.6 GB in float32, 7.2 in float64, on a GPU with 6 GB free."""
    for itemsize in (4, 8):
        sizes, free = Sizes(3_000_000, 300, 10, None, itemsize), 6_000_000_000
        capacity, rows = fitting_host(sizes, free, buffer_capacity(sizes.words, 10))
        assert capacity == SIDE
        assert sizes.rows // 5 < rows < sizes.rows


def test_float16_rows_that_do_not_fit_are_refused_beforehand() -> None:
    sizes = Sizes(3_000_000, 300, 10)
    with pytest.raises(MemoryBudgetError, match=r"The largest parts are float16 rows 1\.8 GB"):
        fitting_host(sizes, 1_900_000_000, 256)


@pytest.mark.slow
def test_what_the_device_has_free_decides(monkeypatch: pytest.MonkeyPatch, brought: list[Any]) -> None:
    """The planner itself, with the least that it takes."""
    rows = separated(SIDE + 70, 900)
    monkeypatch.setattr(float16_rows, "BLOCK_BYTES", 1 << 15)
    least = next(free for free in count(0, 20_000) if fits(Sizes(*rows.shape, 3), free))
    monkeypatch.setattr(stand_in, "FREE_BYTES", int(least / RESERVE) + 1)
    with stand_in.installed(Run()):
        found = search_from_the_host(rows, 3)
    assert len(brought) > 2
    assert max(map(len, brought)) < len(rows)
    assert_same(found, search_on_the_cpu(rows, 3))


def fits(sizes: Sizes, free: int) -> bool:
    try:
        fitting_host(sizes, free, buffer_capacity(sizes.words, sizes.k))
    except MemoryBudgetError:
        return False
    return True


def test_arrays_of_the_device_are_never_gathered(brought: list[Any]) -> None:
    with stand_in.installed(Run()), resident(LEAST):
        found = search(separated(SIDE + 9, 5), 2)
    assert brought == []
    assert not isinstance(found.ids, DeviceArray)
