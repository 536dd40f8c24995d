"""window_counts' three texts: order, merging, counting; chunks, full tables and lists, little memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cuda_on_host import compiler, counts, stand_in
from cuda_on_host.counts import CASES, CUDA, Case, assert_same, planned, running_out, small, zipf
from cuda_on_host.launch import EACH_SCHEDULE, MOST_SHARED_BYTES, Run
from hypothesis import given
from hypothesis import strategies as st
from slow import cases
from strategies import Corpus
from tolerances import assert_same_bits

from gpuemb.core.arrays import to_device
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.kernels.window_counts import cuda, weights_of
from gpuemb.kernels.window_counts.cuda import chunk, sort
from gpuemb.kernels.window_counts.cuda.coo_buffer import COOBuffer, row_blocks
from gpuemb.kernels.window_counts.cuda.sort import TILE, Sorter, shares

pytestmark = pytest.mark.skipif(bool(compiler.missing()), reason=f"cuda-on-host: {compiler.missing()}")


@pytest.fixture(params=EACH_SCHEDULE)
def schedule(request: pytest.FixtureRequest) -> Iterator[str]:
    with stand_in.installed(Run(request.param, seed=3)):
        yield request.param


# Order.


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("width", [4, 8])
@pytest.mark.parametrize(("size", "bits"), counts.SIZES)
def test_equal_numbers_keep_their_order(size: int, bits: int, width: int) -> None:
    counts.assert_sorted(size, min(bits, 8 * width), width)


def test_nothing_and_numbers_without_bits_are_in_order_already() -> None:
    with stand_in.installed(Run()):
        counts.assert_sorted(0, 8, 4)
        counts.assert_sorted(50, 0, 8)


@given(size=st.integers(1, 2**33))
def test_shares_are_whole_tiles_and_cover_all_entries(size: int) -> None:
    blocks, share = shares(size)
    assert blocks <= sort.MOST_BLOCKS
    assert share % TILE == 0
    assert (blocks - 1) * share < size <= blocks * share


# Merging.


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize(("size", "words"), [(0, 3), (1, 1), (300, 4), (5000, 60), (4500, 1)])
def test_equal_cells_become_one(size: int, words: int) -> None:
    counts.assert_merged(size, words)


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("mirrored", [True, False])
@pytest.mark.parametrize(("words", "capacity"), [(1, 2), (7, 400), (7, 60), (30, 900)])
def test_cells_in_ranks_become_rows_of_words(words: int, capacity: int, mirrored: bool) -> None:
    counts.assert_rows(words, capacity, mirrored=mirrored)


def test_a_buffer_is_merged_when_it_is_full_and_no_sooner() -> None:
    with stand_in.installed(Run()):
        cells = COOBuffer(2, 10, Sorter())
        for number in range(8):
            cells.keys[0, number], cells.sums[0, number] = number % 4, 1
        cells.filled[:], cells.most = 8, 10
        assert cells.fits(2)  # eight are in use, whatever the bound
        assert cells.most == 8
        assert cells.fits(6)
        assert cells.most == 4
        assert not cells.fits(7)
        assert np.asarray(cells.sums[cells.side, :4]).tolist() == [2, 2, 2, 2]


@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=40), most=st.integers(1, 60))
def test_blocks_of_rows_hold_no_more_than_they_may(sizes: list[int], most: int) -> None:
    ends = np.cumsum([0, *sizes])
    found = list(row_blocks(ends, most))
    assert [row for first, last in found for row in range(first, last)] == list(range(len(sizes)))
    assert all(ends[last] - ends[first] <= most or last == first + 1 for first, last in found)


# Counting.


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("on_host", [True, False], ids=["host", "device"])
@pytest.mark.parametrize("case", CASES)
def test_counts_are_the_reference_s_bits(case: str, on_host: bool) -> None:
    with small():
        assert_same(CASES[case].found(on_host=on_host), CASES[case].expected())


@pytest.mark.parametrize("case", ["zipf", "repeated, left", "wide", "beyond 32 bits"])
def test_blocks_of_their_real_size_count_the_same(case: str) -> None:
    with stand_in.installed(Run("ahead", seed=1)):
        assert_same(CASES[case].found(), CASES[case].expected())


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize(
    ("length", "case"),
    [
        *((length, case) for length in (1, 2) for case in ("short documents", "single tokens", "one token")),
        *((length, case) for length in (11, 64) for case in CASES),
    ],
)
def test_any_chunks_count_every_pair_once(length: int, case: str) -> None:
    with small(), planned(length):
        assert_same(CASES[case].found(on_host=True), CASES[case].expected())


@pytest.mark.usefixtures("schedule")
@pytest.mark.parametrize("short", [1, 5, 90])
@pytest.mark.parametrize("side", ["both", "left", "right"])
def test_any_share_of_words_with_short_rows_counts_the_same(side: counts.Side, short: int) -> None:
    case = replace(CASES["zipf"], side=side)
    with small(SHORT_WORDS=short):
        assert_same(case.found(), case.expected())


@pytest.mark.parametrize("on_host", [True, False], ids=["host", "device"])
@pytest.mark.parametrize("capacity", cases(180, slow=(600,)))
@pytest.mark.parametrize("case", ["zipf", "zipf, right"])
@pytest.mark.usefixtures("schedule")
def test_counts_beyond_the_buffer_are_moved_to_the_host(case: str, capacity: int, on_host: bool) -> None:
    with small(), planned(50, capacity):
        assert_same(CASES[case].found(on_host=on_host), CASES[case].expected())


def test_buffers_that_are_too_small_are_moved_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would show nothing."""
    added, sums = COOBuffer.added, []

    def adding(*given: Any, **flags: Any) -> object:
        sums.append(flags)
        return added(*given, **flags)

    monkeypatch.setattr(COOBuffer, "added", adding)
    with stand_in.installed(Run()), small(), planned(50, 180):
        CASES["zipf"].found()
    assert len(sums) >= 2
    assert [flags["on_host"] for flags in sums] == [True] * (len(sums) - 1) + [False]


