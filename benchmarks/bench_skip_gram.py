"""Skip-gram with negative sampling: an epoch of the conversations, one seed and eight, against gensim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import data
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import training_work
from gpuemb.core import threads as workers
from gpuemb.core.device import CPU
from gpuemb.corpus.tokens import Tokens
from gpuemb.kernels.skipgram_epoch import Pairs, skipgram_pairs, skipgram_steps
from gpuemb.kernels.skipgram_epoch.noise import noise_of
from gpuemb.training import skip_gram
from gpuemb.training.recipes import SkipGram
from gpuemb.training.skip_gram import Seeds, SkipGramTraining

MIN_COUNT = 5
SAMPLE = 4  # pairs of a bucket that the reference visits in Python
ROUNDS = 4  # of them
CASES = [(100, 1), (300, 1), (100, 8)]


@pytest.mark.parametrize(("dim", "seeds"), CASES)
def test_skip_gram_epoch(benchmark: Any, track: Track, tmp_path: Path, dim: int, seeds: int) -> None:
    if track.quick and (dim, seeds) != CASES[0]:
        pytest.skip("--quick trains one seed of 100 dimensions")
    tokens = (
        data.conversations(20_000, min_count=200) if track.quick else data.conversations(min_count=MIN_COUNT)
    )
    recipe = SkipGram(dim=dim)
    runs = [SkipGramTraining(tokens, recipe, Seeds(seed, seed, seed), CPU) for seed in range(seeds)]
    shape = {
        "words": len(tokens.vocabulary),
        "tokens": len(tokens),
        "pairs": training_work.expected_pairs(tokens, recipe),
        "dim": dim,
        "seeds": seeds,
    }
    case = Case(
        f"skip_gram-conversations-{dim}-{seeds}",
        "skipgram_epoch",
        f"conversations, {len(tokens):,} tokens, {shape['words']:,} words, d = {dim}, {_seeds(seeds)}",
        shape,
        training_work.skipgram_epoch(shape),
        lambda: [run.visit(0) for run in runs],
        lambda losses: _verify(tokens, recipe, losses),
    )
    track.run(benchmark, case, [_gensim(track, tokens, recipe, seeds, tmp_path)])


def _seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def _verify(tokens: Tokens, recipe: SkipGram, losses: list[float]) -> str:
    """Visit the first pairs of some buckets here and by the reference, from the same vectors."""
    assert np.isfinite(losses).all()
    words = len(tokens.vocabulary)
    counts = skip_gram.count_words(tokens.ids, words)
    drawn = skip_gram.drawn_negatives(recipe.negatives)
    chunk = next(skip_gram.chunks(len(tokens), words, recipe, Seeds(0, 0, 0), 0))
    count = len(chunk.rounds)
    chances = skip_gram.noise_chances(counts, recipe.ns_exponent)
    noise = noise_of(chances, chunk.blocks[1], count, recipe.negatives / drawn)
    text = chunk.span, skip_gram.keep_limits(counts, recipe.sample), recipe.window, chunk.keys[0]
    pairs = skipgram_pairs.on(CPU)(tokens.ids, tokens.starts, *text, chunk.blocks, count)
    bounds = pairs.bounds.copy()
    bounds[..., 1] = np.minimum(bounds[..., 1], bounds[..., 0] + SAMPLE)
    part = Pairs(pairs.inputs, pairs.outputs, bounds)
    vectors = skip_gram.initialize(words, recipe, 0)
    vectors[1] = vectors[0, ::-1]
    expected = vectors.copy()
    rest = chunk.rounds[:ROUNDS], chunk.rates[:ROUNDS], drawn, chunk.keys[1]
    found = skipgram_steps.on(CPU)(part, noise, vectors, *rest)
    wanted = skipgram_steps.reference(part, noise, expected, *rest)
    visited = int((bounds[chunk.rounds[:ROUNDS], :, 1] - bounds[chunk.rounds[:ROUNDS], :, 0]).sum())
    assert abs(found - wanted) <= visited * recipe.dim * 2.0**-23 * abs(wanted)
    assert np.abs(vectors - expected).max() <= recipe.dim * 2.0**-20 * np.abs(expected).max()
    return f"the reference on {visited:,} pairs, within float32 rounding; mean loss {np.mean(losses):.2f}"


def _gensim(track: Track, tokens: Tokens, recipe: SkipGram, seeds: int, folder: Path) -> Rival:
    def build() -> Callable[[], Any]:
        from gensim.models import Word2Vec

        path = str(data.write_lines(tokens, folder / "text"))
        models = []
        for seed in range(seeds):
            model = Word2Vec(
                vector_size=recipe.dim,
                window=recipe.window,
                negative=recipe.negatives,
                sample=recipe.sample,
                alpha=recipe.learning_rate,
                ns_exponent=recipe.ns_exponent,
                sg=1,
                min_count=1,
                epochs=1,
                workers=track.threads,
                seed=seed + 1,
            )
            model.build_vocab(corpus_file=path)
            models.append(model)

        def call() -> Any:
            with workers.blas_threads(1):  # its workers are the threads
                for model in models:
                    sizes = {"total_words": model.corpus_total_words, "total_examples": model.corpus_count}
                    model.train(corpus_file=path, epochs=1, **sizes)
            return models

        return call

    return Rival("gensim", "gensim", build, lambda _: f"corpus_file, {track.threads} workers, {_blas()}")


def _blas() -> str:
    """Name the BLAS whose functions gensim calls: SciPy's."""
    import scipy

    found = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"BLAS {found['name']} {found['version']}"
