"""cosine_topk's kernels one by one: rounding, passing, overflow, any order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_host import compiler, stand_in
from cuda_on_host.launch import EACH_SCHEDULE, Run
from cuda_on_host.searches import (
    assert_far,
    assert_passing,
    assert_same,
    begun,
    candidate_sets,
    crowded,
    cut,
    device,
    search,
    separated,
)
from slow import cases
from strategies import FLOATS, awkward_rows
from tolerances import assert_same_bits

from gpuemb.core.arrays import FloatMatrix
from gpuemb.core.errors import MemoryBudgetError, ShapeError
from gpuemb.core.progress import Progress, Task
from gpuemb.kernels.cosine_topk import cosine_topk, cuda
from gpuemb.kernels.cosine_topk.cuda.float16_rows import shuffled
from gpuemb.kernels.cosine_topk.cuda.memory_plan import Sizes, buffer_capacity, plan
from gpuemb.kernels.cosine_topk.cuda.rescore import rescore_candidates
from gpuemb.kernels.cosine_topk.cuda.rounds import rounds
from gpuemb.kernels.cosine_topk.cuda.state import SIDE

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")
STRATEGIES = sorted(cuda.STRATEGIES)


@pytest.fixture(params=EACH_SCHEDULE)
def schedule(request: pytest.FixtureRequest) -> Iterator[str]:
    with stand_in.installed(Run(request.param, seed=3)):
        yield request.param


@pytest.fixture
def emulator() -> Iterator[None]:
    with stand_in.installed(Run("random", seed=4)):
        yield


def asked_how(rows: FloatMatrix) -> dict[str, tuple[Any, Any]]:
    """Queries and what rows they are: every row, some words, vectors, strangers."""
    some = np.arange(0, len(rows), 19)
    strangers = rows[some] + rows.dtype.type(0.25)
    return {
        "every row": (None, None),
        "words": (rows[some], some),
        "vectors": (rows[some], None),
        "words and strangers": (
            np.concatenate([rows[some], strangers]),
            np.concatenate([some, np.full(len(some), -1)]),
        ),
    }


# The whole search.


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_gives_the_reference_s_bits_under_every_schedule(strategy: str) -> None:
    rows = separated(SIDE + 9, 21)
    for queries, itself in asked_how(rows).values():
        with cut(strategy):
            found = search(rows, 4, queries, itself)
        assert_same(found, cosine_topk.reference(rows, 4, queries, itself))


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("dim", [1, 16, 33, 65, 300])
def test_each_strategy_takes_any_number_of_dimensions(strategy: str, dtype: str, dim: int) -> None:
    rows = awkward_rows("gaussian", dtype, 18, dim, seed=dim)
    with cut(strategy):
        assert_same(search(rows, 3), cosine_topk.reference(rows, 3))


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_table_of_many_blocks_is_met_once_by_every_row(strategy: str) -> None:
    rows = separated(2 * SIDE + 9, 10)
    sample = np.arange(0, len(rows), 23)
    with cut(strategy):
        found = search(rows, 6)
    expected = cosine_topk.reference(rows, 6, rows[sample], sample)
    assert_same_bits(found.ids[sample], expected.ids)
    assert_same_bits(found.scores[sample], expected.scores)
    assert found.recomputed == found.refined == 0
    assert found.certified == int(rows.any(axis=1).sum())


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_whose_buffer_overflows_are_recomputed(strategy: str) -> None:
    rows, asked = crowded()
    with cut(strategy, capacity=SIDE):
        found = search(rows, 3, rows[asked], asked)
    assert_same(found, cosine_topk.reference(rows, 3, rows[asked], asked))
    assert (found.certified, found.recomputed) == (1, 2)  # the third round passes some 256 equal rows


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("k", cases(33, 140, slow=(31, 32)))
def test_lists_longer_than_a_warp_or_a_block_are_kept_in_order(k: int) -> None:
    rows = awkward_rows("scaled copies", "float32", 150, 5, seed=k)
    assert_same(search(rows, k), cosine_topk.reference(rows, k))


# Warm start, progress, limits.


@pytest.mark.usefixtures("schedule")
def test_warm_start_rows_change_no_bit() -> None:
    rows = separated(60, 12)
    expected = cosine_topk.reference(rows, 4)
    numbers = np.random.default_rng(0)
    rivals = {
        "another run's lists": np.where(numbers.random((60, 4)) < 0.2, -1, expected.ids),
        "one row many times": np.full((60, 9), 17),
        "anything, itself and rows without length too": numbers.integers(-1, 60, (60, 9)),
        "none": np.empty((60, 0)),
    }
    for warm_start in rivals.values():
        assert_same(search(rows, 4, warm_start=warm_start.astype(np.int32)), expected)


@pytest.mark.usefixtures("emulator")
def test_warm_start_rows_leave_fewer_candidates() -> None:
    rows = separated(2 * SIDE, 12)
    plain, warm = begun(rows, 3, 2 * SIDE), begun(rows, 3, 2 * SIDE)
    rescore_candidates(warm, "warm_start", device(cosine_topk.reference(rows, 3).ids))
    for one in (plain, warm):
        cuda.STRATEGIES["fused"](one, 0, 1)
    assert int(warm.count.sum()) < int(plain.count.sum()) // 4


class Recorder:
    """Records phases and their progress."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int | None]] = []
        self.done = 0

    def advance(self, amount: int = 1) -> None:
        self.done += amount

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Task]:
        self.phases.append((name, total))
        yield self

    def note(self, message: str) -> None:
        raise AssertionError(message)


