from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow import cases
from strategies import Table, neighbor_lists, tables
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.core.errors import ShapeError
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.kernels.neighbor_overlap import LARGEST_K, LARGEST_RUNS, SharedNeighbors, neighbor_overlap
from gpuemb.kernels.neighbor_overlap import cpu as cpu_kernel

KERNEL = neighbor_overlap


def overlap(device: Device, ids: Int32) -> SharedNeighbors:
    """Run the kernel on the device; bring the counts home."""
    found = neighbor_overlap.on(device)(to_device(ids, device))
    return SharedNeighbors(to_host(found.shared), to_host(found.common), to_host(found.filled))


def assert_same_overlap(found: SharedNeighbors, expected: SharedNeighbors) -> None:
    for field in ("shared", "common", "filled"):
        assert_same_bits(getattr(found, field), getattr(expected, field))


@given(ids=neighbor_lists())
def test_counts_are_the_reference_s(device: Device, ids: Int32) -> None:
    assert_same_overlap(overlap(device, ids), neighbor_overlap.reference(ids))


@given(table=tables(dtypes=("float32",)), k=st.integers(1, 8))
def test_lists_of_awkward_tables_are_counted_as_the_reference_counts_them(
    device: Device, table: Table, k: int
) -> None:
    found = [cosine_topk.on(CPU)(rows, k).ids for rows in (table.rows, table.like(table.words), table.rows)]
    ids = np.stack(found)
    assert_same_overlap(overlap(device, ids), neighbor_overlap.reference(ids))


@given(ids=neighbor_lists())
def test_counts_are_those_of_comparing_every_two_entries(device: Device, ids: Int32) -> None:
    found = overlap(device, ids)
    for p, (s, t) in enumerate(combinations(range(len(ids)), 2)):
        equal = (ids[s][:, :, None] == ids[t][:, None, :]) & (ids[s][:, :, None] >= 0)
        np.testing.assert_array_equal(found.shared[p], equal.sum(axis=(1, 2)))


@given(ids=neighbor_lists(), seed=st.integers(0, 99))
def test_neither_the_order_in_a_list_nor_the_place_of_padding_matters(
    device: Device, ids: Int32, seed: int
) -> None:
    shuffled = np.random.default_rng(seed).permuted(ids, axis=2)
    assert_same_overlap(overlap(device, shuffled), overlap(device, ids))


@given(ids=neighbor_lists())
def test_a_run_shares_with_its_copy_all_it_has(device: Device, ids: Int32) -> None:
    found = overlap(device, np.concatenate([ids[:1]] * 3))
    for shared in found.shared:
        assert_same_bits(shared, found.filled[0])
    assert_same_bits(found.common, found.filled[0])


@given(ids=neighbor_lists())
def test_runs_without_a_common_name_share_nothing(device: Device, ids: Int32) -> None:
    apart = np.where(ids >= 0, ids + 1000 * np.arange(len(ids), dtype=np.int32)[:, None, None], -1)
    found = overlap(device, apart)
    assert not found.shared.any()
    assert_same_bits(found.common, found.filled[0] if len(ids) == 1 else np.zeros_like(found.common))


@given(ids=neighbor_lists())
def test_what_all_runs_share_is_at_most_what_any_two_share(device: Device, ids: Int32) -> None:
    found = overlap(device, ids)
    assert (found.common <= found.filled).all()
    assert (found.common <= found.shared).all()


@given(ids=neighbor_lists())
def test_runs_in_reverse_reverse_the_pairs(device: Device, ids: Int32) -> None:
    found, reverse = overlap(device, ids), overlap(device, ids[::-1])
    pairs = list(combinations(range(len(ids)), 2))
    mirrored = [pairs.index((len(ids) - 1 - t, len(ids) - 1 - s)) for s, t in pairs]
    assert_same_bits(reverse.shared, found.shared[mirrored])
    assert_same_bits(reverse.common, found.common)


def test_one_run_has_no_pairs_and_all_in_common(device: Device) -> None:
    found = overlap(device, np.array([[[4, 7, -1], [-1, -1, -1]]], np.int32))
    assert found.shared.shape == (0, 2)
    assert found.common.tolist() == [2, 0]
    assert found.filled.tolist() == [[2, 0]]


def drawn(runs: int, words: int, k: int, seed: int = 0) -> Int32:
    """Lists of which two runs share about half, a third of them short, padding anywhere."""
    numbers = np.random.default_rng(seed)
    ids = numbers.permuted(np.tile(np.arange(2 * k), (runs, words, 1)), axis=2)[:, :, :k]
    short = (numbers.random((runs, words, k)) < 0.3) & (numbers.random((runs, words, 1)) < 0.3)
    return np.where(short, -1, ids).astype(np.int32)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("words_a_task", [1, 7, 64, 100, 4096])
