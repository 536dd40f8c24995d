"""Neighbors of several runs over one vocabulary, each started from the lists of the run before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import synthetic
from gpuemb.bench.workloads.neighbor_work import cosine_topk
from gpuemb.bench.workloads.work import Work
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.training.recipes import GloVe
from gpuemb.training.seeds import train

K = 10


@pytest.mark.parametrize("source", ["conversations", "synthetic"])
def test_runs_started_from_each_other(benchmark: Any, track: Track, source: str) -> None:
    runs, dim = (2, 20) if track.quick else (5, 100)
    if source == "conversations":
        tokens = data.conversations(20_000 if track.quick else None, min_count=10)
        recipe = GloVe(dim=dim, epochs=3 if track.quick else 25, x_max=10.0)
        tables = list(train(tokens, recipe, seeds=range(runs)).vectors)
    else:
        tables = synthetic.embedding_runs(runs, 5_000 if track.quick else 100_000, dim)
    shape = {"words": len(tables[0]), "dim": dim, "k": K}

    def started() -> list[Neighbors]:
        found: list[Neighbors] = []
        for table in tables:
            found.append(nearest_neighbors(table, K, warm_start=found[-1] if found else None))
        return found

    def alone() -> list[Neighbors]:
        return [nearest_neighbors(table, K) for table in tables]

    def verify(found: list[Neighbors]) -> str:
        for mine, expected in zip(found, alone(), strict=True):
            assert np.array_equal(mine.ids, expected.ids)
            assert np.array_equal(mine.scores, expected.scores, equal_nan=True)
        share = neighbor_overlap(*found).value
        return f"each run alone, bit for bit; two runs share {100 * share:.0f}% of the neighbors"

    one = cosine_topk(shape)
    case = Case(
        f"runs-{source}-{runs}x{len(tables[0])}x{dim}",
        "neighbors of runs",
        f"{source}, {runs} runs of {len(tables[0]):,} × {dim}, k = {K}, each from the run before",
        {**shape, "runs": runs},
        Work(runs * one.flops, runs * one.bytes, (runs, "runs"), one.ceiling, one.counts, one.said),
        started,
        verify,
    )
    track.run(benchmark, case, [Rival("each run alone", "", lambda: alone, lambda _: "the same bits")])
