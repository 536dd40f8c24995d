"""Principal components, and how far a map can be trusted, against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import synthetic
from gpuemb.bench.workloads.work import Work
from gpuemb.core.arrays import Float64
from gpuemb.words.maps.axes import Axes
from gpuemb.words.maps.faithfulness import Trustworthiness, trustworthiness

CLOSE = 1e-9  # of two programs' sums in float64
NEIGHBORS = 10
AXES = 10


def test_principal_components(benchmark: Any, track: Track) -> None:
    words, dim = (20_000, 50) if track.quick else (100_000, 300)
    table = synthetic.embedding_runs(1, words, dim)[0].astype(np.float64)
    shape = {"words": words, "dim": dim, "axes": AXES}

    def ours() -> tuple[Axes, Float64]:
        axes = Axes.of("benchmark", table)
        return axes, axes.scores(table, AXES)

    def verify(found: tuple[Axes, Float64]) -> str:
        centered = table - table.mean(axis=0)
        values = np.linalg.eigvalsh(centered.T @ centered)[::-1]
        worst = float(np.abs(found[0].values / values - 1).max())
        assert worst < CLOSE
        assert np.allclose(np.sum(found[1] ** 2, axis=0), values[:AXES], rtol=CLOSE)
        return f"eigenvalues of NumPy's product of the centered rows within {worst:.0e}"

    case = Case(
        f"pca-{words}x{dim}-k{AXES}",
        "pca",
        f"{AXES} axes and scores of {words:,} × {dim}, float64",
        shape,
        Work(
            words * dim * (dim + 2 * AXES),
            8 * words * (2 * dim + AXES),
            (words, "words"),
            "dgemm",
            "flops",
            f"half of {dim}² products a row, and {AXES} scores; the decomposition is left out",
        ),
        ours,
        verify,
    )

    def theirs() -> Callable[[], Any]:
        from sklearn.decomposition import PCA

        def fitted() -> Any:
            model = PCA(AXES, svd_solver="covariance_eigh")
            return model, model.fit_transform(table)

        return fitted

    def judge(found: Any) -> str:
        values = ours()[0].values[:AXES] / (words - 1)
        return f"variances within {np.abs(found[0].explained_variance_ / values - 1).max():.0e}"

    track.run(benchmark, case, [Rival("scikit-learn PCA", "sklearn", theirs, judge, package="scikit-learn")])


def test_trustworthiness(benchmark: Any, track: Track) -> None:
    words, dim = (2_000, 50) if track.quick else (8_000, 100)
    table = synthetic.embedding_runs(1, words, dim)[0].astype(np.float32)
    points = table[:, :2].astype(np.float64)
    shape = {"words": words, "dim": dim, "k": NEIGHBORS}

    def ours() -> Trustworthiness:
        return trustworthiness(table, points, neighbors=NEIGHBORS, judged=0)

    def verify(found: Trustworthiness) -> str:
        wanted = _reference(table.astype(np.float64), points)
        assert abs(found.value - wanted) < CLOSE
        return f"ranks from a sort of each row of all cosines: {wanted:.6f}"

    case = Case(
        f"trustworthiness-{words}x{dim}-k{NEIGHBORS}",
        "trustworthiness",
        f"trustworthiness of a map of {words:,} × {dim}, k = {NEIGHBORS}",
        shape,
        Work(
            2 * words * words * dim,
            8 * words * words * 2 * NEIGHBORS,
            (words, "words"),
            "dgemm",
            "flops",
            f"all cosines in float64; {2 * NEIGHBORS} comparisons of each are left out",
        ),
        ours,
        verify,
    )

    def theirs() -> Callable[[], Any]:
        from sklearn.manifold import trustworthiness as judged

        return lambda: judged(table, points, n_neighbors=NEIGHBORS, metric="cosine")

    peer = Rival("scikit-learn", "sklearn", theirs, lambda found: f"{found:.6f}", package="scikit-learn")
    track.run(benchmark, case, [peer])


def _reference(table: Float64, points: Float64) -> float:
    unit = table / np.linalg.norm(table, axis=1)[:, None]
    words, k, lost = len(table), NEIGHBORS, 0
    for i in range(words):
        far = np.sum((points - points[i]) ** 2, axis=1)
        near, cosines = np.argsort(far, kind="stable"), unit @ unit[i]
        cosines[i] = np.inf  # rank 0
        ranks = np.empty(words, np.int64)
        ranks[np.argsort(-cosines, kind="stable")] = np.arange(words)
        lost += int(np.maximum(ranks[near[near != i][:k]] - k, 0).sum())
    return 1 - 2 / (words * k * (2 * words - 3 * k - 1)) * lost
