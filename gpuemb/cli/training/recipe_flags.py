"""The recipe and the seeds that the flags of ``gpuemb train`` ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gpuemb.cli.study_flags import parse_epochs, parse_seeds
from gpuemb.core.checks import check_choice
from gpuemb.core.errors import ConfigError
from gpuemb.training.recipes import RECIPES, Recipe, SkipGram, seeds_of


def recipe_of(kind: str, flags: Mapping[str, Any], window: int | None) -> Recipe:
    """Return the recipe of a model with the typed flags.

    Args:
        kind: ``glove``, ``skip-gram`` or ``ppmi-svd``.
        flags: names of a recipe's fields and what was typed; None where nothing was.
        window: of a skip-gram; the others are trained from counts, whose window it is.

    Raises:
        ConfigError: an unknown model, a flag that it does not have, or a value that does not fit.
    """
    check_choice("train", "model", kind, tuple(RECIPES))
    recipe = RECIPES[kind]
    known = {field.name for field in fields(recipe)}
    typed = {name: value for name, value in flags.items() if value is not None}
    if recipe is SkipGram and window is not None:
        typed["window"] = window
    for name, value in typed.items():
        if name not in known:
            raise ConfigError(
                f"train: {name}={value} of {kind}",
                needed=f"{kind} has {', '.join(sorted(known))}.",
                remedy=f"Leave {name} out, or train another model: --model {_model_with(name)}.",
            )
    return recipe(**typed)


def _model_with(name: str) -> str:
    found = [kind for kind, recipe in RECIPES.items() if name in {field.name for field in fields(recipe)}]
    return " or ".join(found)


def seeds_asked(text: str | None) -> tuple[int, ...]:
    """Return the seeds of ``5`` or ``0,7,42``."""
    return seeds_of("train", 5 if text is None else parse_seeds("train", text))


def epochs_asked(text: str | None) -> tuple[int, ...]:
    """Return the epochs of ``5,10``."""
    return () if text is None else tuple(parse_epochs("train", text))
