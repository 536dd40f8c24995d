from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from cuda_on_host import stand_in
from cuda_on_host.counts import planned, small, zipf
from hypothesis import given
from hypothesis import strategies as st
from strategies import Corpus, corpora
from tolerances import assert_same_bits

from gpuemb.core.arrays import Int64, to_device, to_host
from gpuemb.core.device import Device
from gpuemb.core.errors import ConfigError
from gpuemb.kernels.window_counts import (
    LARGEST_WINDOW,
    CountedRows,
    Side,
    Weighting,
    check_window,
    weights_of,
    window_counts,
)

KERNEL = window_counts
EMULATED = ("random",)  # tests/cuda_on_host/test_window_counts.py has the other schedules
WEIGHTINGS: tuple[Weighting, ...] = ("harmonic", "linear", "flat")
SIDES: tuple[Side, ...] = ("both", "left", "right")

sides = st.sampled_from(SIDES)
cell_limits = st.sampled_from([1, 30, 1 << 19])
windows = st.sampled_from(WEIGHTINGS).flatmap(
    lambda weighting: st.tuples(st.integers(1, 12), st.just(weighting))
)


def count(
    device: Device, corpus: Corpus, weights: Int64, side: Side = "both", repeats: Int64 | None = None
) -> CountedRows:
    """Run the kernel on the device; bring the counts home."""
    ids, starts, times = (
        None if x is None else to_device(x, device) for x in (corpus.ids, corpus.starts, repeats)
    )
    with small() if stand_in.is_installed() else nullcontext():
        found = window_counts.on(device)(ids, starts, times, corpus.words, to_device(weights, device), side)
    return CountedRows(to_host(found.indptr), to_host(found.indices), to_host(found.data))


def dense(counts: CountedRows) -> Int64:
    """The whole matrix."""
    words = len(counts.indptr) - 1
    matrix = np.zeros((words, words), np.int64)
    matrix[np.repeat(np.arange(words), np.diff(counts.indptr)), counts.indices] = counts.data
    return matrix


def assert_same_counts(found: CountedRows, expected: CountedRows) -> None:
    for field in ("indptr", "indices", "data"):
        assert_same_bits(getattr(found, field), getattr(expected, field))


def counted_by_hand(
    corpus: Corpus, weights: Int64, side: Side, repeats: list[int]
) -> dict[tuple[int, int], int]:
    """Look at every two tokens of a document that stand in one window."""
    found: Counter[tuple[int, int]] = Counter()
    for document, times in zip(corpus.documents, repeats, strict=True):
        for i, word in enumerate(document):
            for j in range(max(0, i - len(weights) + 1), min(len(document), i + len(weights))):
                if {"both": i != j, "left": j < i, "right": j > i}[side]:
                    found[word, document[j]] += times * int(weights[abs(i - j)])
    return {pair: value for pair, value in found.items() if value}


@given(corpus=corpora(), window=windows, side=sides, data=st.data())
def test_counts_are_the_reference_s_bits(
    device: Device, corpus: Corpus, window: tuple[int, Weighting], side: Side, data: st.DataObject
) -> None:
    weights, _ = weights_of(*window)
    repeats = data.draw(st.none() | repeats_of(corpus))
    expected = window_counts.reference(corpus.ids, corpus.starts, repeats, corpus.words, weights, side)
    assert_same_counts(count(device, corpus, weights, side, repeats), expected)


def repeats_of(corpus: Corpus) -> st.SearchStrategy[Int64]:
    size = len(corpus.documents)
    return st.lists(st.integers(0, 4), min_size=size, max_size=size).map(lambda x: np.array(x, np.int64))


@given(corpus=corpora(), window=windows, side=sides, data=st.data())
def test_counts_are_those_of_looking_at_every_two_tokens(
    device: Device, corpus: Corpus, window: tuple[int, Weighting], side: Side, data: st.DataObject
) -> None:
    weights, _ = weights_of(*window)
    repeats = data.draw(repeats_of(corpus))
    matrix = dense(count(device, corpus, weights, side, repeats))
    found = {(int(i), int(j)): int(matrix[i, j]) for i, j in zip(*np.nonzero(matrix), strict=True)}
    assert found == counted_by_hand(corpus, weights, side, repeats.tolist())


