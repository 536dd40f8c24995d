"""Counting within a budget: runs on the disk, the same bits, no files left."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of
from hypothesis import given, settings
from hypothesis import strategies as st

from gpuemb.core import threads
from gpuemb.core.errors import ConfigError, DTypeError, MemoryBudgetError, StorageError
from gpuemb.core.memory import bytes_of
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts import runs
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import count_cooccurrences

WORDS = 5
DOCUMENTS = st.lists(st.lists(st.integers(0, WORDS - 1), min_size=1, max_size=9), min_size=1, max_size=8)


def assert_same(found: Cooccurrence, expected: Cooccurrence) -> None:
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found.rows, name), getattr(expected.rows, name))
        assert getattr(found.rows, name).dtype == getattr(expected.rows, name).dtype


def needed(tokens: Tokens, of: int, window: int, *, resampled: bool = False) -> int:
    """Bytes of the plan for so many tokens, both sides."""
    return runs.RunBudget(0, len(tokens.vocabulary), 2 * window).plan(of, resampled=resampled).bytes


@settings(deadline=None)
@given(
    documents=DOCUMENTS,
    side=st.sampled_from(["both", "left", "right"]),
    beyond=st.integers(0, 12),
    data=st.data(),
)
def test_counts_in_runs_are_those_of_the_whole(
    documents: list[list[int]], side: Any, beyond: int, data: st.DataObject
) -> None:
    tokens = tokens_of(documents, WORDS)
    size = len(documents)
    repeats = data.draw(st.none() | st.lists(st.integers(0, 3), min_size=size, max_size=size).map(np.array))
    longest = max(map(len, documents))
    budget = needed(tokens, longest + beyond, 3, resampled=repeats is not None)
    with tempfile.TemporaryDirectory() as scratch:
        found = count_cooccurrences(tokens, 3, side=side, repeats=repeats, memory=budget, scratch=scratch)
        assert not list(Path(scratch).iterdir())
    assert_same(found, count_cooccurrences(tokens, 3, side=side, repeats=repeats))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_budget_is_kept_run_by_run(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = random_tokens(900)
    counted: list[int] = []

    def watched(path: Path, rows: Any) -> None:
        counted.append(rows.indices.nbytes + rows.data.nbytes + rows.indptr.nbytes)
        write(path, rows)

    write = runs._write_run
    monkeypatch.setattr(runs, "_write_run", watched)
    with threads.limit(workers):
        budget = needed(tokens, 700, 5)
        found = count_cooccurrences(tokens, 5, memory=budget, scratch=tmp_path)
        cut = runs.cut_documents(tokens.starts, None, runs.RunBudget(budget, 60, 10))
        assert_same(found, count_cooccurrences(tokens, 5))
    sizes = [int(tokens.starts[last] - tokens.starts[first]) for first, last in cut]
    assert sum(sizes) == len(tokens)
    assert max(sizes) <= 700
    assert min(a + b for a, b in pairwise(sizes)) > 700  # no run could have been spared
    assert len(counted) == len(cut) > 10
    assert max(counted) <= budget
    assert isinstance(found.rows.data, np.memmap)
    assert list(tmp_path.iterdir()) == []


def test_tokens_may_be_mapped(tmp_path: Path) -> None:
    tokens = random_tokens()
    np.save(tmp_path / "ids.npy", tokens.ids)
    mapped = Tokens(np.load(tmp_path / "ids.npy", mmap_mode="r"), tokens.starts, tokens.vocabulary)
    assert_same(count_cooccurrences(mapped, 5, memory=needed(tokens, 500, 5)), count_cooccurrences(tokens, 5))


def test_what_fits_is_counted_in_memory(tmp_path: Path) -> None:
    tokens = random_tokens()
    found = count_cooccurrences(tokens, 5, memory="1GB", scratch=tmp_path / "never made")
    assert not isinstance(found.rows.data, np.memmap)
    assert_same(found, count_cooccurrences(tokens, 5))


def test_documents_without_a_pair_leave_empty_runs(tmp_path: Path) -> None:
    tokens = tokens_of([[0], [1], [0]], 2)
    found = count_cooccurrences(tokens, 2, memory=needed(tokens, 1, 2), scratch=tmp_path)
    assert_same(found, count_cooccurrences(tokens, 2))


def test_a_document_that_does_not_fit_is_refused_with_what_would() -> None:
    tokens = tokens_of([[0, 1], [0, 1] * 50, [1]], 2)
    enough = needed(tokens, 100, 2)
    assert_same(count_cooccurrences(tokens, 2, memory=enough), count_cooccurrences(tokens, 2))
    with pytest.raises(MemoryBudgetError, match="counting 100 tokens"):
        count_cooccurrences(tokens, 2, memory=enough - 1)


@pytest.mark.parametrize("stage", ["_write_run", "_write_sum"])
def test_an_interruption_leaves_nothing(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, calls = random_tokens(), []
    original = getattr(runs, stage)

    def interrupted(*given: Any) -> Any:
        calls.append(stage)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(runs, stage, interrupted)
    monkeypatch.setattr(runs, "MERGE_BYTES", 10_000)
    with pytest.raises(KeyboardInterrupt):
        count_cooccurrences(tokens, 5, memory=needed(tokens, 300, 5), scratch=tmp_path)
    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_that_is_missing_is_named(tmp_path: Path) -> None:
    tokens = random_tokens()
    with pytest.raises(StorageError, match="missing"):
        count_cooccurrences(tokens, 5, memory=needed(tokens, 300, 5), scratch=tmp_path / "missing")


@pytest.mark.parametrize(
    ("said", "size"),
    [("2GB", 2 * 10**9), ("1.5 MB", 1_500_000), ("10k", 10_000), ("512", 512), (7, 7), ("1TB", 10**12)],
)
def test_sizes_are_said_in_decimal_units(said: Any, size: int) -> None:
    assert bytes_of(said) == size


@pytest.mark.parametrize("said", ["", "GB", "-1GB", "2 gigs", "2GiB", -5, "nan"])
def test_what_is_no_size_is_refused(said: Any) -> None:
    with pytest.raises(ConfigError, match="is not a size"):
        count_cooccurrences(tokens_of([[0, 1]], 2), memory=said)


@pytest.mark.parametrize("repeats", [np.array([1, -1]), np.array([0.5, 1])])
def test_repeats_that_are_no_numbers_of_times_are_refused(repeats: Any) -> None:
    with pytest.raises((ConfigError, DTypeError), match=r"integer number of times|an array of integers"):
        count_cooccurrences(tokens_of([[0, 1], [1, 0]], 2), repeats=repeats)
