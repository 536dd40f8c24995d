"""Training: GloVe epochs over real counts, and the truncated SVD of PPMI."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import data, stanford
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import work
from gpuemb.bench.workloads.work import Work
from gpuemb.core import threads as workers
from gpuemb.core.device import CPU
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.counts.decomposition import TruncatedSVD, truncated_svd
from gpuemb.counts.pmi import ppmi
from gpuemb.kernels.glove_epoch import GloVeParameters, Strata, glove_epoch
from gpuemb.neighbors.exact import Neighbors, nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.training.glove import initialize
from gpuemb.training.glove_strata import stratify
from gpuemb.training.recipes import GloVe

MIN_COUNT = 5
SAMPLE = 2_000  # nonzeros that the reference visits in Python
OVERLAP, VALUES = 0.99, 1e-4  # what users see: the ten nearest words, and the singular values
ITERATIONS = (16, 24, 32, 48, 64, 96, 128, 192, 256)  # of the peer, raised until its neighbors are as exact
LARGE_WORDS, LARGE_WINDOW = 30_000, 5
LANCZOS_PRODUCTS = 2  # products with the matrix a Lanczos step: once itself, once transposed


@pytest.mark.parametrize("dim", [50, 100, 300])
def test_glove_epoch(benchmark: Any, track: Track, stanford_glove: Any, tmp_path: Path, dim: int) -> None:
    if track.quick and dim != 50:
        pytest.skip("--quick trains 50 dimensions")
    tokens = _tokens(track)
    counts = count_cooccurrences(tokens, device="cpu")
    recipe = GloVe(dim=dim, x_max=10.0)
    strata, parameters = stratify(counts, recipe, 0), initialize(len(counts.vocabulary), recipe, 0)
    shape = {"words": len(counts.vocabulary), "nonzeros": counts.nonzeros, "dim": dim}

    case = Case(
        f"glove_epoch-conversations-{dim}",
        "glove_epoch",
        f"conversations, {counts.nonzeros:,} nonzeros, {shape['words']:,} words, d = {dim}",
        shape,
        work.glove_epoch(shape),
        lambda: glove_epoch.on(CPU)(strata, parameters, recipe.learning_rate),
        lambda loss: _verify_epoch(counts, recipe, loss),
    )
    track.run(benchmark, case, _glove_rivals(track, tokens, dim, stanford_glove, tmp_path))


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


def _verify_epoch(counts: Cooccurrence, recipe: GloVe, loss: float) -> str:
    """Visit the first nonzeros of every block here and by the reference, from the same start."""
    assert np.isfinite(loss)
    whole = stratify(counts, recipe, 0)
    bounds = whole.bounds.copy()
    share = max(1, SAMPLE // bounds[..., 0].size)
    bounds[..., 1] = np.minimum(bounds[..., 1], bounds[..., 0] + share)
    bounds = bounds[:4]
    part = Strata(whole.rows, whole.columns, whole.logs, whole.weights, bounds)
    ours, expected = (initialize(len(counts.vocabulary), recipe, 0) for _ in range(2))
    met = glove_epoch.on(CPU)(part, ours, recipe.learning_rate)
    wanted = glove_epoch.reference(part, expected, recipe.learning_rate)
    visited = int((bounds[..., 1] - bounds[..., 0]).sum())
    assert abs(met - wanted) <= visited * recipe.dim * 2.0**-23 * abs(wanted)
    _same(ours, expected, recipe.dim)
    return f"the reference on {visited:,} nonzeros, within float32 rounding"


def _same(ours: GloVeParameters, expected: GloVeParameters, dim: int) -> None:
    for name in ("vectors", "biases", "vector_squares", "bias_squares"):
        found, wanted = getattr(ours, name), getattr(expected, name)
        assert np.abs(found - wanted).max() <= dim * 2.0**-20 * np.abs(wanted).max(), name


def _glove_rivals(track: Track, tokens: Tokens, dim: int, folder: Path | None, tmp_path: Path) -> list[Rival]:
    def stanford_epoch() -> Callable[[], Path]:
        assert folder is not None
        text = data.write_lines(tokens, tmp_path / "text")
        vocabulary = stanford.vocab_count(folder, text, tmp_path / "vocabulary")()
        counts = stanford.cooccur(folder, text, vocabulary, tmp_path / "counts")()
        words = (*stanford.MEMORY, "-temp-file", str(tmp_path / "shuffling"))
        shuffled = stanford.program(folder, "shuffle", words, counts, tmp_path / "shuffled")()
        return stanford.glove(folder, shuffled, vocabulary, dim, track.threads, epochs=1)

    def gensim_epoch() -> Callable[[], Any]:
        from gensim.models import Word2Vec

        sentences = [line.split() for line in data.as_lines(tokens)]
        model = Word2Vec(
            vector_size=dim, window=10, sg=1, negative=5, workers=track.threads, min_count=1, epochs=1
        )
        model.build_vocab(sentences)
        return lambda: model.train(sentences, total_examples=len(sentences), epochs=1)

    return [
        Rival(
            "Stanford glove",
            "",
            stanford_epoch,
            lambda _: "one epoch, with reading the counts and writing the vectors; not the same bits twice",
            stanford.absent(folder),
        ),
        Rival(
            "gensim", "gensim", gensim_epoch, lambda _: "skip-gram, one epoch of the same text: another model"
        ),
    ]


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
