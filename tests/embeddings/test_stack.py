"""Several tables over one vocabulary: the words all of them have, in the order of the first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gpuemb.core.errors import ConfigError, MemoryBudgetError, NonFiniteError, ShapeError, VocabularyError
from gpuemb.embeddings.model import Embedding, EmbeddingStack, tables_of
from gpuemb.embeddings.stack import shared_words, stack

VOCABULARIES = st.lists(
    st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True), min_size=1, max_size=4
)


def named(words: list[str], run: int = 0, dim: int = 2, *, dtype: Any = np.float32) -> Embedding:
    """A table whose entries encode their word and run."""
    rows = [[1000 * run + ord(word) + column / 8 for column in range(dim)] for word in words]
    return Embedding(np.array(rows, dtype), words, np.array([ord(word) for word in words]), f"run {run}")


@settings(deadline=None)
@given(vocabularies=VOCABULARIES)
def test_shared_words_stand_in_the_order_of_the_first(vocabularies: list[list[str]]) -> None:
    shared = [word for word in vocabularies[0] if all(word in other for other in vocabularies)]
    assume(shared)
    tables = [named(words, run) for run, words in enumerate(vocabularies)]
    lined_up = stack(tables)
    assert list(lined_up.index_to_key) == shared == shared_words(tables)
    assert lined_up.vectors.shape == (len(vocabularies), len(shared), 2)
    for run, table in enumerate(lined_up):
        np.testing.assert_array_equal(table.vectors, named(shared, run).vectors)
    lost = [[word for word in words if word not in shared] for words in vocabularies]
    assert [list(dropped) for dropped in lined_up.dropped] == lost
    assert lined_up.counts.tolist() == [ord(word) for word in shared]


def test_tables_of_unequal_dimensions_stay_a_tuple() -> None:
    lined_up = stack([named(["a", "b"], 0, 2), named(["b", "a"], 1, 5)])
    assert isinstance(lined_up.vectors, tuple)
    assert [table.shape for table in lined_up.tables()] == [(2, 2), (2, 5)]
    assert lined_up[1]["a"][0] == named(["a"], 1)["a"][0]


def test_tables_of_unequal_dtypes_keep_their_own() -> None:
    lined_up = stack([named(["a"], 0), named(["a"], 1, dtype=np.float64)])
    assert [table.dtype for table in lined_up.tables()] == [np.float32, np.float64]


def test_capitals_are_not_matched_unless_asked() -> None:
    tables = [named(["a", "b"]), named(["A"])]
    with pytest.raises(VocabularyError, match="tables of 2, 1 words share none"):
        stack(tables)
    assert shared_words(tables) == []
    assert list(stack(tables, case="lower").index_to_key) == ["a"]
    with pytest.raises(ConfigError, match="Did you mean lower"):
        stack(tables, case="lowr")  # type: ignore[arg-type]


def test_in_lower_case_the_first_row_of_a_spelling_stays_and_the_others_are_counted() -> None:
    lined_up = stack([named(["b", "A", "a", "B", "c"], 0), named(["a", "C", "B"], 1)], case="lower")
    assert list(lined_up.index_to_key) == ["b", "a", "c"]
    np.testing.assert_array_equal(lined_up.vectors[0], named(["b", "A", "c"], 0).vectors)
    np.testing.assert_array_equal(lined_up.vectors[1], named(["B", "a", "C"], 1).vectors)
    assert (tuple(lined_up.folded), tuple(lined_up.dropped)) == ((2, 0), ((), ()))


def test_each_table_keeps_its_own_ranks() -> None:
    first = Embedding(np.eye(3), ["a", "b", "c"], ranks=np.array([1, 2, 3]))
    second, third = Embedding(np.eye(3), ["c", "b", "x"], ranks=np.array([4, 9, 10])), named(["b", "c"], 2)
    lined_up = stack([first, second, third])
    assert [None if ranks is None else ranks.tolist() for ranks in lined_up.ranks] == [[2, 3], [9, 4], None]
    found = lined_up[1].ranks
    assert found is not None
    assert found.tolist() == [9, 4]
    with pytest.raises(ShapeError, match="2 ranks but 3 words"):
        Embedding(np.eye(3), ["a", "b", "c"], ranks=np.array([1, 2]))


def test_a_stack_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpuemb.core.memory.available_host_bytes", lambda: 10)
    with pytest.raises(MemoryBudgetError, match="stack: needs 16 B"):
        stack([named(["a"]), named(["a"], 1)])


def test_no_table_is_no_stack() -> None:
    with pytest.raises(VocabularyError, match="no table was given"):
        stack([])


def test_runs_of_one_name_get_their_number() -> None:
    lined_up = stack([named(["a"], 7), named(["a"], 3), named(["a"], 7)])
    assert tuple(lined_up.runs) == ("run 7 0", "run 3", "run 7 2")


def test_runs_without_names_are_counted_and_are_tables_themselves() -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    runs = EmbeddingStack(vectors, ["a", "b", "c"])
    assert len(runs) == 2
    assert [run.name for run in runs] == ["run 0", "run 1"]
    np.testing.assert_array_equal(runs[1]["b"], vectors[1, 1])


def test_a_bad_run_is_named() -> None:
    vectors = np.ones((2, 3, 2), np.float32)
    vectors[1, 2, 0] = np.nan
    with pytest.raises(NonFiniteError, match="run 1: vectors holds NaN or infinity; row 2, the word 'c'"):
        EmbeddingStack(vectors, ["a", "b", "c"])
    with pytest.raises(ShapeError, match="run 0: 3 vectors but 2 words"):
        EmbeddingStack(np.ones((2, 3, 2)), ["a", "b"])


def test_a_stack_a_list_and_an_array_hold_the_same_tables() -> None:
    vectors = np.arange(12, dtype=np.float64).reshape(2, 3, 2)
    runs = EmbeddingStack(vectors, ["a", "b", "c"])
    for given_as in (runs, list(runs), list(vectors), vectors):
        for found, expected in zip(tables_of(given_as), vectors, strict=True):
            np.testing.assert_array_equal(found, expected)
