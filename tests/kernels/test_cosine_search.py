"""A search in a prepared table: the bits of the contract, however the work is shared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Table, tables
from tolerances import EPS32, assert_same_bits, assert_within

from gpuemb.core import threads
from gpuemb.core.arrays import FloatMatrix, Int64, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.cosine_search import cosine_search, unit_rows
from gpuemb.kernels.cosine_search import cpu as cpu_kernel
from gpuemb.kernels.cosine_topk import TopK

KERNEL = cosine_search
WIDE = ("float32", "float64")


def search(
    device: Device, rows: FloatMatrix, k: int, queries: FloatMatrix, itself: Int64, *, prepared: bool = True
) -> TopK:
    """Run the kernel on the device; bring the lists home."""
    arrays = [to_device(x, device) for x in (rows, unit_rows(rows), queries, itself)]
    found = cosine_search.on(device)(arrays[0], arrays[1] if prepared else None, k, arrays[2], arrays[3])
    return TopK(to_host(found.ids), to_host(found.scores))


def assert_as_defined(found: TopK, rows: FloatMatrix, k: int, queries: FloatMatrix, itself: Int64) -> None:
    expected = cosine_search.reference(rows, unit_rows(rows), k, queries, itself)
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


@given(table=tables(max_words=50, dtypes=WIDE), k=st.integers(1, 60), data=st.data())
def test_lists_are_those_of_the_definition(device: Device, table: Table, k: int, data: st.DataObject) -> None:
    """Words, vectors and strangers, of a table that was prepared or not; k may pass V."""
    picked = np.array(data.draw(st.lists(st.integers(0, table.words - 1), min_size=1, max_size=6)), np.int64)
    queries = np.concatenate([table.rows[picked], table.rows[picked[:1]], table.like(2)])
    itself = np.concatenate([picked, [-1, -1, -1]])
    for prepared in (True, False):
        found = search(device, table.rows, k, queries, itself, prepared=prepared)
        assert_as_defined(found, table.rows, k, queries, itself)


@given(table=tables(dtypes=WIDE))
def test_unit_rows_have_length_one_or_none(table: Table) -> None:
    lengths = np.linalg.norm(unit_rows(table.rows).astype(np.float64), axis=1)
    assert_within(lengths, table.rows.any(axis=1), EPS32)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("prepared", [True, False])
@pytest.mark.parametrize(("query_tile", "tile", "units"), [(1, 16, 5), (3, 999, 60), (256, 1 << 19, 1 << 17)])
def test_any_tiles_and_threads_give_the_same_bits(
    query_tile: int, tile: int, units: int, workers: int, monkeypatch: pytest.MonkeyPatch, *, prepared: bool
) -> None:
    rows = np.random.default_rng(0).integers(-2, 3, (700, 6)).astype(np.float32)  # ties across all borders
    itself = np.array([5, -1, 699, 0, 350], np.int64)
    monkeypatch.setattr(cpu_kernel, "QUERY_TILE", query_tile)
    monkeypatch.setattr(cpu_kernel, "TILE", tile)
    monkeypatch.setattr(cpu_kernel, "UNITS", units)
    with threads.limit(workers):
        found = search(CPU, rows, 12, rows[itself], itself, prepared=prepared)
    assert_as_defined(found, rows, 12, rows[itself], itself)
