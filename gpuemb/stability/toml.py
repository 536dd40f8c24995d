"""A study's configuration as TOML: read with every key checked, written to be read again."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from gpuemb.core.checks import check_choice, nearest_hint
from gpuemb.core.doors import door, enter
from gpuemb.core.errors import ConfigError, FileFormatError, StorageError
from gpuemb.core.files.whole import read_text
from gpuemb.core.results import shown
from gpuemb.corpus.token_patterns import is_file
from gpuemb.stability.config import CountsConfig, ModelConfig, StudyConfig, TextConfig
from gpuemb.stability.given.config import OF_TRAINING, TablesConfig, groups_of, tables_from
from gpuemb.stability.kept.sources import absolute
from gpuemb.stability.measure_table import STUDY, check_measures
from gpuemb.stability.questions.table import asked_models, asked_snapshots
from gpuemb.stability.sweeps.axes import mapping_of, recipe_keys, swept
from gpuemb.training.recipes import RECIPES, Recipe

C = TypeVar("C")
LARGEST = 1_000_000  # bytes of a study's file
MODEL_KEYS = ("kind", "seeds", "vary", "name", "window", "fraction")


@door
def load_config(path: str | Path) -> StudyConfig:
    """Read a study from a TOML file.

    Relative paths of the corpus and of a tokenizer are taken from the folder of the file. ``seeds`` is a
    list, or a number of runs counted from 0.

    Args:
        path: the file.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is not TOML; the line is named.
        ConfigError: an unknown key (the nearest known one is named) or an impossible value.

    Example:
        >>> with open("study.toml", "w") as file:
        ...     print('corpus = ["pets.txt"]', file=file)
        ...     print('models = [{kind = "glove", seeds = 3}]', file=file)
        >>> ge.load_config("study.toml").models[0].seeds
        (0, 1, 2)
    """
    return config_from(read_mapping(path), Path(path).parent)


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        StorageError: it cannot be read, is no file, or has more than a megabyte.
        FileFormatError: it is not TOML; the line is named.
    """
    try:
        return tomllib.loads(read_text(path, most=LARGEST))
    except OSError as error:
        raise StorageError(
            f"config: {path} cannot be read: {error.strerror}",
            needed="A TOML file of at most a megabyte is needed, that you may read.",
            remedy="Check the path; the output of a pipe is written to a file first.",
        ) from error
    except (ValueError, RecursionError) as error:  # of TOML, UTF-8, or an integer of 5,000 digits
        raise FileFormatError(
            f"config: {path} is not TOML: {error}",
            needed="See https://toml.io for the format.",
            remedy="Strings need quotes; a model is a [[models]] table.",
        ) from error


def config_of(where: str, given: Any) -> StudyConfig:
    """Return the study that is meant: a StudyConfig, a TOML file, a mapping of its keys, or a corpus.

    Args:
        where: the function that was called.
        given: a StudyConfig; a path that ends in ``.toml``; a mapping with the keys of such a file; or what
            is to be read with all else as by default: a path, or several.

    Raises:
        ConfigError, StorageError, FileFormatError: as :func:`load_config`.
    """
    kinds = StudyConfig | str | Path | Mapping[str, Any] | Sequence[Any]
    given = enter(where, "config", given, kinds)
    if isinstance(given, StudyConfig):
        return given
    if isinstance(given, Mapping):
        return config_from(given, Path())
    if isinstance(given, (str, PathLike)) and Path(given).suffix == ".toml":
        return load_config(Path(given))
    return StudyConfig(given)


