"""Run the launchers of defined cosines on the emulator, and tables that they can stumble over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from strategies import awkward_rows
from tolerances import assert_same_bits

from gpuemb.core.arrays import Float64, FloatMatrix, Int64, to_device, to_host
from gpuemb.core.device import Device
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of
from gpuemb.kernels.cosine_search import cosine_search
from gpuemb.kernels.cosine_topk import TopK

CUDA = Device("cuda")


@dataclass(frozen=True)
class Pairs:
    """Two tables, all of whose rows are compared."""

    rows: FloatMatrix
    others: FloatMatrix

    def expected(self) -> Float64:
        return cosine_scores.reference(self.rows, panels_of(self.others), np.empty(self.shape))

    def scored(self) -> Float64:
        """Score on the installed emulator."""
        panels, out = to_device(panels_of(self.others), CUDA), to_device(np.zeros(self.shape), CUDA)
        return np.array(cosine_scores.on(CUDA)(to_device(self.rows, CUDA), panels, out))

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.others)


@dataclass(frozen=True)
class Questions:
    """A table and what is asked of it."""

    rows: FloatMatrix
    queries: FloatMatrix
    itself: Int64
    k: int

    def expected(self) -> TopK:
        return cosine_search.reference(self.rows, None, self.k, self.queries, self.itself)

    def found(self) -> TopK:
        """Search on the installed emulator."""
        rows, queries, itself = (to_device(x, CUDA) for x in (self.rows, self.queries, self.itself))
        found = cosine_search.on(CUDA)(rows, None, self.k, queries, itself)
        return TopK(to_host(found.ids), to_host(found.scores), recomputed=found.recomputed)


def assert_same_lists(found: TopK, expected: TopK) -> None:
    assert_same_bits(found.ids, expected.ids)
    assert_same_bits(found.scores, expected.scores)
    assert found.recomputed == expected.recomputed


def pairs(kind: str, dtype: str, rows: int, others: int, dim: int) -> Pairs:
    return Pairs(awkward_rows(kind, dtype, rows, dim, 1), awkward_rows(kind, dtype, others, dim, 2))


def asked(kind: str, dtype: str, words: int, dim: int, queries: int, k: int) -> Questions:
    """Every other query is a row of the table, the others are strangers."""
    rows, strangers = awkward_rows(kind, dtype, words, dim, 1), awkward_rows(kind, dtype, queries, dim, 2)
    itself = np.where(np.arange(queries) % 2 == 0, np.arange(queries) * 7 % words, -1)
    return Questions(rows, np.where(itself[:, None] >= 0, rows[itself], strangers), itself, k)


PAIRS = {
    "several tiles": pairs("gaussian", "float32", 35, 70, 37),
    "float64": pairs("gaussian", "float64", 33, 31, 50),
    "rows of zeros": pairs("zero rows", "float32", 9, 40, 16),
    "near duplicates": pairs("clusters", "float64", 12, 65, 33),
    "huge and tiny": pairs("huge and tiny", "float32", 10, 10, 5),
    "one": pairs("gaussian", "float16", 1, 1, 1),
    "more rows than are taken together": pairs("tied", "float32", 530, 33, 1),
}
QUESTIONS = {
    "two groups of queries": asked("gaussian", "float32", 150, 37, 11, 9),
    "ties": asked("tied", "float64", 90, 3, 3, 20),
    "ties beyond a segment": asked("one-hot", "float32", 2100, 4, 2, 700),
    "ascending": asked("ascending", "float64", 70, 5, 3, 5),
    "float64": asked("gaussian", "float64", 67, 33, 9, 4),
    "rows of zeros": asked("zero rows", "float32", 40, 2, 6, 30),
    "more places than rows": asked("gaussian", "float32", 5, 17, 2, 12),
}
