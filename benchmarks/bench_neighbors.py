"""Exact nearest neighbors, and their overlap between runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpuemb as ge
from benchmarks import data
from benchmarks.brute_force import brute_force
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import neighbor_work, synthetic
from gpuemb.core.arrays import Float32, Int32
from gpuemb.core.device import CPU
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk import TopK, cosine_topk
from gpuemb.kernels.neighbor_overlap import SharedNeighbors, neighbor_overlap
from gpuemb.kernels.ranked_overlap import ranked_overlap
from gpuemb.neighbors.overlap import NeighborOverlap
from gpuemb.neighbors.overlap import neighbor_overlap as measures_of_lists

SAMPLE = 256  # queries that brute force answers
ROUNDING = 1e-13  # of sums of ten terms below 1, in another order
TORCH_PAIRS, SLOW_PAIRS = 2e10, 1e9  # of words: beyond it a peer takes minutes a round
TABLES = [
    ("glove", 20_000, 50, 10),
    ("glove", 100_000, 50, 10),
    ("glove", 100_000, 50, 100),
    ("glove", 400_000, 50, 10),
    ("synthetic", 20_000, 300, 10),
    ("synthetic", 100_000, 100, 10),
    ("synthetic", 100_000, 300, 10),
    ("synthetic", 100_000, 300, 100),
]
QUICK_WORDS = 5_000


@pytest.mark.parametrize(("source", "words", "dim", "k"), TABLES)
def test_every_words_neighbors(
    benchmark: Any, track: Track, source: str, words: int, dim: int, k: int
) -> None:
    if track.quick and words > 20_000:
        pytest.skip("--quick takes the smallest table of each kind")
    words = QUICK_WORDS if track.quick else words
    _race(benchmark, track, source, data.glove(words) if source == "glove" else data.table(words, dim), k)


@pytest.mark.parametrize("k", [10, 100])
def test_every_words_neighbors_in_ones_own_vectors(
    benchmark: Any, track: Track, own_vectors: Path, k: int
) -> None:
    rows = np.ascontiguousarray(ge.load(own_vectors).vectors, np.float32)
    _race(benchmark, track, own_vectors.stem, rows, k)


def _race(benchmark: Any, track: Track, source: str, rows: Float32, k: int) -> None:
    words, dim = rows.shape
    shape = {"words": words, "dim": dim, "k": k}
    found: list[TopK] = []

    def verify(result: TopK) -> str:
        found.append(result)
        return _verify(rows, result, k)

    case = Case(
        f"cosine_topk-{source}-{words}x{dim}-k{k}",
        "cosine_topk",
        f"{source} {words:,} × {dim}, k = {k}",
        shape,
        neighbor_work.cosine_topk(shape),
        lambda: cosine_topk.on(CPU)(rows, k),
        verify,
    )
    track.run(benchmark, case, _rivals(rows, k, track.threads, lambda: found[0]))


@pytest.mark.parametrize(("runs", "words", "k"), [(5, 100_000, 10), (10, 400_000, 10)])
def test_overlap_of_every_pair_of_runs(benchmark: Any, track: Track, runs: int, words: int, k: int) -> None:
    if track.quick and runs > 5:
        pytest.skip("--quick takes the smaller number of runs")
    words = QUICK_WORDS if track.quick else words
    ids = synthetic.neighbor_lists(runs, words, k)
    shape = {"runs": runs, "words": words, "k": k}

    def verify(result: SharedNeighbors) -> str:
        sample = slice(0, 500)
        expected = neighbor_overlap.reference(ids[:, sample])
        assert np.array_equal(result.shared[:, sample], expected.shared)
        assert np.array_equal(result.common[sample], expected.common)
        return "the reference on 500 words, equal"

    def broadcast() -> list[Any]:
        return [
            (ids[a][:, :, None] == ids[b][:, None, :]).sum((1, 2)) for a, b in combinations(range(runs), 2)
        ]

    case = Case(
        f"neighbor_overlap-{runs}x{words}-k{k}",
        "neighbor_overlap",
        f"{runs} runs of {words:,} words, k = {k}",
        shape,
        neighbor_work.neighbor_overlap(shape),
        lambda: neighbor_overlap.on(CPU)(ids),
        verify,
    )
    track.run(benchmark, case, [Rival("numpy", "numpy", lambda: broadcast, lambda _: "one thread")])


@pytest.mark.parametrize(("runs", "words", "k"), [(10, 400_000, 10)])
def test_every_measure_of_lists(benchmark: Any, track: Track, runs: int, words: int, k: int) -> None:
    words = QUICK_WORDS if track.quick else words
    ids = synthetic.neighbor_lists(runs, words, k)
    shape = {"runs": runs, "words": words, "k": k}

    def verify(result: NeighborOverlap) -> str:
        sample = slice(0, 200)
        counted = neighbor_overlap.reference(ids[:, sample])
        ranked = ranked_overlap.reference(ids[:, sample], result.persistence)
        assert np.array_equal(result.per_word[:, sample], counted.shared / k)
        assert np.array_equal(result.jaccard[:, sample], counted.shared / (2 * k - counted.shared))
        assert np.array_equal(result.joint_reliability[sample], counted.common / ranked.distinct)
        for name in ("rank_biased", "average_overlap", "rank_similarity"):
            mine, expected = getattr(result, name)[:, sample], getattr(ranked, name)
            assert np.allclose(mine, expected, rtol=0, atol=ROUNDING)
        return f"the references on 200 words, counts equal, the rest within {ROUNDING:g}"

    case = Case(
        f"list_measures-{runs}x{words}-k{k}",
        "list measures",
        f"six measures of {runs} runs of {words:,} words, every pair, k = {k}",
        shape,
        neighbor_work.list_measures(shape),
        lambda: measures_of_lists(ids),
        verify,
    )
    track.run(
        benchmark, case, [Rival("numpy", "numpy", lambda: _broadcast(ids), lambda _: "three of the six")]
    )


def _broadcast(ids: Int32) -> Callable[[], Any]:
    """Overlap, Jaccard and average overlap as NumPy has them: all k² comparisons of a word and pair."""
    runs, words, k = ids.shape

    def compare(a: int, b: int) -> list[Any]:
        found = [np.empty(words) for _ in range(3)]
        for start, stop in tiles(words, 20_000):
            part = slice(start, stop)
            equal = ids[a, part, :, None] == ids[b, part, None, :]
            depth = np.maximum(np.arange(k)[:, None], np.arange(k))
            shared = np.stack([(equal & (depth <= d)).sum((1, 2)) for d in range(k)])
            found[0][part] = shared[-1] / k
            found[1][part] = shared[-1] / (2 * k - shared[-1])
            found[2][part] = (shared / np.arange(1, k + 1)[:, None]).mean(axis=0)
        return found

    return lambda: [compare(a, b) for a, b in combinations(range(runs), 2)]


def _verify(rows: Float32, result: TopK, k: int) -> str:
    asked = np.linspace(0, len(rows) - 1, SAMPLE).astype(np.int64)
    expected = brute_force(rows, asked, k)
    assert np.array_equal(result.ids[asked], expected.ids)
    assert np.array_equal(result.scores[asked], expected.scores)
    return f"float64 brute force of {SAMPLE} queries, bit for bit"


def _rivals(rows: Float32, k: int, threads: int, ours: Callable[[], TopK]) -> list[Rival]:
    """All of them ask for k + 1 and find the word itself first."""
    pairs = float(len(rows)) ** 2
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-30))

    def agreement(ids: Any) -> str:
        mine, theirs = ours().ids[:1000], np.asarray(ids)[:1000]
        same = [len(set(a) & set(b)) for a, b in zip(mine.tolist(), theirs.tolist(), strict=True)]
        return f"{100 * sum(same) / mine.size:.2f}% of our ids"

    def beyond(limit: float) -> str:
        return f"{pairs:.0e} pairs take it minutes a round" if pairs > limit else ""

    slow = beyond(SLOW_PAIRS)
    return [
        Rival("faiss-cpu", "faiss", lambda: _faiss(unit, k, threads), agreement),
        Rival("torch", "torch", lambda: _torch(unit, k, threads), agreement, beyond(TORCH_PAIRS)),
        Rival("scikit-learn", "sklearn", lambda: _sklearn(rows, k, threads), agreement, slow),
        Rival("usearch", "usearch", lambda: _usearch(rows, k, threads), agreement, slow),
    ]


def _faiss(unit: Float32, k: int, threads: int) -> Callable[[], Any]:
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(unit.shape[1])
    index.add(unit)
    return lambda: index.search(unit, k + 1)[1]


def _torch(unit: Float32, k: int, threads: int) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(threads)
    table, step = torch.from_numpy(unit), 2048
    return lambda: torch.cat(
        [torch.topk(table[i : i + step] @ table.T, k + 1).indices for i in range(0, len(table), step)]
    )


def _sklearn(rows: Float32, k: int, threads: int) -> Callable[[], Any]:
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", metric="cosine", n_jobs=threads)
    index.fit(rows)
    return lambda: index.kneighbors(rows, return_distance=False)


def _usearch(rows: Float32, k: int, threads: int) -> Callable[[], Any]:
    from usearch.index import MetricKind, search

    return lambda: search(rows, rows, k + 1, MetricKind.Cos, exact=True, threads=threads).keys
