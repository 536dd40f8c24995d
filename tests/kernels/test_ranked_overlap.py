"""Agreement of ranked lists: against the definitions, and what must hold of them whatever the lists."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Table, neighbor_lists, tables
from tolerances import assert_same_bits, assert_within, sum_error

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, to_device, to_host
from gpuemb.core.device import CPU, Device
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.kernels.neighbor_overlap import neighbor_overlap
from gpuemb.kernels.ranked_overlap import RankedOverlap, ranked_overlap
from gpuemb.kernels.ranked_overlap import cpu as cpu_kernel

KERNEL = ranked_overlap
MEASURES = ("rank_biased", "average_overlap", "rank_similarity")
persistences = st.floats(0.01, 0.99)


def compare(device: Device, ids: Int32, persistence: float = 0.9) -> RankedOverlap:
    """Run the kernel on the device; bring the measures home."""
    found = ranked_overlap.on(device)(to_device(ids, device), persistence)
    return RankedOverlap(*(to_host(getattr(found, name)) for name in (*MEASURES, "distinct")))


def assert_same(found: RankedOverlap, expected: RankedOverlap) -> None:
    for name in (*MEASURES, "distinct"):
        assert_same_bits(getattr(found, name), getattr(expected, name))


def assert_near(found: RankedOverlap, expected: RankedOverlap, k: int) -> None:
    """Each measure is at most 1 and sums at most k terms, and the weights k more."""
    assert_same_bits(found.distinct, expected.distinct)
    for name in MEASURES:
        ours, theirs = getattr(found, name), getattr(expected, name)
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
        assert_within(np.nan_to_num(ours), np.nan_to_num(theirs), sum_error(2 * k + 1, 1.0))


@given(ids=neighbor_lists(), persistence=persistences)
def test_measures_are_the_definitions(device: Device, ids: Int32, persistence: float) -> None:
    found = compare(device, ids, persistence)
    assert_near(found, ranked_overlap.reference(ids, persistence), ids.shape[2])


@given(table=tables(dtypes=("float32",)), k=st.integers(1, 8))
def test_lists_of_awkward_tables_are_compared_by_the_definitions(
    device: Device, table: Table, k: int
) -> None:
    found = [cosine_topk.on(CPU)(rows, k).ids for rows in (table.rows, table.like(table.words), table.rows)]
    ids = np.stack(found)
    assert_near(compare(device, ids), ranked_overlap.reference(ids, 0.9), k)


@given(ids=neighbor_lists(), persistence=persistences)
def test_runs_in_reverse_reverse_the_pairs_and_change_no_bit(
    device: Device, ids: Int32, persistence: float
) -> None:
    found, reverse = compare(device, ids, persistence), compare(device, ids[::-1], persistence)
    pairs = list(combinations(range(len(ids)), 2))
    mirrored = [pairs.index((len(ids) - 1 - t, len(ids) - 1 - s)) for s, t in pairs]
    for name in MEASURES:
        assert_same_bits(getattr(reverse, name), getattr(found, name)[mirrored])
    assert_same_bits(reverse.distinct, found.distinct)


@given(ids=neighbor_lists(), persistence=persistences)
def test_a_run_agrees_with_its_copy_in_everything(device: Device, ids: Int32, persistence: float) -> None:
    found = compare(device, np.concatenate([ids[:1]] * 3), persistence)
    filled = (ids[0] >= 0).any(axis=1)
    for name in MEASURES:
        expected = np.where(filled, 1.0, np.nan)
        assert (np.isnan(getattr(found, name)) == ~filled).all()
        bound = sum_error(2 * ids.shape[2] + 1, 1.0)
        assert_within(np.nan_to_num(getattr(found, name)), np.nan_to_num(expected), bound)
    assert found.distinct.tolist() == (ids[0] >= 0).sum(axis=1).tolist()


@given(ids=neighbor_lists())
def test_runs_without_a_common_name_agree_in_nothing(device: Device, ids: Int32) -> None:
    apart = np.where(ids >= 0, ids + 1000 * np.arange(len(ids), dtype=np.int32)[:, None, None], -1)
    found = compare(device, apart)
    for name in MEASURES:
        assert not np.nan_to_num(getattr(found, name)).any()
    assert found.distinct.tolist() == (ids >= 0).sum(axis=(0, 2)).tolist()


@given(ids=neighbor_lists(), persistence=persistences)
def test_the_place_of_padding_does_not_matter(device: Device, ids: Int32, persistence: float) -> None:
    spread = np.insert(ids, np.arange(ids.shape[2] + 1) // 2, -1, axis=2)
    found, expected = compare(device, spread, persistence), compare(device, ids, persistence)
    assert_same(found, expected)


@given(ids=neighbor_lists())
def test_ids_are_counted_once_over_all_runs(device: Device, ids: Int32) -> None:
    found, counts = compare(device, ids), neighbor_overlap.reference(ids)
    assert (found.distinct >= counts.filled.max(axis=0)).all()
    assert (found.distinct <= counts.filled.sum(axis=0)).all()
    if len(ids) == 2:
        assert found.distinct.tolist() == (counts.filled.sum(axis=0) - counts.shared[0]).tolist()


def test_one_neighbor_agrees_wholly_or_not_at_all(device: Device) -> None:
    found = compare(device, np.array([[[4], [5], [-1]], [[4], [6], [7]]], np.int32))
    for name in MEASURES:
        np.testing.assert_array_equal(getattr(found, name), [[1, 0, np.nan]])
    assert found.distinct.tolist() == [1, 2, 1]


def test_agreement_at_the_top_counts_more_than_at_the_bottom(device: Device) -> None:
    top, bottom = [0, 1, 2, 5, 6, 7], [5, 6, 7, 0, 1, 2]
    ids = np.array([[[0, 1, 2, 3, 4, 8]] * 2, [top, bottom]], np.int32)
    found = compare(device, ids)
    for name in MEASURES:
        high, low = getattr(found, name)[0]
        assert high > low > 0


def test_a_case_worked_by_hand_comes_out(device: Device) -> None:
    ids = np.array([[[1, 2, 3, 4]], [[2, 1, 3, 5]]], np.int32)
    found = compare(device, ids, 0.5)
    agreement = [0, 1, 1, 3 / 4]
    assert found.average_overlap.item() == pytest.approx(sum(agreement) / 4)
    weighted = sum(a * 0.5**d for d, a in enumerate(agreement, 1))
    assert found.rank_biased.item() == pytest.approx(3 / 4 * 0.5**4 + weighted)
    ranks = 2 / (2 * 3) + 2 / (2 * 3) + 2 / (1 * 6)
    assert found.rank_similarity.item() == pytest.approx(ranks / (1 + 1 / 2 + 1 / 3))


def drawn(runs: int, words: int, k: int) -> Int32:
    """Lists of which two runs share about half, a third of them short."""
    numbers = np.random.default_rng(0)
    ids = numbers.permuted(np.tile(np.arange(2 * k), (runs, words, 1)), axis=2)[:, :, :k]
    lengths = np.where(
        numbers.random((runs, words, 1)) < 0.3, numbers.integers(0, k + 1, (runs, words, 1)), k
    )
    return np.where(np.arange(k) < lengths, ids, -1).astype(np.int32)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("words_a_task", [1, 7, 16, 100])
def test_any_ranges_and_threads_give_the_same_bits(
    words_a_task: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = drawn(4, 150, 10)
    with threads.limit(1):
        expected = ranked_overlap.on(CPU)(ids, 0.9)
    assert_near(expected, ranked_overlap.reference(ids, 0.9), 10)
    monkeypatch.setattr(cpu_kernel, "WORDS_A_TASK", words_a_task)
    with threads.limit(workers):
        assert_same(ranked_overlap.on(CPU)(ids, 0.9), expected)


@pytest.mark.parametrize(
    ("runs", "k"), [(2, 256), (40, 9), (3, 130), pytest.param(100, 3, marks=pytest.mark.slow)]
)
def test_many_runs_and_long_lists_are_compared_alike(device: Device, runs: int, k: int) -> None:
    ids = drawn(runs, 20, k)
    assert_near(compare(device, ids), ranked_overlap.reference(ids, 0.9), k)


def test_ids_that_crowd_the_last_slots_of_the_table_go_on_in_the_first() -> None:
    slots = (np.arange(2**20, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - 10)
    crowd = np.flatnonzero(slots == 1023)  # of the 2^10 slots for 3 · 130 entries
    ids = np.where(drawn(3, 40, 130) < 0, -1, crowd.astype(np.int32)[drawn(3, 40, 130)])
    assert_near(compare(CPU, ids), ranked_overlap.reference(ids, 0.9), 130)


def test_one_run_has_no_pairs(device: Device) -> None:
    found = compare(device, np.array([[[4, 7, -1], [-1, -1, -1]]], np.int32))
    assert found.rank_biased.shape == (0, 2)
    assert found.distinct.tolist() == [2, 0]