@given(corpus=corpora(), window=windows, side=sides)
def test_columns_ascend_in_a_row_and_no_zero_is_stored(
    device: Device, corpus: Corpus, window: tuple[int, Weighting], side: Side
) -> None:
    found = count(device, corpus, weights_of(*window)[0], side)
    assert (found.data > 0).all()
    for first, last in zip(found.indptr[:-1], found.indptr[1:], strict=True):
        assert (np.diff(found.indices[first:last]) > 0).all()


@given(corpus=corpora(), window=windows)
def test_counts_of_both_sides_are_symmetric_and_the_sum_of_the_sides(
    device: Device, corpus: Corpus, window: tuple[int, Weighting]
) -> None:
    both, left, right = (dense(count(device, corpus, weights_of(*window)[0], side)) for side in SIDES)
    assert_same_bits(both, np.ascontiguousarray(both.T))
    assert_same_bits(left, np.ascontiguousarray(right.T))
    assert_same_bits(both, left + right)


@given(corpus=corpora(), window=windows, side=sides)
def test_all_counts_add_up_to_their_closed_form(
    device: Device, corpus: Corpus, window: tuple[int, Weighting], side: Side
) -> None:
    weights, _ = weights_of(*window)
    pairs = sum(
        int(weights[distance]) * max(0, len(document) - distance)
        for document in corpus.documents
        for distance in range(1, len(weights))
    )
    assert int(count(device, corpus, weights, side).data.sum()) == pairs * (2 if side == "both" else 1)


@given(corpus=corpora(), window=windows, side=sides, data=st.data())
def test_repeating_documents_is_counting_them_more_often(
    device: Device, corpus: Corpus, window: tuple[int, Weighting], side: Side, data: st.DataObject
) -> None:
    weights, _ = weights_of(*window)
    repeats = data.draw(repeats_of(corpus))
    copies = [d for d, times in zip(corpus.documents, repeats, strict=True) for _ in range(times)]
    repeated = count(device, Corpus(copies, corpus.words), weights, side)
    assert_same_counts(count(device, corpus, weights, side, repeats), repeated)


@given(corpus=corpora(), window=windows, side=sides)
def test_repeating_every_document_once_changes_nothing(
    device: Device, corpus: Corpus, window: tuple[int, Weighting], side: Side
) -> None:
    weights, _ = weights_of(*window)
    once = np.ones(len(corpus.documents), np.int64)
    assert_same_counts(count(device, corpus, weights, side, once), count(device, corpus, weights, side))


@given(corpus=corpora(), window=windows, side=sides)
def test_windows_never_cross_documents(
    device: Device, corpus: Corpus, window: tuple[int, Weighting], side: Side
) -> None:
    weights, _ = weights_of(*window)
    apart = sum(
        dense(count(device, Corpus([document], corpus.words), weights, side)) for document in corpus.documents
    )
    together = dense(count(device, corpus, weights, side))
    np.testing.assert_array_equal(together, apart)


@given(corpus=corpora(), window=windows, seed=st.integers(0, 99))
def test_the_order_of_documents_does_not_matter(
    device: Device, corpus: Corpus, window: tuple[int, Weighting], seed: int
) -> None:
    weights, _ = weights_of(*window)
    order = np.random.default_rng(seed).permutation(len(corpus.documents))
    moved = Corpus([corpus.documents[m] for m in order], corpus.words)
    assert_same_counts(count(device, moved, weights), count(device, corpus, weights))


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(
    "corpus",
    [
        Corpus([], 1),
        Corpus([[]], 3),
        Corpus([[], [], []], 2),
        Corpus([[0]], 1),
        Corpus([[2]], 5),
        Corpus([[0], [1], [0]], 2),
    ],
    ids=[
        "no document",
        "empty document",
        "empty documents",
        "one token",
        "one token of five words",
        "single tokens",
    ],
)
def test_a_corpus_without_pairs_has_no_counts(device: Device, corpus: Corpus, side: Side) -> None:
    found = count(device, corpus, weights_of(5, "harmonic")[0], side)
    expected = CountedRows(np.zeros(corpus.words + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64))
    assert_same_counts(found, expected)


def test_a_word_twice_adds_both_directions_to_the_diagonal(device: Device) -> None:
    weights, _ = weights_of(1, "flat")
    assert dense(count(device, Corpus([[0, 0]], 1), weights)).tolist() == [[2]]
    assert dense(count(device, Corpus([[0, 0]], 1), weights, "left")).tolist() == [[1]]


