"""One search a seed: a table, what is asked of it, and by which way of the package."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from unittest import mock

import numpy as np

import gpuemb as ge
from benchmarks.lists.definition import defined_lists, exact_score
from benchmarks.lists.tables import KINDS, SIZES, Numbers, awkward_table
from gpuemb.core import threads
from gpuemb.core.arrays import Float64, FloatMatrix, Int32, Int64
from gpuemb.core.random import stream
from gpuemb.kernels import vnni
from gpuemb.kernels.cosine_topk import cosine_topk, cpu

DIMS = (1, 2, 3, 15, 16, 17, 31, 32, 33, 50, 63, 64, 65, 100, 127, 128, 300, 511, 512, 768, 1000, 1024)
LARGEST_WORK = 2e8  # products of a case: a second or less by definition
LARGEST_TABLE = 4_000  # rows: several blocks of every search
PAIRS_IN_FRACTIONS, QUERIES_BY_REFERENCE = 2, 2  # of every case
LARGEST_EXACT_DIM = 128  # fractions of more columns take long
WAYS = ("nearest_neighbors", "CosineIndex", "float32 search", "int8 search", "small blocks")
ASKED = ("every row", "some rows", "vectors", "strangers")


@dataclass(frozen=True)
class Case:
    """A search that its seed makes again.

    Attributes:
        seed: of all that follows.
        kind: of the table's rows.
        size: of its numbers.
        asked: whose neighbors.
        way: function or strategy that finds them.
        k: neighbors.
        workers: threads.
        rows: the table, in any byte order and layout.
        queries: vectors of those asked, in native order.
        itself: their rows, left out of their own lists; or None.
        guesses: rows given as a warm start, most of them wrong; or None.
    """

    seed: int
    kind: str
    size: str
    asked: str
    way: str
    k: int
    workers: int
    rows: FloatMatrix
    queries: FloatMatrix
    itself: Int64 | None
    guesses: Int32 | None

    def __str__(self) -> str:
        words, dim = self.rows.shape
        warm = "" if self.guesses is None else ", from guesses"
        table = f"{words} × {dim} {self.rows.dtype.str} {self.kind}, {self.size}"
        asked = f"{len(self.queries)} queries ({self.asked}), k = {self.k}, by {self.way}"
        return f"seed {self.seed}: {table}; {asked}, {self.workers} threads{warm}"


def case_of(seed: int) -> Case:
    """Make the case of a seed."""
    numbers = stream(seed, "benchmarks", "lists")
    dim = int(numbers.choice(DIMS)) if numbers.random() < 0.7 else int(numbers.integers(1, 1025))
    most = min(LARGEST_TABLE, int((LARGEST_WORK / dim) ** 0.5))
    words = int(np.exp(numbers.uniform(0, np.log(most)))) if numbers.random() < 0.75 else most
    dtype, kind = str(numbers.choice(["float16", "float32", "float64"])), str(numbers.choice([*KINDS]))
    size = "as they are" if numbers.random() < 0.5 else str(numbers.choice(SIZES))
    rows = awkward_table(numbers, kind, size, dtype, words, dim)
    asked = str(numbers.choice(ASKED, p=[0.7, 0.1, 0.1, 0.1]))
    asked = "vectors" if words == 1 else asked
    queries, itself = _asked(numbers, asked, rows, kind, size)
    candidates = words - (itself is not None)
    k = int(min(candidates, numbers.choice([1, 2, 5, 10, 25, 100, 301, candidates - 1, candidates])))
    way = str(numbers.choice(WAYS))
    warm = bool(numbers.random() < 0.15) and way != "CosineIndex"
    guesses = numbers.integers(-1, words, (len(queries), 7)).astype(np.int32) if warm else None
    rows = rows.astype(rows.dtype.newbyteorder()) if numbers.random() < 0.15 else rows
    rows = np.asfortranarray(rows) if numbers.random() < 0.15 else rows
    workers = int(numbers.integers(1, 4))
    return Case(seed, kind, size, asked, way, max(1, k), workers, rows, queries, itself, guesses)


def _asked(
    numbers: Numbers, asked: str, rows: FloatMatrix, kind: str, size: str
) -> tuple[FloatMatrix, Int64 | None]:
    words = len(rows)
    if asked == "every row":
        return rows, np.arange(words)
    many = int(numbers.integers(1, min(words, 700) + 1))
    if asked == "strangers":
        return awkward_table(numbers, kind, size, rows.dtype.name, many, rows.shape[1]), None
    chosen = numbers.integers(0, words, many)
    return rows[chosen], chosen if asked == "some rows" else None


def found_lists(case: Case) -> tuple[Int32, Float64]:
    """Search as a user does, with the strategy and the blocks of the case."""
    queries = {"every row": None, "some rows": case.itself}.get(case.asked, case.queries)
    if queries is case.queries and queries is not None:
        queries = queries.astype(case.rows.dtype)
    with ExitStack() as forced:
        forced.enter_context(threads.limit(case.workers))
        strategy = case.way.split()[0]
        if strategy == "small":
            forced.enter_context(mock.patch.object(cpu, "BLOCK", 32 * (1 + case.seed % 4)))
        if strategy == "float32" or (strategy == "int8" and not vnni.missing()):
            forced.enter_context(mock.patch.object(cpu, "choose_strategy", return_value=strategy))
        if strategy == "CosineIndex":
            found = ge.CosineIndex(case.rows).search(queries, case.k)
        else:
            found = ge.nearest_neighbors(case.rows, case.k, queries=queries, warm_start=case.guesses)
    return found.ids, found.scores


def differences(case: Case) -> tuple[int, list[str]]:
    """Return how many lists were compared, and what differs.

    Lists are ordered by their scores as defined; what is returned of these ends at −1 and 1.
    """
    ids, scores = defined_lists(case.rows, case.k, case.queries, case.itself)
    told = [*_checked(case, ids, scores)]
    expected, found = (ids, np.clip(scores, -1.0, 1.0)), found_lists(case)
    same = (found[0] == expected[0]).all(axis=1)
    same &= (found[1].view(np.int64) == expected[1].view(np.int64)).all(axis=1)
    for query in np.flatnonzero(~same)[:3]:
        told.append(
            f"query {query}: {found[0][query].tolist()[:12]} {found[1][query].tolist()[:12]} instead of "
            f"{expected[0][query].tolist()[:12]} {expected[1][query].tolist()[:12]}"
        )
    if (~same).any():
        told.append(f"{int((~same).sum())} of {len(same)} lists differ")
    return len(same), told


def _checked(case: Case, ids: Int32, scores: Float64) -> list[str]:
    """Check the definition itself: some scores in fractions, some lists by the kernel's reference."""
    numbers, told = stream(case.seed, "benchmarks", "checked"), []
    native = case.rows.astype(case.rows.dtype.newbyteorder("="))
    some = numbers.integers(0, len(case.queries), QUERIES_BY_REFERENCE)
    own = None if case.itself is None else case.itself[some]
    reference = cosine_topk.reference(native, case.k, case.queries[some], own)
    if not np.array_equal(reference.ids, ids[some]) or reference.scores.tobytes() != scores[some].tobytes():
        told.append(f"the kernel's reference has other lists for the queries {some.tolist()}")
    for query in some[:PAIRS_IN_FRACTIONS] if native.shape[1] <= LARGEST_EXACT_DIM else ():
        place = int(numbers.integers(0, case.k))
        if ids[query, place] >= 0:
            exact = exact_score(case.queries[query], native[ids[query, place]])
            if exact.hex() != float(scores[query, place]).hex():
                told.append(f"query {query}, place {place}: {scores[query, place]!r}, in fractions {exact!r}")
    return told
