"""GloVe: epochs over real counts and over a large vocabulary, and whole trainings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import data, stanford
from benchmarks.race import Case, Rival, Track
from gpuemb.bench.workloads import synthetic, work
from gpuemb.bench.workloads.work import Work
from gpuemb.core.device import CPU
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.kernels.glove_epoch import GloVeParameters, Strata, glove_epoch
from gpuemb.training.glove import initialize
from gpuemb.training.glove_strata import stratify
from gpuemb.training.recipes import GloVe
from gpuemb.training.seeds import train
from gpuemb.training.trained import TrainedStack

MIN_COUNT = 5
X_MAX = 10.0  # of so small a corpus; the same for everybody
SAMPLE = 2_000  # nonzeros that the reference visits in Python
EPOCHS = 5  # of a whole training
MANY_WORDS, THEIR_TOKENS = 128_128, 5_000_000  # about 39 million nonzeros


@pytest.mark.parametrize("dim", [50, 100, 300])
def test_glove_epoch(benchmark: Any, track: Track, stanford_glove: Any, tmp_path: Path, dim: int) -> None:
    if track.quick and dim != 50:
        pytest.skip("--quick trains 50 dimensions")
    tokens = _tokens(track)
    counts = count_cooccurrences(tokens, device="cpu")
    recipe = GloVe(dim=dim, x_max=X_MAX)
    case = _epoch_case("conversations", counts, recipe)
    track.run(benchmark, case, _glove_rivals(track, tokens, dim, stanford_glove, tmp_path))


@pytest.mark.parametrize("dim", [100, 300])
def test_glove_epoch_of_a_large_vocabulary(benchmark: Any, track: Track, dim: int) -> None:
    if track.quick and dim != 100:
        pytest.skip("--quick trains 100 dimensions")
    words, tokens = (10_000, 200_000) if track.quick else (MANY_WORDS, THEIR_TOKENS)
    counts = synthetic.counted_stream(tokens, words)
    track.run(benchmark, _epoch_case("drawn", counts, GloVe(dim=dim, x_max=X_MAX)), [])


@pytest.mark.parametrize("dim", [100, 300])
def test_glove_training(benchmark: Any, track: Track, stanford_glove: Any, tmp_path: Path, dim: int) -> None:
    """Some epochs from the counts: ours with drawing the order, theirs with reading and writing files."""
    if track.quick and dim != 100:
        pytest.skip("--quick trains 100 dimensions")
    tokens = _tokens(track)
    counts = count_cooccurrences(tokens, device="cpu")
    recipe = GloVe(dim=dim, x_max=X_MAX, epochs=EPOCHS)
    shape = {"words": len(counts.vocabulary), "nonzeros": counts.nonzeros, "dim": dim}
    one = work.glove_epoch(shape)

    def verify(found: TrainedStack) -> str:
        (model,) = found.models
        assert np.isfinite(model.vectors).all()
        assert (np.diff(model.losses) < 0).all(), model.losses
        return f"loss {model.losses[0]:.4f} after one epoch, {model.losses[-1]:.4f} after {EPOCHS}"

    case = Case(
        f"glove_training-conversations-{dim}",
        "glove_training",
        f"conversations, {EPOCHS} epochs, {counts.nonzeros:,} nonzeros, d = {dim}",
        shape,
        Work(EPOCHS * one.flops, EPOCHS * one.bytes, one.items, one.ceiling, one.counts, one.said),
        lambda: train(counts, recipe, seeds=[0], device="cpu"),
        verify,
    )
    rival = _stanford(track, tokens, dim, stanford_glove, tmp_path, EPOCHS)
    track.run(benchmark, case, [rival])


def _epoch_case(text: str, counts: Cooccurrence, recipe: GloVe) -> Case:
    words, dim = len(counts.vocabulary), recipe.dim
    strata, parameters = stratify(counts, recipe, 0), initialize(words, recipe, 0)
    shape = {"words": words, "nonzeros": counts.nonzeros, "dim": dim}
    return Case(
        f"glove_epoch-{text}-{dim}",
        "glove_epoch",
        f"{text}, {counts.nonzeros:,} nonzeros, {words:,} words, d = {dim}",
        shape,
        work.glove_epoch(shape),
        lambda: glove_epoch.on(CPU)(strata, parameters, recipe.learning_rate),
        lambda loss: _verify_epoch(counts, recipe, loss),
    )


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
    def gensim_epoch() -> Callable[[], Any]:
        from gensim.models import Word2Vec

        sentences = [line.split() for line in data.as_lines(tokens)]
        model = Word2Vec(
            vector_size=dim, window=10, sg=1, negative=5, workers=track.threads, min_count=1, epochs=1
        )
        model.build_vocab(sentences)
        return lambda: model.train(sentences, total_examples=len(sentences), epochs=1)

    return [
        _stanford(track, tokens, dim, folder, tmp_path, 1),
        Rival(
            "gensim", "gensim", gensim_epoch, lambda _: "skip-gram, one epoch of the same text: another model"
        ),
    ]


def _stanford(
    track: Track, tokens: Tokens, dim: int, folder: Path | None, tmp_path: Path, epochs: int
) -> Rival:
    def build() -> Callable[[], Path]:
        assert folder is not None
        text = data.write_lines(tokens, tmp_path / "text")
        vocabulary = stanford.vocab_count(folder, text, tmp_path / "vocabulary")()
        counts = stanford.cooccur(folder, text, vocabulary, tmp_path / "counts")()
        words = (*stanford.MEMORY, "-temp-file", str(tmp_path / "shuffling"))
        shuffled = stanford.program(folder, "shuffle", words, counts, tmp_path / "shuffled")()
        return stanford.glove(folder, shuffled, vocabulary, dim, track.threads, epochs, X_MAX)

    said = f"{epochs} epochs, with reading the counts and writing the vectors; not the same bits twice"
    said = said if epochs > 1 else said.replace("1 epochs", "one epoch")
    return Rival("Stanford glove", "", build, lambda _: said, stanford.absent(folder))
