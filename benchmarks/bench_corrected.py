"""Every word's neighbors corrected for hubs (CSLS), against matrices of all cosines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import neighbor_work
from gpuemb.core.arrays import Float32
from gpuemb.core.memory import tiles
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors

K, TILE = 10, 1024  # neighbors, of a word and of its mean cosine; rows whose cosines stand at once
SAMPLE = 64  # rows that are compared with float64 products
CLOSE = 1e-12  # of sums of ten float64 cosines, in another order


@pytest.mark.parametrize("words", [20_000, 100_000, 400_000])
def test_every_words_neighbors_by_csls(benchmark: Any, track: Track, words: int) -> None:
    if track.quick and words > 20_000:
        pytest.skip("--quick takes the smallest table")
    rows = data.glove(5_000 if track.quick else words)
    words, dim = rows.shape
    shape = {"words": words, "dim": dim, "k": K, "queries": words}
    found: list[Neighbors] = []

    def verify(result: Neighbors) -> str:
        found.append(result)
        means = nearest_neighbors(rows, K).scores.mean(axis=1)
        wide = rows.astype(np.float64)
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        some = np.linspace(0, words - 1, SAMPLE).astype(np.int64)
        scores = 2 * (wide[some] @ wide.T) - (means[some, None] + means)
        scores[np.arange(SAMPLE), some] = -np.inf
        best = -np.sort(-scores, axis=1)[:, :K]
        assert np.abs(result.scores[some] - best).max() <= CLOSE
        return f"float64 products of {SAMPLE} rows, scores within {CLOSE:.0e}"

    def agreement(ids: Any) -> str:
        same = [len(set(a) & set(b)) for a, b in zip(found[0].ids.tolist(), ids.tolist(), strict=True)]
        return f"{100 * sum(same) / ids.size:.2f}% of our ids"

    case = Case(
        f"csls-glove-{words}x{dim}-k{K}",
        "corrected_search",
        f"GloVe {words:,} × {dim}, CSLS, k = {K}",
        shape,
        neighbor_work.cosine_topk(shape),
        lambda: nearest_neighbors(rows, K, metric="csls"),
        verify,
    )
    slow = "" if words <= 100_000 else "minutes a round"
    numpy = Rival("numpy, float32", "numpy", lambda: by_matrices(rows), agreement, slow, package="numpy")
    track.run(benchmark, case, [numpy])


def by_matrices(rows: Float32) -> Callable[[], Any]:
    """CSLS as it is written down: cosines of a tile of rows with all, twice, and NumPy's selection."""
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-30))

    def compute() -> Any:
        means = np.empty(len(unit), np.float32)
        ids = np.empty((len(unit), K), np.int64)
        for start, stop in tiles(len(unit), TILE):
            cosines = without_itself(unit, start, stop)
            means[start:stop] = np.partition(cosines, -K, axis=1)[:, -K:].mean(axis=1)
        for start, stop in tiles(len(unit), TILE):
            scores = 2 * without_itself(unit, start, stop) - means
            near = np.argpartition(-scores, K, axis=1)[:, :K]
            order = np.argsort(-np.take_along_axis(scores, near, axis=1), axis=1)
            ids[start:stop] = np.take_along_axis(near, order, axis=1)
        return ids

    return compute


def without_itself(unit: Float32, start: int, stop: int) -> Float32:
    """Cosines of a tile of rows with all others."""
    cosines: Float32 = unit[start:stop] @ unit.T
    cosines[np.arange(stop - start), np.arange(start, stop)] = -np.inf
    return cosines
