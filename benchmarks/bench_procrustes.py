"""The best rotation between runs: one pair, and all pairs of many runs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench import synthetic, work
from gpuemb.bench.work import Work
from gpuemb.core import threads as workers
from gpuemb.core.arrays import Float32, Float64
from gpuemb.core.device import CPU
from gpuemb.geometry.alignment import Alignment
from gpuemb.geometry.procrustes import procrustes
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, gram
from gpuemb.kernels.polar import PolarFactors, polar

SAMPLE_ROWS = 2 * BLOCK_ROWS + 5  # two whole blocks and a part of one
GRAM_TOLERANCE = SAMPLE_ROWS * np.finfo(np.float64).eps  # a sum of so many products, relative to its norm


@pytest.mark.parametrize(("runs", "words", "dim"), [(10, 100_000, 100), (10, 100_000, 300)])
def test_every_pair_of_runs(benchmark: Any, track: Track, runs: int, words: int, dim: int) -> None:
    if track.quick:
        if dim > 100:
            pytest.skip("--quick takes the smaller table")
        runs, words, dim = 4, 10_000, 50
    tables = synthetic.embedding_runs(runs, words, dim)
    pairs = list(combinations(range(runs), 2))
    shape = {"runs": runs, "words": words, "dim": dim, "pairs": len(pairs)}
    summed, turned = work.gram(shape), work.polar(shape)

    def ours() -> PolarFactors:
        products = gram.on(CPU)(tables).products
        columns = [slice(s * dim, (s + 1) * dim) for s in range(runs)]
        return polar.on(CPU)(np.stack([products[columns[s], columns[t]] for s, t in pairs]))

    case = Case(
        f"procrustes-{runs}x{words}x{dim}",
        "procrustes",
        f"{len(pairs)} pairs of {words:,} × {dim}",
        shape,
        Work(
            summed.flops + turned.flops,
            summed.bytes + turned.bytes,
            (len(pairs), "pairs"),
            "dgemm",
            "flops",
            f"{summed.said}; {turned.said}",
        ),
        ours,
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
        work.gram(shape),
        lambda: procrustes(source, target),
        verify,
    )
    track.run(benchmark, case, _rivals([source, target], [(0, 1)], track.threads))


def _verify(tables: list[Float32], pairs: list[tuple[int, int]], found: PolarFactors) -> str:
    """The sums against the reference on some blocks; every rotation against the one scipy finds."""
    from scipy.linalg import orthogonal_procrustes

    part = [table[:SAMPLE_ROWS] for table in tables]
    ours, expected = gram.on(CPU)(part), gram.reference(part)
    _close(ours, expected)
    for number, (s, t) in enumerate(pairs[:3]):
        rotation, _ = orthogonal_procrustes(tables[s].astype(np.float64), tables[t].astype(np.float64))
        condition = found.singular[number, 0] / found.singular[number, -1]
        assert np.abs(found.rotation[number] - rotation).max() < condition * len(tables[s]) * 2.0**-52
    return f"sums: the reference on {SAMPLE_ROWS:,} rows; rotations: scipy in float64"


def _close(ours: GramSums, expected: GramSums) -> None:
    gap = np.linalg.norm(ours.products - expected.products) / np.linalg.norm(expected.products)
    assert gap < GRAM_TOLERANCE, gap
    assert np.array_equal(ours.zeros, expected.zeros)


def _rivals(tables: list[Float32], pairs: list[tuple[int, int]], threads: int) -> list[Rival]:
    def one_by_one(rows: list[Float32] | list[Float64]) -> Callable[[], Any]:
        from scipy.linalg import orthogonal_procrustes

        def call() -> Any:
            with workers.blas_threads(threads):
                return [orthogonal_procrustes(rows[s], rows[t])[0] for s, t in pairs]

        return call

    return [
        Rival("scipy", "scipy", lambda: one_by_one(tables), lambda _: "float32"),
        Rival(
            "scipy in float64",
            "scipy",
            lambda: one_by_one([table.astype(np.float64) for table in tables]),
            lambda _: "as exact as ours",
        ),
    ]
