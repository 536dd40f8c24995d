"""What runs have in common is common to the bit, whichever runs and threads there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from corpus.texts import random_tokens

from gpuemb.core import threads
from gpuemb.corpus.tokens import Tokens
from gpuemb.counts.counting import bootstrap_repeats, count_cooccurrences
from gpuemb.embeddings.model import Embedding
from gpuemb.training.recipes import PPMISVD, VARY, GloVe, Recipe, SkipGram
from gpuemb.training.seeds import train
from gpuemb.training.sources import half_repeats, repeated

TOKENS = random_tokens(60, 12)
START = Embedding(np.random.default_rng(0).standard_normal((11, 4)), TOKENS.vocabulary.words[1:])
RECIPES: list[Recipe] = [
    GloVe(dim=4, epochs=2, held_out=0.1),
    PPMISVD(dim=4),
    SkipGram(dim=4, epochs=2, held_out=0.1),
]
CASES = [(recipe, vary) for recipe in RECIPES for vary in VARY if vary in ("seed", *recipe.varies)]
ALL = pytest.mark.parametrize(("recipe", "vary"), CASES, ids=lambda one: getattr(one, "kind", one))


@ALL
@pytest.mark.filterwarnings("ignore:train. 1 word of the corpus is new:gpuemb.TrainingWarning")
def test_seed_3_of_ten_is_seed_3_alone_for_any_number_of_threads(
    recipe: Recipe, vary: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpuemb.training.skip_gram.BLOCK_WORDS", 3)  # several blocks: there is an order
    options: dict[str, Any] = {"vary": vary}
    if not isinstance(recipe, PPMISVD):
        options |= {"snapshots": [1], "start": START}
    ten = train(TOKENS, recipe, seeds=10, **options)
    runs = 2 if vary == "halves" else 1
    for count in (1, 2, 7):
        with threads.limit(count):
            alone = train(TOKENS, recipe, seeds=[3], **options)
        assert list(alone.models) == list(ten.models[3 * runs : 4 * runs])
    distinct = {model.words.tobytes() for model in ten.models}
    assert len(distinct) == (1 if vary == "seed" and isinstance(recipe, PPMISVD) else 10 * runs)


def seen(tokens: Tokens, vary: str) -> list[Tokens]:
    """The texts of the runs of seed 3."""
    if vary == "bootstrap":
        return [repeated(tokens, bootstrap_repeats(tokens, 3))]
    return [repeated(tokens, half_repeats(tokens.documents, 3, half)) for half in (0, 1)]


@pytest.mark.parametrize("vary", ["bootstrap", "halves"])
@pytest.mark.parametrize(
    "recipe", [GloVe(dim=4, epochs=2), PPMISVD(dim=4), SkipGram(dim=4, epochs=2)], ids=lambda one: one.kind
)
def test_runs_of_other_documents_differ_in_nothing_but_their_text(recipe: Recipe, vary: Any) -> None:
    """A run of a resampled text is the run of seed 0, the fixed one, of that text."""
    runs = train(TOKENS, recipe, seeds=[3], vary=vary)
    for model, text in zip(runs.models, seen(TOKENS, vary), strict=True):
        source = text if isinstance(recipe, SkipGram) else count_cooccurrences(text)
        alone = train(source, recipe, seeds=[0]).models[0]
        for name in ("words", "contexts", "losses", "word_biases"):
            np.testing.assert_array_equal(getattr(model, name), getattr(alone, name))


@ALL
def test_a_seed_that_is_listed_twice_is_refused(recipe: Recipe, vary: Any) -> None:
    with pytest.raises(ValueError, match=r"train: seeds has 4 2 times(.|\n)*seeds=\[4, 1\]"):
        train(TOKENS, recipe, seeds=[4, 1, 4], vary=vary)