def config_from(mapping: Mapping[str, Any], base: Path) -> StudyConfig:
    """Build a study from nested mappings, as TOML gives them."""
    given = dict(mapping)
    sweep = given.pop("sweep", {})
    _check_keys("study", given, StudyConfig, "sweep")
    listed = given.get("neighbors")
    if isinstance(listed, (list, tuple)) and listed and all(type(one) is int for one in listed):
        given |= {"neighbors": max(listed), "depths": tuple(listed)}
    groups = groups_of(given.get("groups", ()))
    given["groups"] = {name: [absolute(file, base) for file in files] for name, files in groups}
    corpus = given.get("corpus", [])
    sources = [corpus] if isinstance(corpus, (str, PathLike)) else corpus
    paths = isinstance(sources, (list, tuple)) and all(isinstance(one, (str, PathLike)) for one in sources)
    if not paths:
        raise ConfigError(
            f"study: corpus = {shown(corpus)}",
            needed="A path or a list of paths is needed.",
            remedy='corpus = ["my.txt"]',
        )
    given["corpus"] = tuple(absolute(os.fspath(entry), base) for entry in sources)
    for name, kind in (("text", TextConfig), ("counts", CountsConfig)):
        if name in given:
            given[name] = _table(name, given[name], kind)
    if "text" in given:
        given["text"] = replace(given["text"], tokenizer=_absolute_tokenizer(given["text"].tokenizer, base))
    if "models" in given and not isinstance(given["models"], (list, tuple)):
        raise ConfigError(
            f"study: models = {shown(given['models'])}",
            needed="Models are a list of tables.",
            remedy='[[models]]\n  kind = "glove"',
        )
    entries, sweep = asked_models(given, sweep)
    if sweep or "models" in given or len(entries) > 1:
        given["models"] = tuple(_model(entry, base) for entry in swept(entries, sweep))
    if "snapshots" not in given:
        given["snapshots"] = asked_snapshots(given)
    if "measures" in given:
        given["measures"] = check_measures("study", given["measures"], STUDY)
    return _build("study", given, StudyConfig)


def config_to(config: StudyConfig) -> str:
    """Spell a study in TOML; :func:`load_config` reads it back to an equal study."""
    import tomli_w

    mapping = asdict(config)
    mapping["models"] = [mapping_of(model) for model in config.models]
    mapping["groups"] = {name: list(files) for name, files in config.groups}
    return tomli_w.dumps(mapping)


def _absolute_tokenizer(name: str, base: Path) -> str:
    return absolute(name, base) if is_file(name) else name


def _model(entry: Any, base: Path) -> ModelConfig | TablesConfig:
    if isinstance(entry, (ModelConfig, TablesConfig)):
        return entry
    if not isinstance(entry, Mapping) or "kind" not in entry:
        raise ConfigError(
            f"models: {shown(entry)}",
            needed="Each model is a table with a kind.",
            remedy='[[models]]\n  kind = "glove"',
        )
    check_choice("models", "kind", entry["kind"], (*RECIPES, TablesConfig.kind))
    if entry["kind"] == TablesConfig.kind:
        _check_known("models.tables", entry, ("kind", *OF_TRAINING, *_names_of(TablesConfig)))
        return tables_from(entry, base)
    recipe_type, settings = RECIPES[entry["kind"]], recipe_keys(entry["kind"])
    known = (*MODEL_KEYS, *(name for name in _names_of(recipe_type) if name not in MODEL_KEYS))
    _check_known(f"models.{entry['kind']}", entry, known)
    recipe: Recipe = _build(entry["kind"], {k: v for k, v in entry.items() if k in settings}, recipe_type)
    rest = {key: value for key, value in entry.items() if key in MODEL_KEYS[1:] and key not in settings}
    return _build(entry["kind"], {"recipe": recipe, **rest}, ModelConfig)


def _table(where: str, given: Any, kind: type[C]) -> C:
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{where}: {shown(given)}",
            needed=f"{where} is a table.",
            remedy=f"[{where}] on a line of its own, then key = value lines.",
        )
    _check_keys(where, given, kind)
    return _build(where, dict(given), kind)


def _check_keys(where: str, given: Mapping[str, Any], kind: type[Any], *more: str) -> None:
    _check_known(where, given, (*_names_of(kind), *more))


def _names_of(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _check_known(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in given:
        if key not in known:
            raise ConfigError(
                f"{where}: the key {key!r} is not known",
                needed=f"Keys here are {', '.join(known)}.",
                remedy=nearest_hint(key, known),
            )


def _build(where: str, given: Mapping[str, Any], kind: type[C]) -> C:
    """Construct, which checks the values, and say what is missing."""
    for field in fields(kind):  # type: ignore[arg-type]
        required = field.default is MISSING and field.default_factory is MISSING
        if required and field.name not in given:
            raise ConfigError(
                f"{where}: {field.name} is missing",
                needed=f"{field.name} must be given.",
                remedy=f"{field.name} = …",
            )
    return kind(**given)
