"""Runs that begin with the vectors of an earlier training."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from corpus.texts import random_documents

from gpuemb.core.errors import (
    ConfigError,
    DTypeError,
    NonFiniteError,
    ShapeError,
    TrainingWarning,
    VocabularyError,
)
from gpuemb.corpus.tokens import Tokens, read_corpus
from gpuemb.embeddings.model import Embedding, EmbeddingStack
from gpuemb.training.checkpoints import RunCheckpoint
from gpuemb.training.recipes import PPMISVD, GloVe, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.start import start_of

GLOVE, SKIP_GRAM = GloVe(dim=4, epochs=2), SkipGram(dim=4, epochs=2, sample=0)
BOTH = pytest.mark.parametrize("recipe", [GLOVE, SKIP_GRAM], ids=["glove", "skip-gram"])


def corpus(words: int = 12, prefix: str = "") -> Tokens:
    documents = [[prefix + word for word in document] for document in random_documents(80, words)]
    return read_corpus(documents, min_count=1)


TOKENS = corpus()


def table(dim: int = 4, words: Any = None) -> Embedding:
    words = list(TOKENS.vocabulary.words) if words is None else words
    vectors = np.random.default_rng(0).standard_normal((len(words), dim)).astype(np.float32)
    return Embedding(vectors, words)


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The state of every run before its first epoch."""
    found: list[dict[str, Any]] = []
    for kind in ("glove.GloVeTraining", "skip_gram.SkipGramTraining"):
        name = f"gpuemb.training.{kind}.visit"
        module, _, owner = kind.partition(".")
        visit = getattr(__import__(f"gpuemb.training.{module}", fromlist=[owner]), owner).visit

        def watched(self: Any, epoch: int, visit: Any = visit) -> float:
            if epoch == 0:
                found.append({part: array.copy() for part, array in self.state().items()})
            return float(visit(self, epoch))

        monkeypatch.setattr(name, watched)
    return found


@BOTH
@pytest.mark.parametrize("vary", ["seed", "init", "order"])
def test_given_rows_are_those_of_every_run_and_new_words_are_of_its_own_seed(
    begun: list[dict[str, Any]], recipe: Any, vary: Any
) -> None:
    words = list(TOKENS.vocabulary.words)
    start = table(words=[*words[:3], "gone", *words[5:]])
    with pytest.warns(TrainingWarning) as noted:
        train(TOKENS, recipe, seeds=[1, 2], vary=vary, start=start)
    assert str(noted[0].message) == (
        f"train: of the start's 11 words 1 is not in the corpus: gone; 2 words of the corpus are new: "
        f"{words[3]}, {words[4]}"
    )
    assert len(noted) == 1
    given = [*range(3), *range(5, 12)]
    expected = np.delete(np.asarray(start.vectors), 3, axis=0)
    train(TOKENS, recipe, seeds=[1, 2], vary=vary)
    first, second, plain, other = (state["vectors"][0, :, :4] for state in begun)
    for run in (first, second):
        scale = 0.5 if recipe.kind == "glove" else 1.0  # its vectors are sums of two
        np.testing.assert_array_equal(run[given], expected * np.float32(scale))
    np.testing.assert_array_equal(first[3:5], plain[3:5])
    np.testing.assert_array_equal(second[3:5], other[3:5])
    assert (first[3:5] != second[3:5]).any() == (vary in ("seed", "init"))
    contexts = [state["vectors"][1, :, :4] for state in begun]
    if recipe.kind == "glove":
        np.testing.assert_array_equal(contexts[0][given], first[given])
    else:
        assert not contexts[0].any()