def test_words_that_never_occur_have_empty_rows_and_columns(device: Device) -> None:
    matrix = dense(count(device, Corpus([[1, 3, 1, 3, 3]], 6), weights_of(3, "linear")[0]))
    assert not matrix[[0, 2, 4, 5]].any()
    assert not matrix[:, [0, 2, 4, 5]].any()
    assert matrix[1, 3] > 0


def test_counts_beyond_32_bits_are_exact(device: Device) -> None:
    weights, unit = weights_of(25, "harmonic")
    found = dense(count(device, Corpus([[0, 1]], 2), weights, repeats=np.array([10**6])))
    assert found.tolist() == [[0, unit * 10**6], [unit * 10**6, 0]]


def test_tokens_of_the_host_have_their_counts_there(device: Device) -> None:
    corpus = Corpus([[0, 2, 1, 1, 0, 2, 2], [], [1, 0]], 4)
    weights, _ = weights_of(3, "harmonic")
    found = window_counts.on(device)(corpus.ids, corpus.starts, None, corpus.words, weights)
    assert {type(one) for one in (found.indptr, found.indices, found.data)} == {np.ndarray}
    assert_same_counts(found, window_counts.reference(corpus.ids, corpus.starts, None, 4, weights))


@pytest.mark.parametrize("side", SIDES)
def test_a_corpus_larger_than_its_memory_has_the_same_counts(device: Device, side: Side) -> None:
    """A GPU takes it in stretches, and brings cells home between them; a CPU has no such border."""
    corpus, weights = zipf(300, 90, seed=6), weights_of(7, "harmonic")[0]
    expected = window_counts.reference(corpus.ids, corpus.starts, None, corpus.words, weights, side)
    with planned(50, capacity=180):
        assert_same_counts(count(device, corpus, weights, side), expected)


@pytest.mark.slow
def test_many_words_come_out_in_order(device: Device) -> None:
    numbers = np.random.default_rng(5)
    words = 3 * 64 * 64 + 5
    documents = [numbers.integers(0, words, size).tolist() for size in (0, 1, 9000, 700)]
    corpus = Corpus([*documents, [words - 1, 0, 63, 64, 4095, 4096, words - 1]], words)
    found = count(device, corpus, weights_of(10, "harmonic")[0])
    hand = counted_by_hand(corpus, weights_of(10, "harmonic")[0], "both", [1] * 5)
    rows = np.repeat(np.arange(words), np.diff(found.indptr)).tolist()
    assert dict(zip(zip(rows, found.indices.tolist(), strict=True), found.data.tolist(), strict=True)) == hand
    assert (np.diff(np.array(rows) * words + found.indices) > 0).all()


# Weights.


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_weights_are_their_definition_in_whole_units(weighting: Weighting) -> None:
    for window in range(1, LARGEST_WINDOW[weighting] + 1):
        weights, unit = weights_of(window, weighting)
        assert weights.dtype == np.int64
        assert weights[0] == 0
        for distance, weight in enumerate(weights[1:].tolist(), start=1):
            defined = {
                "harmonic": Fraction(1, distance),
                "linear": Fraction(window - distance + 1, window),
                "flat": Fraction(1),
            }[weighting]
            assert Fraction(weight, unit) == defined


def test_a_harmonic_weight_times_its_distance_is_the_unit() -> None:
    for window in range(1, LARGEST_WINDOW["harmonic"] + 1):
        weights, unit = weights_of(window, "harmonic")
        assert set((weights[1:] * np.arange(1, window + 1)).tolist()) == {unit}


@pytest.mark.parametrize(
    ("window", "weighting", "said"),
    [
        (0, "harmonic", "at least 1"),
        (-3, "flat", "at least 1"),
        (float("nan"), "flat", "at least 1"),
        (26, "harmonic", "window=25"),
        (51, "linear", "window=50"),
        (51, "flat", "window=50"),
        (5, "harmonics", "Did you mean harmonic?"),
        (5, None, "harmonic, linear, flat"),
    ],
)
def test_windows_without_exact_weights_are_refused(window: Any, weighting: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_window(window, weighting)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_largest_windows_are_taken(weighting: Weighting) -> None:
    check_window(LARGEST_WINDOW[weighting], weighting)
    check_window(1, weighting)
