"""The study that the flags of ``gpuemb study`` ask for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from gpuemb.core.errors import ConfigError
from gpuemb.corpus.token_patterns import is_file
from gpuemb.stability.config import ModelConfig, StudyConfig
from gpuemb.stability.given.config import TablesConfig
from gpuemb.stability.kept.sources import absolute
from gpuemb.stability.toml import config_from, read_mapping
from gpuemb.training.recipes import PPMISVD, RECIPES, GloVe

DIGITS = 40  # of a seed
EXAMPLES = {"dim": "25,50,100", "window": "2,5", "fraction": "0.1,0.3,1"}


@dataclass(frozen=True)
class StudyFlags:
    """The flags of ``gpuemb study`` as typed; None where one was not."""

    corpus: tuple[str, ...]
    model: tuple[str, ...]
    dim: str | None
    epochs: int | None
    seeds: str | None
    vary: tuple[str, ...]
    window: str | None
    weighting: str | None
    min_count: int | None
    max_words: int | None
    encoding_errors: str | None
    tokenizer: str | None
    documents: str | None
    field: str | None
    neighbors: str | None
    title: str | None
    measure: tuple[str, ...] = ()
    snapshots: str | None = None
    fraction: str | None = None
    question: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    sentence: str | None = None
    until_width: float | None = None
    group: tuple[str, ...] = ()


def study_config(flags: StudyFlags, file: Path | None) -> StudyConfig:
    """Build the study: the file, if one is given, with every typed flag over it.

    Raises:
        ConfigError: neither a file nor a corpus, or values that do not fit.
    """
    if file is None and not (flags.corpus or flags.group):
        raise ConfigError(
            "study: no corpus",
            needed="Name text files or folders, or --config FILE.",
            remedy="gpuemb compare measures finished tables without a text."
            if flags.tables
            else "gpuemb study my.txt, or gpuemb demo to see an example.",
        )
    mapping: dict[str, Any] = {}
    if file is not None:
        mapping = read_mapping(file)
        config_from(mapping, file.parent)  # checked as it stands, so that a mistake in it is named as its own
    base = file.parent if file is not None else Path()
    if flags.corpus:
        mapping["corpus"] = [absolute(source) for source in flags.corpus]
    measures = list(flags.measure) or None
    snapshots = None if flags.snapshots is None else parse_epochs("study", flags.snapshots)
    _override(
        mapping,
        {
            "neighbors": None if flags.neighbors is None else parse_neighbors(flags.neighbors),
            "title": flags.title,
            "measures": measures,
            "snapshots": snapshots,
            "question": list(flags.question) or None,
            "sentence": flags.sentence,
            "until_width": flags.until_width,
            "groups": _groups(flags.group),
        },
    )
    crossed = _crossed(flags)
    windows = crossed.pop("window", [])
    if len(windows) > 1:
        crossed["window"] = windows
    window = windows[0] if len(windows) == 1 else None
    if crossed:
        mapping["sweep"] = {**mapping.get("sweep", {}), **crossed}
    _override(mapping.setdefault("counts", {}), {"window": window, "weighting": flags.weighting})
    _override(
        mapping.setdefault("text", {}),
        {
            "min_count": flags.min_count,
            "max_words": flags.max_words,
            "encoding_errors": flags.encoding_errors,
            "tokenizer": _tokenizer_from_here(flags.tokenizer),
            "documents": flags.documents,
            "field": flags.field,
        },
    )
    mapping["models"] = [
        _model(entry, flags, vary, window)
        for entry in _chosen_models(mapping, flags)
        for vary in _varied(entry, flags)
    ] + _tables(flags.tables)
    return config_from(mapping, base)


def demo_config() -> StudyConfig:
    """The study that ``gpuemb demo`` runs."""
    study = StudyConfig(
        corpus=("dataset:conversations",), title="What a conversation corpus can and cannot tell"
    )
    seeds = ModelConfig(GloVe(dim=100, epochs=25, x_max=10.0), vary="seed")
    samples = ModelConfig(PPMISVD(dim=100), vary="bootstrap")
    return replace(study, models=(seeds, samples))


def _chosen_models(mapping: dict[str, Any], flags: StudyFlags) -> list[dict[str, Any]]:
    if flags.model:
        return [{"kind": kind} for kind in flags.model]
    models: list[dict[str, Any]] = mapping.get("models", [{"kind": "glove"}])
    return models


def _crossed(flags: StudyFlags) -> dict[str, list[Any]]:
    """Return the lists of values that were typed for axes of models.

    Raises:
        ConfigError: one is no list of numbers.
    """
    typed = {"dim": flags.dim, "window": flags.window, "fraction": flags.fraction}
    return {axis: _numbers(axis, text) for axis, text in typed.items() if text is not None}


def _numbers(axis: str, text: str) -> list[Any]:
    whole = axis != "fraction"
    try:
        return [int(part) if whole else float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(
            f"study: --{axis} {text if len(text) < DIGITS else f'of {len(text)} characters'}",
            needed=f"A {'whole number' if whole else 'share'}, or a list of them, is needed.",
            remedy=f"--{axis} {EXAMPLES[axis]}",
        ) from error


def _varied(entry: dict[str, Any], flags: StudyFlags) -> Iterable[str | None]:
    """What a model is trained for; finished tables are not trained."""
    return (None,) if entry["kind"] == TablesConfig.kind else dict.fromkeys(flags.vary) or (None,)


def _tables(typed: Sequence[str]) -> list[dict[str, Any]]:
    """Return the finished tables that were typed, a model a name."""
    found: dict[str, list[str]] = {}
    for text in typed:
        name, equals, files = text.partition("=")
        if not (name and equals and files):
            raise ConfigError(
                f"study: --tables {text}",
                needed="A name and its files are needed, between commas.",
                remedy="--tables w2v=run0.vec,run1.vec",
            )
        several = [files] if os.path.lexists(files) else files.split(",")
        found[name] = found.get(name, []) + [os.path.abspath(file) for file in several]
    return [{"kind": TablesConfig.kind, "name": name, "files": files} for name, files in found.items()]


def _model(entry: dict[str, Any], flags: StudyFlags, vary: str | None, window: int | None) -> dict[str, Any]:
    model = dict(entry)
    if model["kind"] == TablesConfig.kind:
        return model
    several = len(set(flags.vary)) > 1
    name = f"{model.get('name', model['kind'])}-{vary}" if several else None
    _override(model, {"vary": vary, "name": name})
    recipe = RECIPES.get(model["kind"])
    of_recipe = {"epochs": flags.epochs, "window": window}
    known = of_recipe if recipe is None else {field.name for field in fields(recipe)}
    _override(model, {name: value for name, value in of_recipe.items() if name in known})
    if flags.seeds is not None:
        model["seeds"] = _parse_seeds(flags.seeds)
    return model


def _parse_seeds(text: str) -> int | list[int]:
    found = parse_seeds("study", text)
    if found == 1:
        raise ConfigError(
            "study: --seeds 1",
            needed="Stability compares runs: at least two different seeds are needed.",
            remedy="--seeds 5, or --seeds 0,7,42",
        )
    return found


def parse_seeds(where: str, text: str) -> int | list[int]:
    """Return the number of seeds, or the seeds, that were typed.

    Raises:
        ConfigError: neither a whole number nor a list of them.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= DIGITS for part in parts):
        raise ConfigError(
            f"{where}: --seeds {text if len(text) < DIGITS else f'of {len(text)} characters'}",
            needed=f"A number of runs or a list of whole numbers of at most {DIGITS} digits is needed.",
            remedy="--seeds 5, or --seeds 0,7,42",
        )
    return int(parts[0]) if len(parts) == 1 else [int(part) for part in parts]