@pytest.mark.usefixtures("emulator")
def test_progress_counts_every_block() -> None:
    recorder = Recorder()
    progress: Progress = recorder
    rows = separated(4 * SIDE, 3)  # of which 502 have a length
    search(rows, 2, rows[:2], progress=progress)
    ((name, total),) = recorder.phases
    assert name == "neighbors"
    assert recorder.done == total == 4


@pytest.mark.usefixtures("emulator")
def test_more_dimensions_than_the_bound_takes_are_refused() -> None:
    with pytest.raises(ShapeError, match="cosine_topk: 65537 dimensions on a GPU"):
        search(np.ones((2, cuda.LARGEST_DIM + 1), np.float32), 1)


@pytest.mark.usefixtures("emulator")
def test_nothing_is_found_among_nothing() -> None:
    rows, none = np.ones((3, 2), np.float32), np.empty((0, 2), np.float32)
    assert search(rows, 2, none).ids.shape == (0, 2)
    assert (search(none, 2, rows).ids == -1).all()
    assert np.isnan(search(np.zeros_like(rows), 2).scores).all()
    assert search(rows, 2, np.zeros_like(rows)).certified == 0


# Memory.


def test_a_search_that_does_not_fit_is_refused_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "FREE_BYTES", 10_000)
    with stand_in.installed(Run()), pytest.raises(MemoryBudgetError, match="cosine_topk of 40 among 40 rows"):
        search(np.ones((40, 30), np.float32), 3)


def test_memory_that_runs_out_halves_the_capacity_and_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, tried = separated(180, 9), []
    with stand_in.installed(Run()):
        import cupy

        real = cupy.empty

        def empty(shape: Any, dtype: Any = float) -> Any:
            if isinstance(shape, tuple) and dtype is np.int32:
                tried.append(shape[1])
                if shape[1] > SIDE:
                    raise stand_in.OutOfMemoryError("out of memory allocating 1 byte")
            return real(shape, dtype)

        monkeypatch.setattr(cupy, "empty", empty, raising=False)
        found = search(rows, 40)
    assert tried == [2 * SIDE, SIDE]
    assert_same(found, cosine_topk.reference(rows, 40))


