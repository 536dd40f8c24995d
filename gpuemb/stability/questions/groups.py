"""Models of a study that differ in one thing alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gpuemb.stability.given.config import TablesConfig

if TYPE_CHECKING:
    from gpuemb.stability.config import ModelConfig

UNCOUNTED = ("name", "seeds")  # they say nothing of what a run is


def settings_of(model: ModelConfig | TablesConfig) -> dict[str, Any]:
    """Return everything that makes a run of a model what it is, but its seed.

    A window is in it where it is not that of the study. Of finished tables nothing is known.
    """
    if isinstance(model, TablesConfig):
        return {}
    kept = {name: value for name, value in asdict(model).items() if name not in (*UNCOUNTED, "recipe")}
    if not model.window:
        del kept["window"]
    return {"vary": model.vary, "kind": model.recipe.kind, **kept, **asdict(model.recipe)}


def alike_but(axis: str, models: Sequence[ModelConfig | TablesConfig]) -> list[list[int]]:
    """Return groups of at least two models that differ in one setting alone, ascending in it.

    Args:
        axis: name of the setting.
        models: of a study.

    Returns:
        Places in ``models``; a group has one model a value.
    """
    groups: dict[str, dict[Any, int]] = {}
    for place, model in enumerate(models):
        settings = settings_of(model)
        if axis in settings:
            value = settings.pop(axis)
            groups.setdefault(str(sorted(settings.items())), {}).setdefault(value, place)
    return [[group[value] for value in sorted(group)] for group in groups.values() if len(group) > 1]


def name_of_group(models: Sequence[ModelConfig | TablesConfig], axis: str) -> str:
    """Name what the models of a group have in common, ``glove, seed varied (window 5)``."""
    first = settings_of(models[0])
    more = [f"{name} {first[name]:g}" for name in ("dim", "window", "fraction") if first.get(name, 1) != 1]
    kept = [one for one in more if not one.startswith(axis)]
    varied = "" if axis == "vary" else f", {first['vary']} varied"
    return f"{first['kind']}{varied} ({', '.join(kept)})" if kept else f"{first['kind']}{varied}"
