"""Some queries at a time in a table that is prepared once; cosines of many pairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import neighbor_work
from gpuemb.core.arrays import Float32, Float64
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.neighbors.cosines import cosine_matrix
from gpuemb.neighbors.exact import Neighbors
from gpuemb.neighbors.index import CosineIndex

SAMPLE = 8  # queries that the reference answers
K = 10


@pytest.mark.parametrize("queries", [1, 100, 10_000])
def test_vectors_asked_of_a_prepared_table(benchmark: Any, track: Track, queries: int) -> None:
    words = 5_000 if track.quick else 400_000
    rows = data.glove(words)
    asked = rows[:: len(rows) // min(queries, len(rows))][:queries] + np.float32(0.001)
    shape = {"words": words, "dim": rows.shape[1], "k": K, "queries": len(asked)}
    index = CosineIndex(rows)
    found: list[Neighbors] = []

    def verify(result: Neighbors) -> str:
        found.append(result)
        some = np.linspace(0, len(asked) - 1, min(SAMPLE, len(asked))).astype(np.int64)
        expected = cosine_topk.reference(rows, K, asked[some])
        assert np.array_equal(result.ids[some], expected.ids)
        assert np.array_equal(result.scores[some], expected.scores)
        return f"the reference on {len(some)} queries, bit for bit"

    def agreement(ids: Any) -> str:
        same = [len(set(a) & set(b)) for a, b in zip(found[0].ids.tolist(), ids.tolist(), strict=True)]
        return f"{100 * sum(same) / ids.size:.2f}% of our ids"

    case = Case(
        f"cosine_search-glove-{words}x{rows.shape[1]}-q{len(asked)}",
        "cosine_search",
        f"GloVe {words:,} × {rows.shape[1]}, k = {K}, asked {len(asked):,} at a time",
        shape,
        neighbor_work.cosine_search(shape),
        lambda: index.search(asked, K),
        verify,
    )
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-30))
    unit_asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    faiss = Rival("faiss-cpu", "faiss", lambda: _faiss(unit, unit_asked, track.threads), agreement)
    track.run(benchmark, case, [faiss])


def _faiss(unit: Float32, asked: Float32, threads: int) -> Callable[[], Any]:
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    return lambda: index.search(asked, K)[1]


def test_cosines_of_many_pairs(benchmark: Any, track: Track) -> None:
    words, queries, dim = (5_000, 100, 100) if track.quick else (100_000, 1_000, 100)
    rows = data.table(words, dim)
    asked = rows[:: words // queries][:queries]
    shape = {"words": words, "dim": dim, "queries": queries}
    out = np.empty((queries, words))
    scores: list[Float64] = []

    def verify(_: Any) -> str:
        scores.append(out.copy())
        expected = cosine_topk.reference(rows, words, asked[:SAMPLE])
        defined = np.empty((SAMPLE, words))
        np.put_along_axis(defined, expected.ids.astype(np.int64), expected.scores, axis=1)
        assert np.array_equal(out[:SAMPLE], defined)
        return f"the reference on {SAMPLE} rows, bit for bit"

    def farthest(theirs: Any) -> str:
        return f"up to {np.abs(theirs - scores[0]).max():.0e} from ours"

    def numpy_product() -> Callable[[], Any]:
        target = np.empty_like(out)

        def compute() -> Float64:
            both = [x.astype(np.float64) for x in (asked, rows)]
            left, right = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in both)
            return np.matmul(left, right.T, out=target)

        return compute

    def sklearn() -> Callable[[], Any]:
        from sklearn.metrics.pairwise import cosine_similarity

        return lambda: cosine_similarity(asked, rows)

    case = Case(
        f"cosine_scores-{queries}x{words}x{dim}",
        "cosine_scores",
        f"{queries:,} × {words:,} cosines, {dim} dimensions, into an array",
        shape,
        neighbor_work.cosine_scores(shape),
        lambda: cosine_matrix(asked, rows, out),
        verify,
    )
    rivals = [
        Rival("numpy, float64", "numpy", numpy_product, farthest, package="numpy"),
        Rival("scikit-learn", "sklearn", sklearn, lambda theirs: f"float32, {farthest(theirs)}"),
    ]
    track.run(benchmark, case, rivals)
