"""The order of GloVe's nonzeros: each once, blocks that share nothing, tiles and groups in one piece."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import seeds
from tolerances import EPS32, assert_same_bits, assert_within

from gpuemb.core import threads
from gpuemb.core.device import CPU, Device
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.table import CountedRows
from gpuemb.kernels.glove_epoch import Strata
from gpuemb.training import glove_strata
from gpuemb.training.glove_strata import LEAST_BLOCKS, block_count, stratify, stratify_bytes
from gpuemb.training.recipes import GloVe

FIELDS = ("rows", "columns", "logs", "weights", "bounds")


def drawn_counts(words: int, nonzeros: int, seed: int) -> Cooccurrence:
    """A symmetric table in which the first words have most of the cells and some have none."""
    numbers = np.random.default_rng(seed)
    pairs = (words * numbers.random((2, nonzeros)) ** 3).astype(np.int64)
    cells = np.unique(np.concatenate([pairs[0] * words + pairs[1], pairs[1] * words + pairs[0]]))
    rows, columns = np.divmod(cells, words)
    low, high = np.minimum(rows, columns), np.maximum(rows, columns)
    values = 1 + (low * 7919 + high * 104729) % 5000
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=words))]).astype(np.int64)
    vocabulary = Vocabulary(tuple(map(str, range(words))), np.ones(words, np.int64))
    return Cooccurrence(CountedRows(indptr, columns.astype(np.int32), values), Fraction(1, 10), vocabulary)


def cells_of(strata: Strata, words: int) -> np.ndarray:
    return strata.rows.astype(np.int64) * words + strata.columns


def expected_cells(counts: Cooccurrence) -> np.ndarray:
    words = len(counts.vocabulary)
    return np.repeat(np.arange(words), np.diff(counts.rows.indptr)) * words + counts.rows.indices


tables = st.builds(drawn_counts, words=st.integers(1, 80), nonzeros=st.integers(0, 600), seed=seeds)
LARGER = drawn_counts(400, 20_000, 5)


@settings(deadline=None)
@given(counts=tables, seed=seeds)
def test_every_nonzero_is_visited_once_with_its_log_and_weight(counts: Cooccurrence, seed: int) -> None:
    recipe = GloVe(dim=3, x_max=20, alpha=0.6)
    strata = stratify(counts, recipe, seed)
    found, expected = cells_of(strata, len(counts.vocabulary)), expected_cells(counts)
    order = np.argsort(found)
    np.testing.assert_array_equal(found[order], expected)
    values = counts.rows.data / 10
    assert_within(strata.logs[order], np.log(values), 8 * EPS32)
    assert_within(strata.weights[order], np.minimum(1, (values / 20) ** 0.6), 2 * EPS32)
    visited = np.concatenate([np.arange(first, last) for first, last in strata.bounds.reshape(-1, 2)])
    np.testing.assert_array_equal(np.sort(visited), np.arange(counts.nonzeros))


@settings(deadline=None)
@given(counts=tables, seed=seeds)
def test_blocks_of_a_round_share_no_word_and_no_context(counts: Cooccurrence, seed: int) -> None:
    strata = stratify(counts, GloVe(dim=3), seed)
    block_of = np.full((2, len(counts.vocabulary)), -1)
    blocks = len(strata.bounds)
    for round_, bounds in enumerate(strata.bounds):
        for block, (first, last) in enumerate(bounds):
            sides = (block, strata.rows[first:last]), ((block + round_) % blocks, strata.columns[first:last])
            for known, (place, words) in zip(block_of, sides, strict=True):
                assert np.isin(known[words], (-1, place)).all()
                known[words] = place


@pytest.mark.parametrize("workers", [2, 7])
def test_any_number_of_threads_deals_the_same_strata(workers: int) -> None:
    with threads.limit(1):
        expected = stratify(LARGER, GloVe(dim=3), 4)
    with threads.limit(workers):
        found = stratify(LARGER, GloVe(dim=3), 4)
    for field in FIELDS:
        assert_same_bits(getattr(found, field), getattr(expected, field))


def test_a_seed_decides_the_blocks_and_the_order() -> None:
    first, again, other = (stratify(LARGER, GloVe(dim=3), seed) for seed in (1, 1, 2))
    assert_same_bits(first.rows, again.rows)
    assert (first.rows != other.rows).any()
    assert (first.bounds != other.bounds).any()


def pieces(labels: np.ndarray) -> np.ndarray:
    """The label of each piece of equal neighbors."""
    return labels[np.flatnonzero(np.diff(labels, prepend=-1))]


def test_tiles_and_their_groups_are_visited_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glove_strata, "TILE_BYTES", 8 * 16 * 5)  # five contexts of sixteen columns
    monkeypatch.setattr(glove_strata, "GROUP", 4)
    words = len(LARGER.vocabulary)
    strata = stratify(LARGER, GloVe(dim=3), 0)
    rank = np.empty(words, np.int64)
    rank[np.argsort(-np.diff(LARGER.rows.indptr), kind="stable")] = np.arange(words) // LEAST_BLOCKS
    turns = set()
    for first, last in strata.bounds.reshape(-1, 2):
        tile, group = rank[strata.columns[first:last]] // 5, rank[strata.rows[first:last]] // 4
        visited = pieces(tile)
        assert len(set(visited)) == len(visited)
        turns.add(tuple(visited))
        both = pieces(tile * words + group)
        assert len(set(both)) == len(both)
    assert len(turns) > LEAST_BLOCKS  # their order is random


def test_nonzeros_of_a_group_and_a_tile_are_in_random_order() -> None:
    strata = stratify(LARGER, GloVe(dim=3), 0)  # so few words a block are one tile and one group
    first, last = strata.bounds[0, 0]
    cells = cells_of(strata, len(LARGER.vocabulary))[first:last]
    rising = (np.diff(cells) > 0).mean()
    assert abs(rising - 0.5) < 4 * 0.5 / np.sqrt(len(cells))


def test_no_block_of_words_exceeds_the_mean_by_more_than_a_row() -> None:
    strata = stratify(LARGER, GloVe(dim=3), 0)
    sizes = np.diff(strata.bounds, axis=2).sum(axis=(0, 2))
    assert sizes.max() <= LARGER.nonzeros / len(sizes) + np.diff(LARGER.rows.indptr).max()


@pytest.mark.parametrize(
    ("words", "nonzeros", "dim", "blocks"),
    [(1, 1, 1, 16), (12_184, 3_418_817, 300, 16), (128_128, 38_506_227, 100, 36), (10**6, 10**9, 100, 107)],
)
def test_blocks_follow_from_the_sizes(words: int, nonzeros: int, dim: int, blocks: int) -> None:
    with threads.limit(7):
        assert block_count(words, nonzeros, dim, CPU) == blocks
    assert block_count(words, nonzeros, dim, Device("cuda", 0)) >= LEAST_BLOCKS


def test_a_gpu_takes_more_and_smaller_blocks() -> None:
    assert block_count(128_128, 38_506_227, 100, Device("cuda", 0)) == 438
    strata = stratify(LARGER, GloVe(dim=300), 0, Device("cuda", 0))
    np.testing.assert_array_equal(np.sort(cells_of(strata, 400)), expected_cells(LARGER))


@pytest.mark.parametrize(
    "recipe", [GloVe(dim=1, x_max=1e-300), GloVe(dim=1, x_max=1e300), GloVe(dim=1, alpha=0)]
)
def test_extreme_weights_are_between_nothing_and_one(recipe: GloVe) -> None:
    weights = stratify(LARGER, recipe, 0).weights
    assert ((weights >= 0) & (weights <= 1)).all()
    assert (weights == 1).all() == (recipe.x_max < 1 or recipe.alpha == 0)


def test_memory_of_the_order_is_stated_whatever_the_threads() -> None:
    counts, recipe = drawn_counts(2000, 150_000, 6), GloVe(dim=8)
    stratify(counts, recipe, 0)  # what is imported and compiled is not counted
    planned = stratify_bytes(len(counts.vocabulary), counts.nonzeros, recipe.dim)
    assert planned["ordered nonzeros"] == 16 * counts.nonzeros + 16 * LEAST_BLOCKS**2
    for workers in (1, 16):
        tracemalloc.start()
        with threads.limit(workers):
            stratify(counts, recipe, 1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= sum(planned.values())