@pytest.mark.parametrize("largest_compared", [-1, 1000])
def test_any_ranges_threads_and_strategies_give_the_same_bits(
    words_a_task: int, workers: int, largest_compared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = drawn(4, 150, 10)
    expected = neighbor_overlap.reference(ids)
    monkeypatch.setattr(cpu_kernel, "WORDS_A_TASK", words_a_task)
    monkeypatch.setattr(cpu_kernel, "LARGEST_COMPARED", largest_compared)
    with threads.limit(workers):
        assert_same_overlap(overlap(CPU, ids), expected)


@pytest.mark.parametrize("largest_compared", [-1, 10**6])
@given(ids=neighbor_lists(), seed=st.integers(0, 99))
def test_both_strategies_count_what_the_reference_counts(
    largest_compared: int, ids: Int32, seed: int
) -> None:
    shuffled = np.random.default_rng(seed).permuted(ids, axis=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_kernel, "LARGEST_COMPARED", largest_compared)
        assert_same_overlap(overlap(CPU, shuffled), neighbor_overlap.reference(ids))


@pytest.mark.parametrize("words", cases(0, 1, 65, slow=(63, 64)))
@pytest.mark.parametrize(
    ("runs", "k"),
    [
        *((1, 1), (1, 256), (2, 1), (2, 256), (3, 130), (10, 30), (100, 1)),
        pytest.param(100, 7, marks=pytest.mark.slow),
    ],
)
def test_every_size_up_to_the_limits(device: Device, runs: int, k: int, words: int) -> None:
    ids = drawn(runs, words, k)
    assert_same_overlap(overlap(device, ids), neighbor_overlap.reference(ids))


def test_the_largest_lists_of_the_most_runs(device: Device) -> None:
    ids = drawn(LARGEST_RUNS, 2, LARGEST_K)
    ids[:, 1] = np.arange(LARGEST_RUNS * LARGEST_K).reshape(LARGEST_RUNS, LARGEST_K)  # nothing shared
    assert_same_overlap(overlap(device, ids), neighbor_overlap.reference(ids))


@pytest.mark.parametrize(("runs", "k"), [(2, 5), (40, 9)])
def test_ids_at_the_end_of_their_type(device: Device, runs: int, k: int) -> None:
    ids = drawn(runs, 70, k)
    far = np.where(ids >= 0, np.iinfo(np.int32).max - ids, -1).astype(np.int32)
    assert_same_overlap(overlap(device, far), overlap(device, ids))


@pytest.mark.parametrize(("runs", "k"), [(2, 5), (40, 9)])
def test_ids_that_agree_in_their_low_bits_are_told_apart(device: Device, runs: int, k: int) -> None:
    ids = drawn(runs, 70, k)
    spread = np.where(ids >= 0, ids << 20, -1).astype(np.int32)
    assert_same_overlap(overlap(device, spread), overlap(device, ids))


def test_ids_that_crowd_the_last_slots_of_the_table_go_on_in_the_first() -> None:
    slots = (np.arange(2**20, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - 10)
    crowd = np.flatnonzero(slots == 1023)  # of the 2^10 slots for 3 · 130 entries
    ids = crowd.astype(np.int32)[drawn(3, 70, 130)]
    assert_same_overlap(overlap(CPU, ids), neighbor_overlap.reference(ids))


@pytest.mark.parametrize(("runs", "k"), [(2, 5), (40, 9)])
def test_empty_lists_share_nothing(device: Device, runs: int, k: int) -> None:
    ids = drawn(runs, 70, k)
    ids[1] = -1
    found = overlap(device, ids)
    touching = [1 in pair for pair in combinations(range(runs), 2)]
    assert not found.shared[touching].any()
    assert not found.common.any()
    assert not found.filled[1].any()
    assert_same_overlap(found, neighbor_overlap.reference(ids))


@pytest.mark.parametrize(("runs", "k"), [(LARGEST_RUNS + 1, 3), (2, LARGEST_K + 1), (0, 3)])
def test_what_is_beyond_the_limits_is_refused_with_them(device: Device, runs: int, k: int) -> None:
    ids = np.zeros((runs, 2, k), np.int32)
    for refuse in (lambda: overlap(device, ids), lambda: neighbor_overlap.reference(ids)):
        with pytest.raises(ShapeError, match=f"{runs} runs with k = {k}") as refusal:
            refuse()
        assert f"to {LARGEST_RUNS} runs and k of at most {LARGEST_K}" in str(refusal.value)