@BOTH
@pytest.mark.parametrize("as_stack", [True, False])
def test_a_model_of_the_same_kind_gives_all_that_it_learned(
    begun: list[dict[str, Any]], recipe: Any, as_stack: bool
) -> None:
    runs = train(TOKENS, recipe, seeds=[7])
    model = runs.models[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # all words match
        train(TOKENS, recipe, seeds=[1], start=runs if as_stack else model)
    state = begun[-1]
    np.testing.assert_array_equal(state["vectors"][0, :, :4], model.words)
    np.testing.assert_array_equal(state["vectors"][1, :, :4], model.contexts)
    if recipe.kind == "glove":
        np.testing.assert_array_equal(state["biases"], [model.word_biases, model.context_biases])


@BOTH
def test_a_start_from_what_was_learned_has_a_lower_first_loss(recipe: Any) -> None:
    recipe = replace(recipe, epochs=20, learning_rate=0.05)
    first = train(TOKENS, recipe, seeds=[0])
    again = train(TOKENS, recipe, seeds=[1], start=first)
    assert again.models[0].losses[0] < first.models[0].losses[0] * 0.95
    from_glove = train(TOKENS, SKIP_GRAM, seeds=[1], start=train(TOKENS, GLOVE, seeds=1).models[0])
    assert np.isfinite(from_glove.vectors).all()  # of another kind the vectors alone


def test_a_word_whose_vector_is_zero_was_never_trained_and_is_new() -> None:
    vectors = np.asarray(table().vectors).copy()
    vectors[4] = 0
    start = Embedding(vectors, TOKENS.vocabulary.words)
    with pytest.warns(TrainingWarning, match=f"1 word of the corpus is new: {TOKENS.vocabulary.words[4]}$"):
        found = start_of(start, GLOVE, TOKENS.vocabulary.words)
    assert found is not None
    assert 4 not in found.rows.tolist()


def test_of_many_words_ten_are_named() -> None:
    start = table(words=[f"gone{i}" for i in range(30)] + list(TOKENS.vocabulary.words))
    with pytest.warns(
        TrainingWarning, match=r"of the start's 42 words 30 are not in the corpus: gone0, .*gone9, …$"
    ):
        start_of(start, GLOVE, TOKENS.vocabulary.words)


@pytest.mark.parametrize(
    ("start", "error", "said"),
    [
        (table(dim=3), ShapeError, r"start has 3 dimensions but glove has 4(.|\n)*dim=3\."),
        (table(dim=6), ShapeError, r"start\.truncate\(4\)"),
        (
            table(words=["unknown", "words"]),
            VocabularyError,
            r"start has 2 words, and none(.|\n)*unknown, words",
        ),
        (np.ones((12, 4)), DTypeError, r"start = float64 \(12, 4\)(.|\n)*Embedding\(array, words\)"),
        ("vectors.txt", DTypeError, "start = 'vectors.txt'"),
        (EmbeddingStack(np.ones((2, 12, 4)), list(TOKENS.vocabulary.words)), ConfigError, "start has 2 runs"),
        (
            Embedding(np.full((12, 4), 1e300), list(TOKENS.vocabulary.words)),
            NonFiniteError,
            "holds NaN or inf",
        ),
    ],
    ids=["narrow", "wide", "strangers", "array", "path", "two runs", "beyond float32"],
)
def test_what_is_no_start_is_refused(start: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        train(TOKENS, GLOVE, seeds=1, start=start)


def test_a_model_with_nan_is_refused_by_its_word() -> None:
    model = train(TOKENS, GLOVE, seeds=1).models[0]
    model.contexts[2, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"train: start: contexts holds NaN or infinity; row 2"):
        train(TOKENS, GLOVE, seeds=1, start=model)


def test_ppmi_svd_begins_from_nothing() -> None:
    with pytest.raises(ConfigError, match="start was given for ppmi-svd"):
        train(TOKENS, PPMISVD(dim=4), seeds=1, start=table())


def test_a_checkpoint_belongs_to_its_start(tmp_path: Any) -> None:
    train(TOKENS, GLOVE, seeds=1, start=table(), checkpoint=tmp_path)
    with pytest.raises(ConfigError, match=r"It differs in start \('\w+' there, None here\)"):
        train(TOKENS, GLOVE, seeds=1, checkpoint=tmp_path)
    changed = Embedding(np.asarray(table().vectors) + 1, table().index_to_key)
    with pytest.raises(ConfigError, match=r"It differs in start \('\w+' there, '\w+' here\)"):
        train(TOKENS, GLOVE, seeds=1, start=changed, checkpoint=tmp_path)
    assert RunCheckpoint(tmp_path / "seed-0", print).folder.exists()


@BOTH
def test_a_run_of_ten_that_start_alike_is_that_run_alone(recipe: Any) -> None:
    together = train(TOKENS, recipe, seeds=4, start=table())
    alone = train(TOKENS, recipe, seeds=[3], start=table())
    assert together.models[3] == alone.models[0]
