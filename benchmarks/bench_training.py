"""Training without epochs: the truncated SVD of PPMI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads.work import Work
from gpuemb.core import threads as workers
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.counts.decomposition import TruncatedSVD, truncated_svd
from gpuemb.counts.pmi import ppmi
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap

MIN_COUNT = 5
OVERLAP, VALUES = 0.99, 1e-4  # what users see: the ten nearest words, and the singular values
ITERATIONS = (16, 24, 32, 48, 64, 96, 128, 192, 256)  # of the peer, raised until its neighbors are as exact
LARGE_WORDS, LARGE_WINDOW = 30_000, 5
LANCZOS_PRODUCTS = 2  # products with the matrix a Lanczos step: once itself, once transposed


def test_truncated_svd_of_ppmi(benchmark: Any, track: Track) -> None:
    rank = 50 if track.quick else 100
    counts = count_cooccurrences(_tokens(track), device="cpu")
    _race_svd(benchmark, track, "conversations", counts, rank)


def test_truncated_svd_of_a_large_corpus(benchmark: Any, track: Track, large_corpus: Path) -> None:
    tokens = read_corpus(large_corpus, tokenizer="whitespace", max_words=LARGE_WORDS)
    counts = count_cooccurrences(tokens, LARGE_WINDOW, device="cpu")
    _race_svd(benchmark, track, large_corpus.stem, counts, 100)


def _race_svd(benchmark: Any, track: Track, name: str, counts: Cooccurrence, rank: int) -> None:
    matrix = ppmi(counts, smoothing=0.75)
    shape = {"words": matrix.shape[0], "nonzeros": matrix.nnz, "dim": rank}

    judge = _svd_judge(matrix, rank)

    def verify(found: TruncatedSVD) -> str:
        overlap, values = judge(found.left, found.singular)
        assert overlap >= OVERLAP, overlap
        assert values <= VALUES, values
        return (
            f"{overlap:.4f} of the ten nearest as exact, values within {values:.0e}, residual"
            f" {found.residual:.0e}"
        )

    least = 2 * LANCZOS_PRODUCTS * rank * matrix.nnz
    case = Case(
        f"ppmi_svd-{name}-{rank}",
        "ppmi_svd",
        f"{name}, {matrix.nnz:,} positive cells, {matrix.shape[0]:,} words, d = {rank}",
        shape,
        Work(
            least,
            12 * LANCZOS_PRODUCTS * rank * matrix.nnz,
            (rank, "triplets"),
            "copy",
            "bytes",
            "the least that d Lanczos steps would read one vector at a time: the matrix twice a step",
        ),
        lambda: truncated_svd(matrix, rank),
        verify,
    )
    track.run(benchmark, case, _svd_rivals(matrix, rank, track.threads, judge))


def _tokens(track: Track) -> Tokens:
    if track.quick:
        return data.conversations(20_000, min_count=200)
    return data.conversations(min_count=MIN_COUNT)


def _svd_judge(matrix: Any, rank: int) -> Callable[[Any, Any], tuple[float, float]]:
    """Return how far factors are from ARPACK's: shared among the ten nearest words, and singular values."""
    from scipy.sparse.linalg import svds

    left, singular, _ = svds(matrix, rank, rng=np.random.default_rng(0))
    order = np.argsort(-singular)

    def neighbors(rows: Any, values: Any) -> Neighbors:
        return nearest_neighbors((rows * values**0.5).astype(np.float32), 10)

    exact = neighbors(left[:, order], singular[order])

    def judge(rows: Any, values: Any) -> tuple[float, float]:
        known = np.sort(values)[::-1]
        shared = float(neighbor_overlap(exact, neighbors(rows, values)))
        return shared, float(np.abs(known / singular[order] - 1).max())

    return judge


def _svd_rivals(
    matrix: Any, rank: int, threads: int, judge: Callable[[Any, Any], tuple[float, float]]
) -> list[Rival]:
    def said(found: Any) -> str:
        overlap, values = judge(found[0], found[1])
        return f"{overlap:.4f} of the ten nearest as exact, values within {values:.0e}"

    def sklearn_svd(iterations: int | str) -> Callable[[], Any]:
        from sklearn.utils.extmath import randomized_svd

        def call() -> Any:
            with workers.blas_threads(threads):
                return randomized_svd(matrix, rank, n_iter=iterations, random_state=0)

        return call

    reached: list[int] = []

    def sklearn_of_equal_overlap() -> Callable[[], Any]:
        for iterations in ITERATIONS:
            found = sklearn_svd(iterations)()
            if judge(found[0], found[1])[0] >= OVERLAP:
                break
        reached.append(iterations)
        return sklearn_svd(iterations)

    def scipy_svds() -> Callable[[], Any]:
        from scipy.sparse.linalg import svds

        def call() -> Any:
            with workers.blas_threads(threads):
                return svds(matrix, rank, rng=np.random.default_rng(0))

        return call

    return [
        Rival("scikit-learn", "sklearn", lambda: sklearn_svd("auto"), lambda f: f"randomized_svd, {said(f)}"),
        Rival(
            "scikit-learn, equal overlap",
            "sklearn",
            sklearn_of_equal_overlap,
            lambda f: f"randomized_svd, n_iter = {reached[-1]}, {said(f)}",
            package="scikit-learn",
        ),
        Rival("scipy", "scipy", scipy_svds, lambda f: f"svds, {said(f)}"),
    ]
