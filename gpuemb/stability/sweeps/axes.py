"""The models of a study, crossed with lists of dimensions, fractions, windows and what varies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from itertools import product
from typing import Any

from gpuemb.core.checks import nearest_hint
from gpuemb.core.errors import ConfigError
from gpuemb.core.results import shown
from gpuemb.stability.config import ModelConfig
from gpuemb.stability.given.config import TablesConfig
from gpuemb.training.recipes import RECIPES, SkipGram

AXES = ("vary", "dim", "window", "fraction")
MOST_MODELS = 1000  # of one study: more is a mistake
LETTERS = {"dim": "d", "window": "w"}  # before the value, in the name of a model


def swept(entries: Sequence[Any], sweep: Any) -> list[dict[str, Any]]:
    """Return one table a model and combination of values.

    An axis with several values adds to the name of a model: ``glove-bootstrap-d25-w5-10pct``.

    Finished tables are not trained, so they are crossed with nothing.

    Args:
        entries: tables with a kind, ModelConfigs or TablesConfigs.
        sweep: a mapping with lists for some of ``AXES``.

    Raises:
        ConfigError: an unknown axis, an empty or repeating list, or more than a thousand models.
    """
    chosen = _checked(sweep)
    given = [mapping_of(one) if isinstance(one, ModelConfig | TablesConfig) else one for one in entries]
    combinations = len(given)
    for values in chosen.values():
        combinations *= len(values)
    if combinations > MOST_MODELS:
        raise ConfigError(
            f"sweep: {combinations:,} models",
            needed=f"At most {MOST_MODELS:,} are trained in one study.",
            remedy="Use fewer values, or several studies.",
        )
    several = {axis for axis, values in chosen.items() if len(values) > 1}
    return [
        _one(entry, dict(zip(chosen, values, strict=True)), several)
        if isinstance(entry, Mapping) and _is_trained(entry)
        else entry
        for entry in given
        for values in (product(*chosen.values()) if _is_trained(entry) else ((),))
    ]


def _is_trained(entry: Any) -> bool:
    return not isinstance(entry, Mapping) or entry.get("kind") != TablesConfig.kind


def mapping_of(model: ModelConfig | TablesConfig) -> dict[str, Any]:
    """Return the table that a model is written as, in TOML."""
    if isinstance(model, TablesConfig):
        return {"kind": model.kind, **asdict(model)}
    sample: dict[str, Any] = {"fraction": model.fraction}
    if not isinstance(model.recipe, SkipGram):
        sample["window"] = model.window
    return {
        "kind": model.recipe.kind,
        **asdict(model.recipe),
        "name": model.name,
        "vary": model.vary,
        "seeds": list(model.seeds),
        **sample,
    }


def recipe_keys(kind: Any) -> set[str]:
    """Names of the settings of a recipe; empty for an unknown one."""
    known = RECIPES.get(kind) if isinstance(kind, str) else None
    return set() if known is None else {field.name for field in fields(known)}


def _checked(sweep: Any) -> dict[str, list[Any]]:
    if not isinstance(sweep, Mapping):
        raise ConfigError(
            f"sweep: {shown(sweep)}",
            needed="sweep is a table of lists.",
            remedy="[sweep]\n  dim = [25, 50, 100]",
        )
    for axis, values in sweep.items():
        if axis not in AXES:
            raise ConfigError(
                f"sweep: the key {axis!r} is not known",
                needed=f"Keys here are {', '.join(AXES)}; seeds, neighbors and measures stand outside.",
                remedy=nearest_hint(str(axis), AXES),
            )
        listed = isinstance(values, (list, tuple)) and len(values) > 0
        if not listed or any(value in values[:place] for place, value in enumerate(values)):
            raise ConfigError(
                f"sweep: {axis} = {shown(values)}",
                needed="A list of different values is needed.",
                remedy=f"{axis} = [{', '.join(map(str, EXAMPLES[axis]))}], for example.",
            )
    return {axis: list(sweep[axis]) for axis in AXES if axis in sweep}


EXAMPLES: dict[str, tuple[Any, ...]] = {
    "vary": ('"init"', '"order"'),
    "dim": (25, 50, 100),
    "window": (2, 5),
    "fraction": (0.1, 0.3, 1),
}


def _one(entry: Mapping[str, Any], values: dict[str, Any], several: set[str]) -> dict[str, Any]:
    parts = [str(entry.get("name", entry.get("kind")))]
    parts += [_label(axis, values[axis]) for axis in values if axis in several]
    named = {"name": "-".join(parts)} if several else {}
    return {**entry, **values, **named}


def _label(axis: str, value: Any) -> str:
    if axis == "fraction" and isinstance(value, (int, float)):
        return f"{100 * value:.6g}pct".replace(".", "_")
    return f"{LETTERS.get(axis, '')}{value}"
