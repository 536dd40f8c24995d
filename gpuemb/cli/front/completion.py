"""Words that a shell completes; files it completes itself."""

from __future__ import annotations

from collections.abc import Iterable

# Of stability/questions/table.py and training/recipes.py, which help and shells need not load.
QUESTIONS = ("dimension", "data", "causes", "words", "sentence", "training", "drift")
MODELS = ("glove", "ppmi-svd", "skip-gram")
VARY = ("seed", "init", "order", "sampling", "bootstrap", "halves")
TEXTS = ("dataset:conversations",)
TABLES = ("dataset:glove-6b-50d",)
DEVICES = ("auto", "cpu", "cuda")


def models(incomplete: str) -> list[str]:
    """Kinds of models."""
    return _beginning(incomplete, MODELS)


def vary(incomplete: str) -> list[str]:
    """What a seed may change."""
    return _beginning(incomplete, VARY)


def questions(incomplete: str) -> list[str]:
    """Questions of a study."""
    return _beginning(incomplete, QUESTIONS)


def measures(incomplete: str) -> list[str]:
    """Names of measures, and ``all``."""
    from gpuemb.stability.measure_table import MEASURES

    return _beginning(incomplete, (*MEASURES, "all"))


def texts(incomplete: str) -> list[str]:
    """Texts that are data sets."""
    return _beginning(incomplete, TEXTS)


def tables(incomplete: str) -> list[str]:
    """Tables that are data sets."""
    return _beginning(incomplete, TABLES)


def devices(incomplete: str) -> list[str]:
    """Names of devices."""
    return _beginning(incomplete, DEVICES)


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]
