"""Structure without alignment: RSA and CKA of two tables, and the products all of it follows from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import synthetic, work
from gpuemb.core import threads as workers
from gpuemb.core.arrays import Float32, Float64
from gpuemb.core.device import CPU
from gpuemb.geometry.cka import cka
from gpuemb.geometry.grams.build import NARROW
from gpuemb.geometry.measure.measured import Similarity
from gpuemb.geometry.rsa import rsa
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, gram
from gpuemb.uncertainty.draws import order_of

PAIRWISE_WORDS = 6_000  # peers hold all V² / 2 distances: beyond it minutes and tens of gigabytes
SAMPLE_ROWS = 2 * BLOCK_ROWS + 5
SAMPLE_DRAWN = 1_000
AGREEMENT = 1e-9  # of two float64 ways to one correlation: V² rounded terms of either sign


@pytest.mark.parametrize(("words", "dim"), [(5_000, 300), (100_000, 300)])
def test_rsa_of_the_whole_vocabulary(benchmark: Any, track: Track, words: int, dim: int) -> None:
    if track.quick:
        if words > PAIRWISE_WORDS:
            pytest.skip("--quick takes the table that peers can")
        words, dim = 2_000, 100
    x, y = synthetic.embedding_runs(2, words, dim)
    shape = {"runs": 2, "words": words, "dim": dim}

    def verify(found: Similarity) -> str:
        part = slice(0, 2_000)
        expected = np.corrcoef(_distances(x[part]), _distances(y[part]))[0, 1]
        assert abs(rsa(x[part], y[part]).value - expected) < AGREEMENT
        assert -1 <= found.value <= 1
        return f"all pairs of {len(x[part]):,} words, within {AGREEMENT:g}"

    case = Case(
        f"rsa-{words}x{dim}",
        "rsa",
        f"RSA of {words:,} × {dim}, every pair of words",
        shape,
        work.gram(shape, "float32" if dim >= NARROW else "float64"),
        lambda: rsa(x, y, blocks=0),
        verify,
    )
    track.run(benchmark, case, _rsa_rivals(x, y))


def test_cka_of_real_tables(benchmark: Any, track: Track) -> None:
    words = 20_000 if track.quick else 400_000
    x = data.glove(words)
    y = x[:, ::-1] + 0.5 * np.random.default_rng(0).standard_normal(x.shape, np.float32)
    shape = {"runs": 2, "words": words, "dim": x.shape[1]}

    def directly() -> float:
        with workers.blas_threads(track.threads):
            a, b = (table.astype(np.float64) - table.mean(0, np.float64) for table in (x, y))
            norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
            return float(np.linalg.norm(a.T @ b) ** 2 / norms)

    def verify(found: Similarity) -> str:
        assert abs(found.value - directly()) < AGREEMENT
        return f"the formula on the rows, within {AGREEMENT:g}"

    case = Case(
        f"cka-glove-{words}",
        "cka",
        f"CKA of GloVe {words:,} × {x.shape[1]} and itself with noise",
        shape,
        work.gram(shape),
        lambda: cka(x, y, blocks=0),
        verify,
    )
    track.run(benchmark, case, [Rival("numpy", "numpy", lambda: directly, lambda _: "float64, BLAS threads")])


@pytest.mark.parametrize("drawn", ["permutations", "bootstrap"])
@pytest.mark.parametrize("measure", [rsa, cka])
def test_draws_of_a_measure(benchmark: Any, track: Track, measure: Any, drawn: str) -> None:
    words, dim, draws = (2_000, 50, 20) if track.quick else (20_000, 100, 1_000)
    x, y = synthetic.embedding_runs(2, words, dim)
    shape = {"words": words, "dim": dim, "draws": draws, "products": 1 if drawn == "permutations" else 3}
    name = measure.__name__

    def verify(found: Similarity) -> str:
        part = [table[:SAMPLE_DRAWN] for table in (x, y)]
        ours = measure(*part, permutations=20, seed=1)
        plain = [measure(part[0], part[1][order_of(draw, SAMPLE_DRAWN, 1)]).value for draw in range(20)]
        assert abs(ours.null_mean - float(np.mean(plain))) < AGREEMENT
        assert getattr(found, drawn) == draws
        return f"20 permutations of {SAMPLE_DRAWN} words by hand, within {AGREEMENT:g}"

    case = Case(
        f"{name}-{drawn}-{words}x{dim}",
        f"{name}_{drawn}",
        f"{name.upper()} with {draws:,} {'permutations' if drawn == 'permutations' else 'resamples'}, "
        f"{words:,} × {dim}",
        shape,
        work.draws(shape),
        lambda: measure(x, y, **{drawn: draws}),
        verify,
    )
    track.run(benchmark, case, [])


@pytest.mark.parametrize(("words", "dim"), [(5_000, 100), (20_000, 100)])
def test_spearman_of_the_whole_vocabulary(benchmark: Any, track: Track, words: int, dim: int) -> None:
    """Streamed through cells, also where the ranks of all pairs would stand in memory."""
    if track.quick:
        if words > PAIRWISE_WORDS:
            pytest.skip("--quick takes the table that peers can")
        words, dim = 2_000, 50
    x, y = synthetic.embedding_runs(2, words, dim)
    shape = {"words": words, "dim": dim}

    def streamed(first: Float32, second: Float32) -> Similarity:
        return rsa(first, second, method="spearman", matrix_bytes=0)

    def verify(found: Similarity) -> str:
        part = [table[:2_000] for table in (x, y)]
        ours, expected = streamed(*part), rank_correlation(*part)
        assert abs(ours.value - expected) <= ours.error_bound
        assert -1 <= found.value <= 1
        return f"scipy's of {len(part[0]):,} words, within the stated bound of {ours.error_bound:.0e}"

    def rank_correlation(first: Float32, second: Float32) -> float:
        from scipy.stats import spearmanr

        return float(spearmanr(_distances(first), _distances(second)).statistic)

    def judge(found: float) -> str:
        ours = streamed(x, y)
        return f"differs by {abs(found - ours.value):.0e}, at most {ours.error_bound:.0e}"

    case = Case(
        f"rsa-spearman-{words}x{dim}",
        "rsa_spearman",
        f"RSA by Spearman of {words:,} × {dim}, every pair of words, streamed",
        shape,
        work.streamed_ranks(shape),
        lambda: streamed(x, y),
        verify,
    )
    pairwise = Rival("scipy", "scipy", lambda: lambda: rank_correlation(x, y), judge, _too_many(words))
    track.run(benchmark, case, [pairwise])


def test_products_of_all_pairs(benchmark: Any, track: Track) -> None:
    runs, words, dim = (3, 10_000, 100) if track.quick else (10, 100_000, 100)
    tables = synthetic.embedding_runs(runs, words, dim)
    shape = {"runs": runs, "words": words, "dim": dim}

    def verify(found: GramSums) -> str:
        part = [table[:SAMPLE_ROWS] for table in tables]
        ours, expected = gram.on(CPU)(part), gram.reference(part)
        gap = np.linalg.norm(ours.products - expected.products) / np.linalg.norm(expected.products)
        assert gap < len(part[0]) * 2.0**-52
        return f"the reference on {len(part[0]):,} rows"

    def stacked() -> Float64:
        with workers.blas_threads(track.threads):
            every = np.concatenate(tables, axis=1, dtype=np.float64)
            product: Float64 = every.T @ every
            return product

    case = Case(
        f"gram-{runs}x{words}x{dim}",
        "gram",
        f"products of {runs} runs, {words:,} × {dim}",
        shape,
        work.gram(shape),
        lambda: gram.on(CPU)(tables),
        verify,
    )
    note = "one wide float64 product (dsyrk), without the other sums"
    track.run(benchmark, case, [Rival("numpy", "numpy", lambda: stacked, lambda _: note)])


def _distances(rows: Float32) -> Float64:
    from scipy.spatial.distance import pdist

    found: Float64 = pdist(rows.astype(np.float64), "cosine")
    return found


def _too_many(words: int) -> str:
    """Why a peer that holds all distances is not raced; empty where it is."""
    return f"it holds all {words**2 // 2:.0e} distances" if words > PAIRWISE_WORDS else ""


def _rsa_rivals(x: Float32, y: Float32) -> list[Rival]:
    too_many = _too_many(len(x))

    def pairwise() -> Callable[[], Any]:
        return lambda: np.corrcoef(_distances(x), _distances(y))[0, 1]

    def toolbox() -> Callable[[], Any]:
        from rsatoolbox.data import Dataset
        from rsatoolbox.rdm import calc_rdm, compare

        sets = [Dataset(t / np.linalg.norm(t, axis=1, keepdims=True)) for t in (x, y)]
        return lambda: compare(*(calc_rdm(s, method="euclidean") for s in sets), method="corr")

    def value(found: Any) -> str:
        return f"differs by {abs(float(np.squeeze(found)) - rsa(x, y).value):.0e}"

    return [
        Rival("scipy", "scipy", pairwise, value, too_many),
        Rival("rsatoolbox", "rsatoolbox", toolbox, value, too_many),
    ]
