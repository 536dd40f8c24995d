"""Run cosine_topk's launcher on the emulator, whole or step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cuda_on_host import stand_in
from cuda_on_host.arguments import DeviceArray
from cuda_on_host.launch import Run
from strategies import awkward_rows
from tolerances import assert_same_bits

from gpuemb.core.arrays import Float64, FloatMatrix, Int64, to_device
from gpuemb.core.device import Device
from gpuemb.kernels.cosine_topk import TopK, cosine_topk, cuda
from gpuemb.kernels.cosine_topk.cuda import float16_rows
from gpuemb.kernels.cosine_topk.cuda.float16_rows import EXACT_THREADS, WARP, exact_kernels, to_float16
from gpuemb.kernels.cosine_topk.cuda.rescore import rescore_candidates
from gpuemb.kernels.cosine_topk.cuda.state import SIDE, SearchState, initial_state

CUDA = Device("cuda")


def device(x: Any, dtype: Any = None) -> Any:
    """Bring an array to the installed emulator; None stays None."""
    return None if x is None else to_device(np.asarray(x, dtype), CUDA)


def search(
    rows: FloatMatrix, k: int, queries: Any = None, itself: Any = None, warm_start: Any = None, **more: Any
) -> TopK:
    """Search on the installed emulator; the arrays of the result are NumPy's."""
    found = cosine_topk.on(CUDA)(device(rows), k, device(queries), device(itself), device(warm_start), **more)
    return TopK(np.array(found.ids), np.array(found.scores), found.certified, found.refined, found.recomputed)


def search_from_the_host(
    rows: FloatMatrix, k: int, queries: Any = None, itself: Any = None, warm_start: Any = None, **more: Any
) -> TopK:
    """As :func:`search`, of tables that are on the host."""
    found = cosine_topk.on(CUDA)(rows, k, queries, itself, warm_start, **more)
    assert isinstance(found.ids, DeviceArray)
    return TopK(np.array(found.ids), np.array(found.scores), found.certified, found.refined, found.recomputed)


@contextmanager
def resident(rows: int, capacity: int = SIDE, block_bytes: int = 1500) -> Iterator[None]:
    """Limit the rows of a host's tables on the device at once, uploaded in small blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "fitting_host", lambda *_: (capacity, rows))
        patch.setattr(float16_rows, "BLOCK_BYTES", block_bytes)
        yield


def begun(rows: FloatMatrix, k: int, capacity: int, queries: Any = None, itself: Any = None) -> SearchState:
    """Prepare a search on the installed emulator."""
    return initial_state(device(rows), k, device(queries), device(itself), capacity)


def assert_same(found: TopK, expected: TopK) -> None:
    """Every id and every bit of a score is the same."""
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


@contextmanager
def cut(strategy: str, capacity: int | None = None) -> Iterator[None]:
    """Force a strategy, and a capacity if one is given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cuda, "STRATEGY", strategy)
        if capacity:
            patch.setattr(cuda, "buffer_capacity", lambda words, k: capacity)
        yield


def separated(words: int, dim: int, seed: int = 0) -> FloatMatrix:
    """Rows whose scores lie further apart than the filter's bound, a few without length among them."""
    rows = awkward_rows("gaussian", "float32", words, dim, seed)
    rows[5::50] = 0
    return rows


def crowded() -> tuple[FloatMatrix, Int64]:
    """A table of mostly equal rows, and three queries: two of those, and another."""
    equal = np.tile(awkward_rows("gaussian", "float32", 1, 6, seed=0), (4 * SIDE, 1))
    return np.concatenate([equal, separated(20, 6)]), np.array([0, 300, len(equal) + 1])


def all_products(one: SearchState) -> Float64:
    """The filter's scores without their rounding."""
    halves = (np.asarray(side.half).view(np.float16).astype(float) for side in (one.queries, one.table))
    left, right = halves
    product: Float64 = left @ right.T
    return product


def candidate_sets(one: SearchState) -> list[set[int]]:
    """Candidates of each row; none twice."""
    found = [np.asarray(row)[:count].tolist() for row, count in zip(one.candidates, one.count, strict=True)]
    assert all(len(row) == len(set(row)) for row in found)
    return [set(row) for row in found]


def assert_passing(one: SearchState, strategy: str) -> None:
    """With thresholds of every kind, a filter of the first three blocks passes what NumPy passes."""
    products = all_products(one)
    thresholds = np.random.default_rng(1).choice([-np.inf, -0.3, 0.0, 0.25, 0.5, np.inf], len(products))
    one.threshold[:] = thresholds
    cuda.STRATEGIES[strategy](one, 0, 3)
    border = np.abs(products - thresholds[:, None]) < 1e-5  # float32 sums may fall on either side of it
    for row, found in enumerate(candidate_sets(one)):
        passing = products[row] >= thresholds[row]
        sure, possible = (
            set(np.flatnonzero(x).tolist()) for x in (passing & ~border[row], passing | border[row])
        )
        if one.symmetric and strategy == "fused":  # a row is never its own candidate
            sure, possible = sure - {row}, possible - {row}
        assert sure <= found <= possible


def assert_measured(rows: FloatMatrix) -> None:
    """Float16 rows are unit rows, zero beyond their columns, with right residuals."""
    side, dim = to_float16(device(rows), exact_kernels()), rows.shape[1]
    half = np.asarray(side.half).view(np.float16).astype(np.float64)
    taken = rows[side.numbers].astype(np.float64)
    unit = taken / np.linalg.norm(taken, axis=1, keepdims=True)
    residual = np.asarray(side.residual)
    np.testing.assert_allclose(residual, np.linalg.norm(unit - half[:, :dim], axis=1), rtol=1e-9)
    assert side.largest == np.max(residual) < 5e-4
    assert not half[:, dim:].any()


def assert_far(run: Run) -> None:
    """Fill and rescore the last rows of candidate buffers beyond 2³² places.

    Raises:
        MemoryError: the machine does not lend 9 GB of address space; almost no page of it is touched.
    """
    rows, last, capacity = awkward_rows("gaussian", "float32", 40, 4, seed=2), (1 << 23) + 4, 256
    with stand_in.installed(run):
        near = begun(rows, 3, SIDE, rows[:4])
    numbers, candidates = np.zeros(last, np.int32), np.zeros((last, capacity), np.int32)
    numbers[-4:] = np.asarray(near.queries.numbers)
    names = ("count", "found", "scored", "overflowed")
    cells = {name: np.zeros(last, np.int32).view(DeviceArray) for name in names}
    far = replace(
        near,
        queries=replace(near.queries, numbers=numbers.view(DeviceArray)),
        error=np.zeros(last).view(DeviceArray),
        threshold=np.full(last, -np.inf, np.float32).view(DeviceArray),
        candidates=candidates.view(DeviceArray),
        **cells,
    )
    tile = np.zeros((4, 40), np.float32).view(DeviceArray)
    places = np.uint64(last - 4), np.uint64(0), np.uint32(4), np.uint32(40), np.int32(capacity)
    with stand_in.installed(run):
        arguments = tile, far.threshold, far.candidates, far.count, *places
        far.filter.get_function("passing")((1,), (128,), arguments)
    blocks = last * WARP // EXACT_THREADS
    with stand_in.installed(replace(run, blocks=(blocks - 1, blocks))):
        rescore_candidates(far, "buffered", far.candidates)
    expected = cosine_topk.reference(rows, 3, rows[:4])
    assert_same(TopK(np.array(far.ids), np.array(far.scores)), expected)
