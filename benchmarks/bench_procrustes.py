"""The best rotation between runs: one pair, and all pairs of many runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import synthetic, work
from gpuemb.bench.workloads.work import Work
from gpuemb.core import threads as workers
from gpuemb.core.arrays import FloatMatrix
from gpuemb.geometry.cross_grams import cross_grams
from gpuemb.geometry.grams.build import NARROW
from gpuemb.geometry.grams.digits import PROMISED
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.rotations.alignment import Alignment
from gpuemb.geometry.rotations.pair_distances import PairRotations
from gpuemb.kernels.gram import Precision


@pytest.mark.parametrize(
    ("runs", "words", "dim", "dtype"),
    [(10, 100_000, 100, "float32"), (10, 100_000, 300, "float32"), (10, 100_000, 300, "float64")],
)
def test_every_pair_of_runs(
    benchmark: Any, track: Track, runs: int, words: int, dim: int, dtype: Precision
) -> None:
    if track.quick:
        if dim > 100:
            pytest.skip("--quick takes the smaller table")
        runs, words, dim = 4, 10_000, 50
    tables = [table.astype(dtype) for table in synthetic.embedding_runs(runs, words, dim)]
    pairs = list(combinations(range(runs), 2))
    shape = {"runs": runs, "words": words, "dim": dim, "pairs": len(pairs)}
    precision: Precision = "float64" if dim < NARROW else dtype
    summed, turned = work.gram(shape, precision), work.polar(shape)

    case = Case(
        f"procrustes-{runs}x{words}x{dim}-{dtype}",
        "procrustes",
        f"{len(pairs)} pairs of {words:,} × {dim}, {dtype}",
        shape,
        Work(
            summed.flops + turned.flops,
            summed.bytes + turned.bytes,
            (len(pairs), "pairs"),
            summed.ceiling,
            "flops",
            f"{summed.said}; {turned.said}",
        ),
        lambda: cross_grams(tables).procrustes(),
        lambda found: _verify(tables, pairs, found),
    )
    track.run(benchmark, case, _rivals(tables, pairs, track.threads))


def test_one_pair_of_real_tables(benchmark: Any, track: Track) -> None:
    words = 20_000 if track.quick else 400_000
    target = data.glove(words)
    dim = target.shape[1]
    numbers = np.random.default_rng(0)
    rotation = np.linalg.qr(numbers.standard_normal((dim, dim)))[0].astype(np.float32)
    source = target @ rotation + 0.3 * numbers.standard_normal(target.shape, np.float32)
    shape = {"runs": 2, "words": words, "dim": dim}

    def verify(found: Alignment) -> str:
        gap = np.linalg.norm(found.rotation - rotation.T) / np.sqrt(dim)
        assert gap < 0.05, gap
        exact = np.linalg.norm(source.astype(np.float64) @ found.rotation - target)
        assert abs(found.distance / exact - 1) < words * np.finfo(np.float64).eps
        return "the rotation that was planted, within its noise; the distance from the rows themselves"

    case = Case(
        f"procrustes-glove-{words}x{dim}",
        "procrustes",
        f"GloVe {words:,} × {dim} and itself, rotated and with noise",
        shape,
        work.gram(shape | {"products": 1}),
        lambda: procrustes(source, target, blocks=0),
        verify,
    )
    track.run(benchmark, case, _rivals([source, target], [(0, 1)], track.threads))


def _verify(tables: list[FloatMatrix], pairs: list[tuple[int, int]], found: PairRotations) -> str:
    """Every tenth pair against scipy in float64: distance from the rows, rotation within its bound."""
    from scipy.linalg import orthogonal_procrustes

    for number in range(0, len(pairs), 10):
        x, y = (tables[run].astype(np.float64) for run in pairs[number])
        rotation, _ = orthogonal_procrustes(x, y)
        exact = np.linalg.norm(x @ rotation - y)
        assert abs(found.distance[pairs[number]] / exact - 1) < PROMISED
        assert np.linalg.norm(found.rotation[number] - rotation) < found.rotation_error[number]
    taken = f"{found.widened} pairs taken again in float64, {found.recomputed} from their difference"
    return f"scipy in float64: distances within {PROMISED:g}, rotations within their bound; {taken}"


def _rivals(tables: list[FloatMatrix], pairs: list[tuple[int, int]], threads: int) -> list[Rival]:
    def one_by_one(rows: list[FloatMatrix]) -> Callable[[], Any]:
        from scipy.linalg import orthogonal_procrustes

        def call() -> Any:
            with workers.blas_threads(threads):
                return [orthogonal_procrustes(rows[s], rows[t])[0] for s, t in pairs]

        return call

    wide = Rival(
        "scipy in float64",
        "scipy",
        lambda: one_by_one([table.astype(np.float64) for table in tables]),
        lambda _: "as exact as ours",
    )
    if tables[0].dtype == np.float64:
        return [wide]
    return [Rival("scipy", "scipy", lambda: one_by_one(tables), lambda _: "float32"), wide]