def test_the_plan_stays_within_a_gigabyte_beside_the_table() -> None:
    assert plan(Sizes(400_000, 300, 10), buffer_capacity(400_000, 10)).bytes < 1e9


@pytest.mark.slow
def test_places_beyond_32_bits_are_reached() -> None:
    try:
        assert_far(Run())
    except MemoryError:
        pytest.skip("needs 9 GB of address space")


# Rounds: every block once, and never more uncertain rows than capacity.


@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 64, 3125])
@pytest.mark.parametrize(
    ("capacity", "k"), [(128, 10), (256, 10), (128, 1000), (4096, 1000), (512, 127), (512, 128)]
)
def test_rounds_take_every_block_once_and_double(blocks: int, capacity: int, k: int) -> None:
    cuts = rounds(blocks, capacity, k)
    assert [first for first, _ in cuts] == [0, *(last for _, last in cuts[:-1])]
    assert cuts[-1][1] == blocks
    for first, last in cuts:
        uncertain = first * SIDE < k + 1
        assert last - first <= (max(1, capacity // SIDE) if uncertain else first)
    assert len(cuts) <= 12 + k // capacity + 2
    assert all(last - first <= 5 for first, last in rounds(blocks, capacity, k, most=5))


# The filter alone.


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("asking", [None, 5, SIDE + 3])
def test_the_filter_passes_what_numpy_passes(strategy: str, asking: int | None) -> None:
    rows = awkward_rows("tied", "float32", 2 * SIDE + 37, 23, seed=1)
    queries = None if asking is None else awkward_rows("tied", "float32", asking, 23, seed=2)
    assert_passing(begun(rows, 3, 3 * SIDE, queries), strategy)


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("blocks", cases(1, 2, 3, 4, 5, slow=(18,)))
def test_rounds_of_the_symmetric_filter_take_every_pair_once(blocks: int) -> None:
    words = (blocks - 1) * SIDE + 2
    one = begun(np.ones((words, 1), np.float32), 1, SIDE * blocks)
    one.threshold[:] = np.where(
        np.arange(words) % 61 == 0, -np.inf, np.inf
    )  # few queries: the emulator is slow
    paired: list[set[int]] = [set() for _ in range(words)]
    for first, last in rounds(blocks, SIDE, 1):
        one.count[:] = 0
        cuda.STRATEGIES["fused"](one, first, last)
        for row, found in enumerate(candidate_sets(one)):
            assert not paired[row] & found
            paired[row] |= found
    for row in range(words):
        assert paired[row] == (set(range(words)) - {row} if row % 61 == 0 else set())


@pytest.mark.usefixtures("emulator")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_candidates_beyond_the_capacity_are_counted_and_not_written(strategy: str) -> None:
    one = begun(np.ones((SIDE + 30, 2), np.float32), 1, SIDE)
    cuda.STRATEGIES[strategy](one, 0, 2)
    itself = 1 if strategy == "fused" else 0
    assert (np.asarray(one.count) == SIDE + 30 - itself).all()
    assert all(len(set(row.tolist())) == SIDE for row in np.asarray(one.candidates))


def test_hashes_mix_the_rows() -> None:
    order = shuffled(np.arange(10_000, dtype=np.int32), np)
    assert sorted(order.tolist()) == list(range(10_000))
    steps = np.abs(np.diff(order.astype(np.int64)))
    assert 3200 < steps.mean() < 3470  # a random order steps a third of the rows: 3333 ± 24 at one σ


def test_the_launcher_and_the_text_agree_on_their_sizes() -> None:
    text = (Path(cuda.__file__).parents[1] / "cosine_topk_filter.cu").read_text("utf-8")
    sizes = dict(re.findall(r"\b(SIDE|THREADS|GROUP) = (\d+)", text))
    assert sizes == {"SIDE": str(SIDE), "THREADS": str(cuda.THREADS), "GROUP": str(cuda.GROUP)}
