"""Co-occurrence counts equal their definition exactly."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of
from counts.dense import counted
from hypothesis import given, settings
from hypothesis import strategies as st
from slow import many_examples

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts import table
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import bootstrap_repeats, count_cooccurrences
from gpuemb.kernels.window_counts import LARGEST_WINDOW, CountedRows

EPS = float(np.finfo(np.float64).eps)
WORDS = 5
DOCUMENTS = st.lists(st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=9), min_size=1, max_size=6)
WEIGHTINGS = st.sampled_from(["harmonic", "linear", "flat"])


def exact(counts: Cooccurrence) -> Any:
    """The counts as a dense table of fractions."""
    dense = counts.matrix.toarray()
    return np.array([[int(value) * counts.unit for value in row] for row in dense], object)


@many_examples(150)
@given(
    documents=DOCUMENTS,
    window=st.integers(1, 8),
    weighting=WEIGHTINGS,
    side=st.sampled_from(["both", "left", "right"]),
    data=st.data(),
)
def test_counts_equal_the_definition(
    documents: list[list[int]], window: int, weighting: Any, side: Any, data: st.DataObject
) -> None:
    tokens = tokens_of(documents, WORDS)
    repeats = data.draw(
        st.none()
        | st.lists(st.integers(0, 3), min_size=len(documents), max_size=len(documents)).map(np.array)
    )
    counts = count_cooccurrences(tokens, window, weighting, side=side, repeats=repeats)
    assert (exact(counts) == counted(tokens, window, weighting, side, repeats)).all()


def test_a_word_beside_itself_adds_both_directions_to_the_diagonal() -> None:
    counts = count_cooccurrences(tokens_of([[0, 0]], 2), 1)
    assert exact(counts).tolist() == [[2, 0], [0, 0]]


@settings(deadline=None)
@given(documents=DOCUMENTS, window=st.integers(1, 8), weighting=WEIGHTINGS)
def test_counts_of_both_sides_are_symmetric_sums_of_left_and_right(
    documents: list[list[int]], window: int, weighting: Any
) -> None:
    tokens = tokens_of(documents, WORDS)
    both, left, right = (
        exact(count_cooccurrences(tokens, window, weighting, side=side)) for side in ("both", "left", "right")
    )
    assert (both == both.T).all()
    assert (left == right.T).all()
    assert (both == left + right).all()


def test_rows_are_ascending_and_hold_no_zero() -> None:
    rows = count_cooccurrences(random_tokens(), 10).rows
    for first, last in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        assert (np.diff(rows.indices[first:last]) > 0).all()
    assert (rows.data > 0).all()


@pytest.mark.parametrize("threads_used", [2, 3])
def test_the_number_of_threads_changes_no_count(threads_used: int) -> None:
    tokens = random_tokens()
    with threads.limit(1):
        alone = count_cooccurrences(tokens, 7).rows
    with threads.limit(threads_used):
        together = count_cooccurrences(tokens, 7).rows
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))


@pytest.mark.parametrize("window", [1, 10, LARGEST_WINDOW["harmonic"]])
def test_harmonic_floats_are_reciprocals_of_the_distance(window: int) -> None:
    counts = count_cooccurrences(tokens_of([list(range(window + 2))], window + 2), window)
    first = counts.to_float().toarray()[0]
    for distance in range(1, window + 1):
        # the unit is rounded, its product is rounded, and so is the quotient here: 3 · eps/2
        assert abs(first[distance] - 1 / distance) <= 1.5 * EPS / distance
    assert first[0] == first[window + 1] == 0


def test_the_unit_of_each_weighting_is_the_smallest_exact_one() -> None:
    tokens = tokens_of([[0, 1]], 2)
    units = {w: count_cooccurrences(tokens, 10, w).unit for w in ("harmonic", "linear", "flat")}
    assert units == {
        "harmonic": Fraction(1, math.lcm(*range(1, 11))),
        "linear": Fraction(1, 10),
        "flat": Fraction(1),
    }


@pytest.mark.parametrize(("weighting", "largest"), sorted(LARGEST_WINDOW.items()))
def test_a_window_beyond_exact_integers_is_refused_with_the_largest(weighting: Any, largest: int) -> None:
    tokens = tokens_of([[0, 1]], 2)
    count_cooccurrences(tokens, largest, weighting)
    with pytest.raises(ConfigError, match=f"up to window {largest}"):
        count_cooccurrences(tokens, largest + 1, weighting)


def test_counts_that_could_pass_64_bits_are_refused() -> None:
    tokens = tokens_of([[0, 1]], 2)
    largest = (2**63 - 1) // (2 * len(tokens))  # window 1: the weights sum to 1
    count_cooccurrences(tokens, 1, repeats=np.array([largest]))
    with pytest.raises(ConfigError, match="below 2⁶³"):
        count_cooccurrences(tokens, 1, repeats=np.array([largest + 1]))


@pytest.mark.parametrize(
    "options", [{"window": 0}, {"weighting": "harmonical"}, {"side": "up"}, {"window": -1}]
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        count_cooccurrences(tokens_of([[0, 1]], 2), **options)


def test_repeats_must_fit_the_documents() -> None:
    with pytest.raises(ShapeError, match=r"shape \(3,\)"):
        count_cooccurrences(tokens_of([[0, 1], [1, 0]], 2), repeats=np.ones(3, np.int64))


@settings(deadline=None)
@given(documents=DOCUMENTS, seed=st.integers(0, 2**40))
def test_a_bootstrap_sample_counts_as_the_corpus_of_its_documents(
    documents: list[list[int]], seed: int
) -> None:
    tokens = tokens_of(documents, WORDS)
    repeats = bootstrap_repeats(tokens, seed)
    drawn = [document for document, n in zip(documents, repeats, strict=True) for _ in range(n)]
    resampled = count_cooccurrences(tokens, 4, repeats=repeats)
    assert (exact(resampled) == exact(count_cooccurrences(tokens_of(drawn, WORDS), 4))).all()


def test_bootstrap_samples_are_as_large_as_the_corpus_and_named_by_their_seed() -> None:
    tokens = random_tokens()
    samples = [bootstrap_repeats(tokens, seed) for seed in (0, 1, 0)]
    assert all(sample.sum() == tokens.documents for sample in samples)
    np.testing.assert_array_equal(samples[0], samples[2])
    assert (samples[0] != samples[1]).any()


@pytest.mark.parametrize(
    ("indptr", "indices", "said"),
    [
        ([0, 1, 2, 3], [0, 1, 3], "columns run from 0 to 3"),
        ([0, 1, 2, 3], [0, -1, 2], "columns run from -1 to 2"),
        ([0, 2, 1, 3], [0, 1, 2], "rows end at 3 of 3"),
        ([1, 1, 2, 3], [0, 1, 2], "rows end at 3 of 3"),
        ([0, 1, 2, 9], [0, 1, 2], "rows end at 9 of 3 columns and 3 counts"),
        ([0, 1, 2, 3], [0, 1], "rows end at 3 of 2 columns and 3 counts"),
    ],
)
def test_rows_that_point_outside_are_refused(indptr: list[int], indices: list[int], said: str) -> None:
    rows = CountedRows(np.array(indptr), np.array(indices, np.int32), np.ones(3, np.int64))
    vocabulary = Vocabulary(("a", "b", "c"), np.ones(3, np.int64))
    with pytest.raises(ShapeError, match=said):
        Cooccurrence(rows, Fraction(1), vocabulary)


@pytest.mark.parametrize("tile", [1, 2, 5, 10**6])
def test_columns_are_checked_across_tiles(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "TILE", tile)
    rows = count_cooccurrences(tokens_of([[0, 1, 4, 0, 3, 3], [2, 1, 4]], 7), 3).rows
    table.check_columns(rows)
    for place in range(len(rows.indices) - 1):
        if place + 1 not in rows.indptr:
            changed = rows.indices.copy()
            changed[place + 1] = changed[place]
            with pytest.raises(ShapeError, match="do not ascend"):
                table.check_columns(CountedRows(rows.indptr, changed, rows.data))
