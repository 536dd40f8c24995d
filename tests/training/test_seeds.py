"""One model, many runs: what train() refuses and what it tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens, tokens_of

from gpuemb.core.errors import ConfigError
from gpuemb.corpus.tokens import read_corpus
from gpuemb.counts.counting import count_cooccurrences
from gpuemb.embeddings.stack import stack
from gpuemb.neighbors.exact import nearest_neighbors
from gpuemb.neighbors.overlap import neighbor_overlap
from gpuemb.training.recipes import OF_DOCUMENTS, PPMISVD, GloVe, Recipe, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.sources import half_repeats, repeated

TOKENS = random_tokens(60, 12)
SKIP_GRAM = SkipGram(dim=4, epochs=2, sample=0)
ALL = pytest.mark.parametrize(
    "recipe", [GloVe(dim=4, epochs=2), PPMISVD(dim=4), SKIP_GRAM], ids=["glove", "ppmi-svd", "skip-gram"]
)
BOTH = pytest.mark.parametrize("recipe", [GloVe(dim=4, epochs=2), PPMISVD(dim=4)], ids=["glove", "ppmi-svd"])


class Counter:
    """A progress that counts."""

    def __init__(self) -> None:
        self.steps = 0

    def advance(self, amount: int = 1) -> None:
        self.steps += amount

    @contextmanager
    def phase(self, name: str, total: int | None = None) -> Iterator[Counter]:
        yield self

    def note(self, message: str) -> None:
        pass


@ALL
def test_the_runs_stand_over_the_vocabulary_of_the_corpus(recipe: Recipe) -> None:
    runs = train(TOKENS, recipe, seeds=[3, 5], vary="bootstrap")
    assert runs.vectors.shape == (2, 12, 4)
    assert runs.vectors.dtype == np.float32
    assert tuple(runs.runs) == ("bootstrap 3", "bootstrap 5")
    assert runs.index_to_key == TOKENS.vocabulary.words


@BOTH
def test_a_corpus_and_its_counts_train_the_same_bits(recipe: Recipe) -> None:
    from_text = train(TOKENS, recipe, seeds=[1], window=3, weighting="linear")
    from_counts = train(count_cooccurrences(TOKENS, 3, "linear"), recipe, seeds=[1])
    np.testing.assert_array_equal(from_text.vectors, from_counts.vectors)


@BOTH
def test_documents_cannot_be_resampled_from_counts(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="vary = 'bootstrap' with counts as the source"):
        train(count_cooccurrences(TOKENS), recipe, vary="bootstrap")


@BOTH
def test_halves_are_trained_on_disjoint_documents_that_together_are_all(recipe: Recipe) -> None:
    runs = train(TOKENS, recipe, seeds=[3, 5], vary="halves")
    assert tuple(runs.runs) == ("half 3a", "half 3b", "half 5a", "half 5b")
    for place, (seed, half) in enumerate([(3, 0), (3, 1), (5, 0), (5, 1)]):
        repeats = half_repeats(TOKENS.documents, seed, half)
        alone = train(count_cooccurrences(TOKENS, repeats=repeats), recipe, seeds=[0])
        np.testing.assert_array_equal(runs.vectors[place], alone.vectors[0])
    assert (half_repeats(60, 3, 0) != half_repeats(60, 5, 0)).any()


@pytest.mark.parametrize("documents", [2, 3, 10, 61])
def test_every_document_is_in_one_half(documents: int) -> None:
    first, second = (half_repeats(documents, 7, half) for half in (0, 1))
    np.testing.assert_array_equal(first + second, np.ones(documents))
    assert second.sum() - first.sum() == documents % 2


@BOTH
def test_halves_need_a_corpus_and_documents_that_vary_need_two(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="vary = 'halves' with counts as the source"):
        train(count_cooccurrences(TOKENS), recipe, vary="halves")
    one = tokens_of([[0, 1, 2, 3, 1, 0]], 4)
    for vary in OF_DOCUMENTS:
        with pytest.raises(ConfigError, match=f"vary = '{vary}' with a corpus of 1 document\n"):
            train(one, recipe, vary=vary)


def topical_documents(count: int, seed: int) -> list[list[str]]:
    """Documents of 20 of 200 words, most of them rare, each of one of 20 topics."""
    random, topics = np.random.default_rng(seed), np.random.default_rng(99).gamma(0.3, size=(20, 200))
    chances = topics / np.arange(1, 201) + 1e-9
    chances /= chances.sum(axis=1, keepdims=True)
    return [[f"w{w}" for w in random.choice(200, 20, p=chances[random.integers(20)])] for _ in range(count)]


@pytest.mark.slow
def test_halves_agree_as_fresh_texts_of_half_the_size_and_bootstrap_samples_more_than_fresh_ones() -> None:
    def overlap(runs: Iterable[Any]) -> float:
        return neighbor_overlap(*(nearest_neighbors(run, 10) for run in runs)).value

    def fresh(size: int, seed: int) -> float:
        texts = (read_corpus(topical_documents(size, seed + half), min_count=1) for half in (0, 1))
        return overlap(stack([train(text, PPMISVD(dim=20), seeds=[0], window=5)[0] for text in texts]))

    found = []
    for seed in range(4):
        text = read_corpus(topical_documents(500, seed), min_count=1)
        samples, halves = (
            train(text, PPMISVD(dim=20), seeds=1 + (vary == "bootstrap"), vary=vary, window=5)
            for vary in OF_DOCUMENTS
        )
        known = overlap(samples), overlap(halves)
        found.append((*known, fresh(500, 100 + 2 * seed), fresh(250, 200 + 2 * seed)))
    of_samples, of_halves, of_fresh, of_half_fresh = np.mean(found, axis=0)
    error = 4 * np.std(found, axis=0, ddof=1).max() / 2  # of a mean of four, with room
    assert of_samples > of_fresh + error
    assert abs(of_halves - of_half_fresh) < error


@ALL
def test_an_unknown_source_of_variation_is_refused(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="vary = 'sed' is not known"):
        train(TOKENS, recipe, vary="sed")  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", [GloVe(dim=13), PPMISVD(dim=13), SkipGram(dim=13)])
def test_more_dimensions_than_words_are_refused(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="dim = 13 but the vocabulary has 12 words"):
        train(TOKENS, recipe)


@pytest.mark.parametrize("recipe", [GloVe(dim=12, epochs=1), PPMISVD(dim=12), SkipGram(dim=12)])
def test_as_many_dimensions_as_words_are_trained(recipe: Recipe) -> None:
    assert train(TOKENS, recipe, seeds=[0]).vectors.shape == (1, 12, 12)


@pytest.mark.parametrize("recipe", [GloVe(dim=1), PPMISVD(dim=1), SkipGram(dim=1)])
def test_counts_without_a_pair_are_refused(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match="no two words stand near each other"):
        train(tokens_of([[0], [1], [0]], 2), recipe)


@ALL
def test_no_seed_is_no_training(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match=r"seeds = \[\]"):
        train(TOKENS, recipe, seeds=[])


@pytest.mark.parametrize(
    ("recipe", "steps"), [(GloVe(dim=4, epochs=3), 6), (PPMISVD(dim=4), 2), (SKIP_GRAM, 4)]
)
def test_progress_is_told_of_every_step(recipe: Recipe, steps: int) -> None:
    progress: Any = Counter()
    train(TOKENS, recipe, seeds=[0, 1], progress=progress)
    assert progress.steps == steps


@pytest.mark.parametrize(
    "recipe",
    [GloVe(dim=4, epochs=2), PPMISVD(dim=4), PPMISVD(dim=7), PPMISVD(dim=7, power=0.0), SKIP_GRAM],
    ids=["glove", "ppmi-svd", "ppmi-svd with its null space", "unit ppmi-svd", "skip-gram"],
)
def test_a_word_without_any_pair_has_no_length(recipe: Recipe) -> None:
    """Its vector would be its initialization, the same in every bootstrap run, or a null space's noise."""
    documents = [[0, 1, 2, 3, 1], [2, 4, 5, 0], [5, 3, 2, 1], [6]]
    runs = train(tokens_of(documents, 7), recipe, seeds=[0, 1])
    assert not runs.vectors[:, 6].any()


def test_a_resampled_text_holds_each_document_as_often_as_drawn() -> None:
    tokens = tokens_of([[0, 1, 2], [], [3, 4], [5]], 6)
    found = repeated(tokens, np.array([2, 1, 0, 3]))
    assert found.ids.tolist() == [0, 1, 2, 0, 1, 2, 5, 5, 5]
    assert found.starts.tolist() == [0, 3, 6, 6, 7, 8, 9]
    assert found.vocabulary is tokens.vocabulary


def test_many_documents_are_resampled_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    repeats = np.arange(TOKENS.documents) % 3
    whole = repeated(TOKENS, repeats)
    monkeypatch.setattr("gpuemb.training.sources.COPIED_DOCUMENTS", 7)
    np.testing.assert_array_equal(repeated(TOKENS, repeats).ids, whole.ids)
