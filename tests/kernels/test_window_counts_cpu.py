"""How the CPU cuts the work: no cut changes a bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import Corpus, corpora
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.arrays import Int64
from gpuemb.core.device import CPU
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.kernels.window_counts import (
    CELL_BYTES,
    CountedRows,
    Side,
    Weighting,
    weights_of,
    window_counts,
)
from gpuemb.kernels.window_counts import cpu as cpu_kernel
from gpuemb.kernels.window_counts.cpu import row_ranges
from gpuemb.kernels.window_counts.cpu.row_ranges import cut_ranges
from gpuemb.kernels.window_counts.cpu.word_positions import token_ranges

SIDES: tuple[Side, ...] = ("both", "left", "right")
cell_limits = st.sampled_from([1, 30, 1 << 19])
windows = st.tuples(st.integers(1, 12), st.sampled_from(("harmonic", "linear", "flat")))


def count(corpus: Corpus, weights: Int64, side: Side = "both", repeats: Int64 | None = None) -> CountedRows:
    return window_counts.on(CPU)(corpus.ids, corpus.starts, repeats, corpus.words, weights, side)


def assert_same_counts(found: CountedRows, expected: CountedRows) -> None:
    for field in ("indptr", "indices", "data"):
        assert_same_bits(getattr(found, field), getattr(expected, field))


@pytest.fixture(scope="module")
def large() -> Corpus:
    numbers = np.random.default_rng(3)
    sizes = numbers.integers(0, 400, 60)
    return Corpus([numbers.geometric(0.02, size).clip(max=300).tolist() for size in sizes], 310)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("cells", [1, 1000, 1 << 22])
@pytest.mark.parametrize("frequent", [0, 1, 40, 309, 512])
def test_any_ranges_threads_and_frequent_words_give_the_same_bits(
    frequent: int, cells: int, workers: int, large: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, _ = weights_of(10, "harmonic")
    repeats = np.arange(len(large.documents)) % 3
    expected = window_counts.reference(large.ids, large.starts, repeats, large.words, weights)
    monkeypatch.setattr(cpu_kernel, "RANGE_CELLS", cells)
    monkeypatch.setattr(cpu_kernel, "FREQUENT", frequent)
    with threads.limit(workers):
        assert_same_counts(count(large, weights, repeats=repeats), expected)


@given(
    corpus=corpora(),
    window=windows,
    side=st.sampled_from(SIDES),
    data=st.data(),
    workers=st.integers(1, 5),
    cells=cell_limits,
)
def test_any_border_of_frequent_words_gives_the_reference_s_bits(
    corpus: Corpus,
    window: tuple[int, Weighting],
    side: Side,
    data: st.DataObject,
    workers: int,
    cells: int,
) -> None:
    weights, _ = weights_of(*window)
    documents = len(corpus.documents)
    repeats = data.draw(st.none() | arrays(np.int64, documents, elements=st.integers(0, 4)))
    frequent = data.draw(st.integers(0, corpus.words))
    expected = window_counts.reference(corpus.ids, corpus.starts, repeats, corpus.words, weights, side)
    with pytest.MonkeyPatch.context() as patch, threads.limit(workers):
        patch.setattr(cpu_kernel, "FREQUENT", frequent)
        patch.setattr(cpu_kernel, "RANGE_CELLS", cells)
        assert_same_counts(count(corpus, weights, side, repeats), expected)


@given(
    sizes=st.lists(st.integers(0, 9), max_size=12),
    parts=st.integers(1, 7),
)
def test_stretches_cover_every_token_once_and_name_its_documents(sizes: list[int], parts: int) -> None:
    starts = np.cumsum([0, *sizes])
    parts = token_ranges(starts, parts)
    assert [token for part in parts for token in range(part.low, part.high)] == list(range(starts[-1]))
    for part in parts:
        assert starts[part.first] <= part.low
        assert starts[part.last] >= part.high


@given(
    occurrences=st.lists(st.integers(0, 50), min_size=1, max_size=30),
    window=st.integers(1, 10),
    cells=st.integers(1, 500),
    frequent=st.integers(0, 30),
)
def test_ranges_cover_every_rarer_word_once_and_hold_their_cells(
    occurrences: list[int], window: int, cells: int, frequent: int
) -> None:
    words = len(occurrences)
    parts = cut_ranges(np.cumsum([0, *occurrences]), words, 2 * window, cells, min(frequent, words))
    assert [word for first, last in parts for word in range(first, last)] == list(range(frequent, words))
    for first, last in parts:
        touched = sum(min(n * 2 * window, words) for n in occurrences[first:last])
        assert touched <= cells or last == first + 1


def test_counts_that_the_free_memory_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_ranges, "available_host_bytes", lambda: 3 * CELL_BYTES)
    weights, _ = weights_of(1, "flat")
    assert len(count(Corpus([[0, 1, 1]], 2), weights).data) == 3
    with pytest.raises(MemoryBudgetError, match="36 B of counts"):
        count(Corpus([[0, 1, 1, 0, 0]], 2), weights)


def test_tokens_may_lie_in_a_file_that_nobody_may_write(tmp_path: Path, large: Corpus) -> None:
    np.save(tmp_path / "ids.npy", large.ids)
    mapped = np.load(tmp_path / "ids.npy", mmap_mode="r")
    weights, _ = weights_of(10, "harmonic")
    found = window_counts.on(CPU)(mapped, large.starts, None, large.words, weights)
    assert_same_counts(found, count(large, weights))
