"""Linear matrix factorization in closed form: simulated users × items, against truncated decompositions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gpuemb as ge
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads.work import Work
from gpuemb.core import threads

RANK, PENALTY = 50, 10_000.0
STATIONARY = 1e-9  # of ‖XᵀXv − σ²v‖/σ_1²: from XᵀX whole
FLOAT32 = 1e-4  # the same, from block Lanczos in float32 and one product in float64


def test_a_thousand_items(benchmark: Any, track: Track) -> None:
    _race(benchmark, track, *((2_000, 200) if track.quick else (20_000, 1_000)), STATIONARY)


def test_twenty_thousand_items(benchmark: Any, track: Track) -> None:
    if track.quick:
        _race(benchmark, track, 20_000, 6_000, FLOAT32)
    else:
        _race(benchmark, track, 200_000, 20_000, FLOAT32)


def _race(benchmark: Any, track: Track, users: int, items: int, bound: float) -> None:
    matrix = ge.simulate_interactions(users, items, 5, seed=0).matrix
    gram = bound == STATIONARY

    def verify(found: ge.Factors) -> str:
        gap = _gap(matrix, found.singular_values, found.spectrum.vectors)
        assert gap <= bound, gap
        return f"‖XᵀXv − σ²v‖/σ_1² = {gap:.0e}"

    case = Case(
        f"factorize-{users}-{items}-{RANK}",
        "factorize",
        f"{users:,} users, {items:,} items, {matrix.nnz:,} choices, rank {RANK}",
        {"users": users, "items": items, "rank": RANK},
        _gram_work(users, items, matrix.nnz) if gram else _lanczos_work(matrix.nnz),
        lambda: ge.factorize(matrix, RANK, PENALTY),
        verify,
    )
    track.run(benchmark, case, _rivals(matrix, track.threads))


def _gram_work(users: int, items: int, choices: int) -> Work:
    flops, read = users * items * (items + 1), 8 * choices + 4 * users * items
    return Work(flops, read, (choices, "choices"), "sgemm", "flops", "one half of XᵀX, which is symmetric")


def _lanczos_work(choices: int) -> Work:
    read = 2 * RANK * 8 * choices
    said = "the least that k Lanczos steps would read one vector at a time: X twice a step"
    return Work(4 * RANK * choices, read, (RANK, "triplets"), "copy", "bytes", said)


def _gap(matrix: Any, values: Any, vectors: Any) -> float:
    """``max ‖XᵀXv − σ²v‖ / σ_1²`` over the triplets."""
    image = matrix.T @ (matrix @ vectors)
    return float(np.linalg.norm(image - vectors * values**2, axis=0).max() / values[0] ** 2)


def _rivals(matrix: Any, workers: int) -> list[Rival]:
    def sklearn_svd() -> Callable[[], Any]:
        from sklearn.utils.extmath import randomized_svd

        def call() -> Any:
            with threads.blas_threads(workers):
                return randomized_svd(matrix, RANK, random_state=0)

        return call

    def scipy_svds() -> Callable[[], Any]:
        from scipy.sparse.linalg import svds

        def call() -> Any:
            with threads.blas_threads(workers):
                left, values, right = svds(matrix, RANK, rng=np.random.default_rng(0))
                return left[:, ::-1], values[::-1], right[::-1]

        return call

    def judge(found: Any) -> str:
        return f"‖XᵀXv − σ²v‖/σ_1² = {_gap(matrix, found[1], found[2].T):.0e}"

    return [
        Rival("scipy svds", "scipy", scipy_svds, judge, package="scipy"),
        Rival("scikit-learn randomized_svd", "sklearn", sklearn_svd, judge, package="scikit-learn"),
    ]