def parse_neighbors(text: str) -> int | list[int]:
    """Return the number of neighbors that was typed, or the numbers.

    Raises:
        ConfigError: neither a whole number nor a list of them.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.removeprefix("-").isdecimal() and len(part) <= DIGITS for part in parts):
        raise ConfigError(
            f"study: --neighbors {text[:DIGITS]}",
            needed="A whole number, or a list of them, is needed.",
            remedy="--neighbors 10, or --neighbors 5,10,25",
        )
    return int(parts[0]) if len(parts) == 1 else [int(part) for part in parts]


def parse_epochs(where: str, text: str) -> list[int]:
    """Return the epochs that were typed, ascending, each once.

    Raises:
        ConfigError: not a list of whole numbers from 1.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and len(part) <= DIGITS and int(part) for part in parts):
        raise ConfigError(
            f"{where}: --snapshots {text if len(text) < DIGITS else f'of {len(text)} characters'}",
            needed="A list of epochs, counted from 1, is needed.",
            remedy="--snapshots 1,5,10",
        )
    return sorted({int(part) for part in parts})


def _groups(typed: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the two corpora of the question ``drift``, where they were typed."""
    from gpuemb.cli.comparing.groups import groups_of

    if not typed:
        return None
    return {name: [absolute(file) for file in files] for name, files in groups_of("study", typed, ()).items()}


def _override(mapping: dict[str, Any], values: dict[str, Any]) -> None:
    mapping.update({key: value for key, value in values.items() if value is not None})


def _tokenizer_from_here(name: str | None) -> str | None:
    return os.path.realpath(name) if name is not None and is_file(name) else name
