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
from gpuemb.kernels import vnni
from gpuemb.kernels.cosine_search import cosine_search, unit_rows
from gpuemb.kernels.cosine_search import cpu as cpu_kernel
from gpuemb.kernels.cosine_search.cpu.int8 import quantized
from gpuemb.kernels.cosine_topk import TopK

KERNEL = cosine_search
WIDE = ("float32", "float64")


MISSING = vnni.missing()
FILTERS = {"nothing": lambda rows: None, "float32": unit_rows, "int8": quantized}
PREPARED = [
    pytest.param(
        name, marks=pytest.mark.skipif(name == "int8" and bool(MISSING), reason=MISSING or "present")
    )
    for name in FILTERS
]


def search(
    device: Device, rows: FloatMatrix, k: int, queries: FloatMatrix, itself: Int64, prepared: str
) -> TopK:
    """Run the kernel on the device, on the CPU with what was prepared; bring the lists home."""
    arrays = [to_device(x, device) for x in (rows, queries, itself)]
    filtering = FILTERS[prepared](rows) if device == CPU else None
    found = cosine_search.on(device)(arrays[0], filtering, k, arrays[1], arrays[2])
    return TopK(to_host(found.ids), to_host(found.scores), found.certified, found.refined)


def assert_as_defined(found: TopK, rows: FloatMatrix, k: int, queries: FloatMatrix, itself: Int64) -> None:
    expected = cosine_search.reference(rows, None, k, queries, itself)
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


@pytest.mark.parametrize("prepared", PREPARED)
@given(table=tables(max_words=50, dtypes=WIDE), k=st.integers(1, 60), data=st.data())
def test_lists_are_those_of_the_definition(
    device: Device, prepared: str, table: Table, k: int, data: st.DataObject
) -> None:
    """Words, vectors and strangers, of a table that was prepared or not; k may pass V."""
    picked = np.array(data.draw(st.lists(st.integers(0, table.words - 1), min_size=1, max_size=6)), np.int64)
    queries = np.concatenate([table.rows[picked], table.rows[picked[:1]], table.like(2)])
    itself = np.concatenate([picked, [-1, -1, -1]])
    found = search(device, table.rows, k, queries, itself, prepared)
    assert_as_defined(found, table.rows, k, queries, itself)


@given(table=tables(dtypes=WIDE))
def test_unit_rows_have_length_one_or_none(table: Table) -> None:
    lengths = np.linalg.norm(unit_rows(table.rows).astype(np.float64), axis=1)
    assert_within(lengths, table.rows.any(axis=1), EPS32)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("prepared", PREPARED)
@pytest.mark.parametrize(("query_tile", "tile", "units"), [(1, 16, 5), (3, 999, 60), (256, 1 << 19, 1 << 17)])
def test_any_tiles_and_threads_give_the_same_bits(
    query_tile: int, tile: int, units: int, workers: int, monkeypatch: pytest.MonkeyPatch, prepared: str
) -> None:
    rows = np.random.default_rng(0).integers(-2, 3, (700, 6)).astype(np.float32)  # ties across all borders
    itself = np.array([5, -1, 699, 0, 350], np.int64)
    monkeypatch.setattr(cpu_kernel, "QUERY_TILE", query_tile)
    monkeypatch.setattr(cpu_kernel, "TILE", tile)
    monkeypatch.setattr(cpu_kernel, "UNITS", units)
    with threads.limit(workers):
        found = search(CPU, rows, 12, rows[itself], itself, prepared)
    assert_as_defined(found, rows, 12, rows[itself], itself)


@pytest.mark.parametrize("prepared", PREPARED)
@pytest.mark.parametrize("dim", [1, 15, 64, 65, 300, 1024])
def test_no_answer_is_lost_in_clusters_and_at_any_length(prepared: str, dim: int) -> None:
    """Clusters of nearly equal rows, rows of one coordinate, zeros, huge and tiny ones, many queries."""
    numbers = np.random.default_rng(dim)
    centers = numbers.standard_normal((60, dim))
    rows = (centers[numbers.integers(0, 60, 3000)] + 1e-3 * numbers.standard_normal((3000, dim))).astype(
        np.float32
    )
    rows[::7] *= np.float32(1e12)
    rows[1::7] *= np.float32(1e-12)
    rows[2::50] = 0
    rows[3::50] = np.eye(dim, dtype=np.float32)[numbers.integers(0, dim, 60)]
    itself = np.arange(0, 3000, 75)
    found = search(CPU, rows, 10, rows[itself], itself, prepared)
    assert_as_defined(found, rows, 10, rows[itself], itself)
    asking = int(rows[itself].any(axis=1).sum())
    assert (found.certified, found.refined) == ((asking, 0) if prepared == "int8" else (0, asking))


@given(table=tables(dtypes=WIDE))
def test_bytes_are_as_far_from_unit_rows_as_they_say(table: Table) -> None:
    made, dim = quantized(table.rows), table.rows.shape[1]
    panels = made.panels.transpose(0, 2, 1, 3).reshape(len(made.residual), -1)
    rows = np.float64(table.rows)
    lengths = np.sqrt(np.sum(rows**2, axis=1))
    unit = np.divide(rows, lengths[:, None], where=lengths[:, None] > 0, out=np.zeros_like(rows))
    near = made.scale[: len(rows), None].astype(np.float64) * (panels[: len(rows), :dim].astype(int) - 128)
    assert_within(np.linalg.norm(unit - near, axis=1), made.residual[: len(rows)], 1e-6)
    assert (panels[:, dim:] == 128).all()
