"""Cosines of all pairs: the bits of the definition, which ``cosine_topk`` has too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import Table, tables
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.cosine_scores import WIDTH, cosine_scores, panels_of
from gpuemb.kernels.cosine_scores import cpu as cpu_kernel
from gpuemb.kernels.cosine_topk import cosine_topk

KERNEL = cosine_scores


def scores(device: Device, rows: FloatMatrix, others: FloatMatrix) -> Float64:
    """Run the kernel on the device; bring the scores home."""
    out = to_device(np.full((len(rows), len(others)), 7.0), device)
    found: Float64 = to_host(
        cosine_scores.on(device)(to_device(rows, device), to_device(panels_of(others), device), out)
    )
    return found


def reference(rows: FloatMatrix, others: FloatMatrix) -> Float64:
    return cosine_scores.reference(rows, panels_of(others), np.empty((len(rows), len(others))))


@given(table=tables(), rows=st.integers(1, 5))
def test_scores_are_the_reference_s_bit_for_bit(device: Device, table: Table, rows: int) -> None:
    asked = table.like(rows)
    assert_same_bits(scores(device, asked, table.rows), reference(asked, table.rows))


@given(table=tables(max_words=50))
def test_scores_are_those_of_the_neighbor_lists(device: Device, table: Table) -> None:
    found = scores(device, table.rows, table.rows)
    lists = cosine_topk.reference(table.rows, table.words)
    for row, ids in enumerate(lists.ids):
        known = ids >= 0
        assert_same_bits(found[row, ids[known]], lists.scores[row, known])
        assert known.sum() == max(np.isfinite(np.delete(found[row], row)).sum(), 0)


@given(table=tables(), other=st.sampled_from(["float16", "float32", "float64"]))
def test_tables_of_two_dtypes_are_compared_without_rounding(device: Device, table: Table, other: str) -> None:
    few = Table("tied", other, 5, table.dim, 3).rows
    wide = (table.rows.astype(np.float64), few.astype(np.float64))
    assert_same_bits(scores(device, table.rows, few), scores(device, *wide))


@given(table=tables(max_words=50))
def test_the_matrix_is_symmetric_to_the_last_bit(device: Device, table: Table) -> None:
    found = scores(device, table.rows, table.rows)
    assert_same_bits(found, np.ascontiguousarray(found.T))


@settings(suppress_health_check=[HealthCheck.filter_too_much])  # few tables are so narrow
@given(table=tables(max_words=200, max_dim=5))
def test_panels_hold_every_row_once_and_zeros_behind(table: Table) -> None:
    panels = panels_of(table.rows)
    assert panels.shape == (-(-table.words // WIDTH), table.dim, WIDTH)
    flat = np.swapaxes(panels, 1, 2).reshape(-1, table.dim)
    np.testing.assert_array_equal(flat[: table.words], table.rows.astype(panels.dtype))
    assert not flat[table.words :].any()


def test_scores_are_rounded_into_float32(device: Device) -> None:
    rows = np.random.default_rng(0).standard_normal((70, 9))
    out = to_device(np.empty((70, 70), np.float32), device)
    found = to_host(
        cosine_scores.on(device)(to_device(rows, device), to_device(panels_of(rows), device), out)
    )
    assert_same_bits(found, reference(rows, rows).astype(np.float32))


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("panels_a_task", [1, 2, 100])
def test_any_tasks_and_threads_give_the_same_bits(
    panels_a_task: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(0).standard_normal((500, 33)).astype(np.float32)
    expected = reference(rows[:3], rows)
    monkeypatch.setattr(cpu_kernel, "PANELS_A_TASK", panels_a_task)
    with threads.limit(workers):
        assert_same_bits(scores(CPU, rows[:3], rows), expected)
