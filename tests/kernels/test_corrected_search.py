"""Searches corrected for hubs: lists of the reference, bit for bit, for any data, tile and threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import Table, tables
from tolerances import assert_same_bits

from gpuemb.core import threads
from gpuemb.core.device import CPU
from gpuemb.core.errors import MemoryBudgetError
from gpuemb.kernels.corrected_search import METHODS, Method, corrected_search
from gpuemb.kernels.corrected_search import cpu as cpu_kernel
from gpuemb.kernels.cosine_statistics import cosine_statistics
from gpuemb.kernels.cosine_topk import TopK

KERNEL = corrected_search
WIDE = ("float32", "float64")


def given_(case: Table, method: Method, seed: int = 0) -> tuple[Any, ...]:
    """The table, its first rows and strangers as queries, and what corrects them, awkward values included."""
    numbers = np.random.default_rng(seed)
    own = min(case.words, 5)
    queries = np.concatenate([case.rows[:own], case.like(3)])
    itself = np.concatenate([np.arange(own), [-1, -1, -1]])
    if method == "csls":
        of_rows, of_queries = (
            np.stack([numbers.uniform(-1, 1, n), np.zeros(n)], axis=1) for n in (case.words, len(queries))
        )
        of_rows[numbers.random(case.words) < 0.05, 0] = np.nan
    else:
        of_rows = np.nan_to_num(cosine_statistics.reference(case.rows))
        of_queries = numbers.uniform(0, 0.5, (len(queries), 2))
        of_queries[0, 1] = 0
    return case.rows, queries, itself, of_rows, of_queries


def assert_as_defined(found: TopK, expected: TopK) -> None:
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)


@given(
    case=tables(max_words=50, dtypes=WIDE),
    k=st.integers(1, 60),
    method=st.sampled_from(METHODS),
    seed=st.integers(0, 99),
)
def test_lists_are_the_reference_s_bit_for_bit(case: Table, k: int, method: Method, seed: int) -> None:
    asked = given_(case, method, seed)
    assert_as_defined(
        *(search(*asked, k, method) for search in (corrected_search.on(CPU), corrected_search.reference))
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["gaussian", "tied", "clusters"])
def test_no_tile_or_thread_changes_a_bit(kind: str, method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = given_(Table(kind, "float32", 900, 9, 5), method)
    expected = corrected_search.reference(*asked, 7, method)
    for workers, queries, tile in ((1, 256, 1 << 19), (2, 3, 64), (7, 1, 1 << 10), (7, 256, 1)):
        monkeypatch.setattr(cpu_kernel, "QUERY_TILE", queries)
        monkeypatch.setattr(cpu_kernel, "TILE", tile)
        with threads.limit(workers):
            assert_as_defined(corrected_search.on(CPU)(*asked, 7, method), expected)


def test_tails_that_round_to_one_are_equal_and_stand_in_row_order() -> None:
    """(a + b) − a·b may round below a tail near 1: a bound without that in mind lost rows here."""
    rows = np.repeat(np.eye(4, dtype=np.float32), 30, axis=0)
    of_rows = np.tile([0.9, 0.1], (len(rows), 1))
    asked = rows, rows[:1], np.array([0]), of_rows, np.array([[0.3, 0.05]])
    found, expected = (
        s(*asked, 60, "mutual_proximity") for s in (corrected_search.on(CPU), corrected_search.reference)
    )
    assert_as_defined(found, expected)
    assert found.ids[0, 29:].tolist() == list(range(30, 61))


def test_memory_is_planned_before_it_is_taken() -> None:
    with pytest.raises(MemoryBudgetError, match="corrected_search of 9000000000 among"):
        cpu_kernel.plan((9_000_000_000, 300), 9_000_000_000, 10).require()


@given(case=tables(max_words=60, dtypes=WIDE), cross=st.booleans())
def test_statistics_are_those_of_all_cosines(case: Table, cross: bool) -> None:
    others = case.like(40) if cross else None
    found, expected = (
        measure(case.rows, others) for measure in (cosine_statistics.on(CPU), cosine_statistics.reference)
    )
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    # 2⁻⁵⁰ of a squared deviation (cpu.py) is 2⁻²⁵ of one that is 2⁻²⁵, the square root's worst
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=0, atol=2.0**-46)
    np.testing.assert_allclose(found[:, 1] ** 2, expected[:, 1] ** 2, rtol=0, atol=2.0**-43)


def test_statistics_of_a_row_depend_on_no_other_row_asked() -> None:
    rows = np.random.default_rng(0).standard_normal((3000, 10)).astype(np.float32)
    whole = cosine_statistics.on(CPU)(rows, rows[:50])
    assert_same_bits(cosine_statistics.on(CPU)(rows[1500:1501], rows[:50]), whole[1500:1501])
    with threads.limit(7):
        assert_same_bits(cosine_statistics.on(CPU)(rows, rows[:50]), whole)
