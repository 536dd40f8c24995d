"""What a recipe refuses, and what it can vary."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from gpuemb.core.errors import ConfigError
from gpuemb.training.recipes import PPMISVD, RECIPES, GloVe, Recipe, SkipGram, check_vary


@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        (GloVe, {"dim": 0}),
        (GloVe, {"epochs": 0}),
        (GloVe, {"x_max": 0.0}),
        (GloVe, {"x_max": math.nan}),
        (GloVe, {"alpha": -0.1}),
        (GloVe, {"learning_rate": 0.0}),
        (GloVe, {"learning_rate": -1.0}),
        (PPMISVD, {"dim": -5}),
        (PPMISVD, {"power": -0.5}),
        (PPMISVD, {"power": math.nan}),
        (PPMISVD, {"shift": 0.5}),
        (PPMISVD, {"smoothing": 0.0}),
        (GloVe, {"x_max": math.inf}),
        (GloVe, {"alpha": math.inf}),
        (GloVe, {"learning_rate": math.inf}),
        (PPMISVD, {"power": math.inf}),
        (PPMISVD, {"shift": math.inf}),
        (PPMISVD, {"smoothing": math.inf}),
        (SkipGram, {"dim": 0}),
        (SkipGram, {"window": 0}),
        (SkipGram, {"window": 51}),
        (SkipGram, {"negatives": 0}),
        (SkipGram, {"negatives": 101}),
        (SkipGram, {"sample": -1e-3}),
        (SkipGram, {"sample": math.nan}),
        (SkipGram, {"sample": 1.5}),
        (SkipGram, {"epochs": 0}),
        (SkipGram, {"learning_rate": 0.0}),
        (SkipGram, {"ns_exponent": math.nan}),
        (SkipGram, {"ns_exponent": 5.0}),
        (SkipGram, {"learning_rate": math.inf}),
    ],
)
def test_impossible_values_are_refused_by_name(recipe: type[Recipe], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(options))} = "):
        recipe(**options)


@pytest.mark.parametrize("recipe", [GloVe(), PPMISVD(), SkipGram()])
def test_a_recipe_cannot_be_changed(recipe: Recipe) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.dim = 3  # type: ignore[misc]


def test_a_kind_names_its_recipe() -> None:
    assert {"glove": GloVe, "ppmi-svd": PPMISVD, "skip-gram": SkipGram} == RECIPES


@pytest.mark.parametrize("vary", ["seed", "init", "order", "bootstrap", "halves"])
def test_glove_can_vary_everything(vary: str) -> None:
    check_vary(GloVe(), vary)


@pytest.mark.parametrize("vary", ["seed", "init", "order", "sampling", "bootstrap", "halves"])
def test_skip_gram_can_vary_its_sampling_too(vary: str) -> None:
    check_vary(SkipGram(), vary)


@pytest.mark.parametrize("recipe", [GloVe(), PPMISVD()])
def test_nothing_is_sampled_from_counts(recipe: Recipe) -> None:
    with pytest.raises(ConfigError, match=f"{recipe.kind}: vary = 'sampling', which it has not"):
        check_vary(recipe, "sampling")


def test_ppmi_svd_can_vary_the_documents_alone() -> None:
    for vary in ("seed", "bootstrap", "halves"):
        check_vary(PPMISVD(), vary)
    for vary in ("init", "order"):
        with pytest.raises(ConfigError, match="ppmi-svd can vary bootstrap, halves"):
            check_vary(PPMISVD(), vary)


def test_an_unknown_source_of_variation_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"vary = 'bootstap' is not known") as refusal:
        check_vary(GloVe(), "bootstap")
    assert "Did you mean bootstrap?" in str(refusal.value)