def list_length(case: Case, **sizes: int) -> int:
    """Entries appended by blocks, those of one cell by several blocks counted separately."""
    lengths = []
    with stand_in.installed(Run()), small(**sizes), pytest.MonkeyPatch.context() as patch:
        rows = COOBuffer.rows

        def looking(cells: COOBuffer, *given: Any, **flags: Any) -> object:
            lengths.append(int(cells.filled[0]))
            return rows(cells, *given, **flags)

        patch.setattr(COOBuffer, "rows", looking)
        assert_same(case.found(), case.expected())
    (length,) = lengths
    return length


def test_a_full_table_is_emptied_and_goes_on() -> None:
    case = Case(zipf(300, 60, 8), 6)
    whole = list_length(case, SHORT_WORDS=1, PAIRS_A_BLOCK=1 << 17, PLACES=2048)
    expected = case.expected()
    rows = np.repeat(np.arange(60), np.diff(expected.indptr))
    assert whole == np.count_nonzero(expected.indices <= rows)
    assert list_length(case, SHORT_WORDS=1, PAIRS_A_BLOCK=1 << 17, PLACES=64) > whole


def test_the_rarer_word_owns_a_pair() -> None:
    """A word among two hundred others, each once: all pairs are theirs, so its row holds itself alone."""
    others = list(range(1, 201))
    case = Case(Corpus([[word for other in others for word in (0, other)]], 201), 1, "flat")
    with stand_in.installed(Run()):
        sorter = Sorter()
        cells = COOBuffer(201, 1000, sorter)
        ids = to_device(case.corpus.ids, CUDA)
        word_of_rank, rank = cuda.ranks(ids, 201)
        assert word_of_rank[0] == 0
        given = (to_device(case.corpus.starts, CUDA), to_device(np.zeros(1, np.int64), CUDA), False)
        corpus = chunk.Corpus(*given, to_device(weights_of(1, "flat")[0], CUDA), "both", 201, rank)
        with small(SHORT_WORDS=1):
            chunk.count_chunk(corpus, ids, 0, 0, cells, sorter)
        keys = np.asarray(cells.keys[0][: int(cells.filled[0])])
    assert set((keys // 201).tolist()) == set(range(1, 201))
    assert set((keys % 201).tolist()) == {0}


def test_any_numbering_of_words_gives_the_same_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["zipf, right"]
    order = np.random.default_rng(2).permutation(case.corpus.words)

    def ranks(ids: object, words: int) -> tuple[object, object]:
        ranked = np.argsort(order).astype(np.uint32)
        return to_device(order.astype(np.int32), CUDA), to_device(ranked, CUDA)

    monkeypatch.setattr(cuda, "ranks", ranks)
    with stand_in.installed(Run("random")), small(SHORT_WORDS=30):
        assert_same(case.found(), case.expected())


# Memory.


def test_counts_do_not_change_when_the_memory_runs_out() -> None:
    case = CASES["repeated"]
    with stand_in.installed(Run()), small(), running_out(31):
        assert_same(case.found(on_host=True), case.expected())


def test_a_device_without_any_memory_is_told_so() -> None:
    with (
        stand_in.installed(Run()),
        running_out(0),
        pytest.raises(MemoryBudgetError, match="window_counts of 300 tokens: the GPU's memory ran out"),
    ):
        CASES["zipf"].found()


sizes = st.tuples(
    st.integers(1, 2**31 - 1), st.integers(1, 3_000_000), st.integers(1, 10**8), st.integers(1, 50)
)


@given(size=sizes, free=st.integers(10**7, 2 * 10**11), resampled=st.booleans())
def test_a_plan_fits_what_is_free(size: tuple[int, int, int, int], free: int, resampled: bool) -> None:
    tokens, words, documents, window = size
    try:
        cut = cuda.plan(tokens, words, documents, window, free, resampled=resampled)
    except MemoryBudgetError:
        return
    held = (8 + 8 * resampled) * documents + cuda.WORD_BYTES * words + cuda.TABLE_BYTES
    a_token = cuda.TOKEN_BYTES + 8 * resampled
    assert held + a_token * cut.chunk + cuda.ENTRY_BYTES * cut.capacity <= free
    assert 1 <= cut.chunk <= min(tokens, cuda.LARGEST_CHUNK)
    assert cut.capacity >= max(2 * words, cut.chunk * window)
    if cut.chunk < tokens:
        assert cut.capacity >= min(tokens, 2 * cut.chunk) * window


def test_a_plan_takes_a_small_corpus_whole_and_refuses_a_device_that_holds_no_words() -> None:
    assert cuda.plan(1000, 50, 20, 10, 10**9, resampled=False) == cuda.Plan(1000, 10_000)
    with pytest.raises(MemoryBudgetError, match="window_counts of 1000 tokens, 10000000 words"):
        cuda.plan(1000, 10**7, 20, 10, 10**8, resampled=False)


def test_blocks_fit_the_least_shared_memory() -> None:
    assert 16 * chunk.PLACES + 4 <= MOST_SHARED_BYTES
    assert 16 * chunk.SHORT_WORDS <= MOST_SHARED_BYTES
    assert chunk.PLACES * 3 // 4 > 2 * chunk.ROUNDS * chunk.COUNT_THREADS


@pytest.mark.slow
def test_cells_of_more_words_than_32_bits_can_pair_are_told_apart() -> None:
    spread = np.array([0, 1, 2**20 - 2, 2**20 - 1])
    few = Case(Corpus([[3, 0, 2, 1, 3]], 4), 2, "flat")
    many = Case(Corpus([spread[few.corpus.ids].tolist()], 2**20), 2, "flat")
    expected = few.expected()
    with stand_in.installed(Run()), small():
        found = many.found()
    assert_same_bits(np.diff(found.indptr)[spread], np.diff(expected.indptr))
    assert_same_bits(found.indices, spread[expected.indices].astype(np.int32))
    assert_same_bits(found.data, expected.data)
