"""Checks of the arguments of public functions against their annotations."""

from __future__ import annotations

import functools
import inspect
import operator
import os
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar, get_args, get_origin

import numpy as np

from gpuemb.core.arrays import as_array, device_of, to_host
from gpuemb.core.checks import check_choice
from gpuemb.core.device import CPU
from gpuemb.core.errors import ConfigError, DTypeError, GpuembError
from gpuemb.core.results import shown

P = ParamSpec("P")
R = TypeVar("R")
NO = object()  # what a kind answers to a value that is not of it
LISTS = (Sequence, Iterable, Collection, list, tuple)
MAKERS = {  # what gives the objects that functions take from each other
    "Cooccurrence": "count_cooccurrences(tokens) counts a corpus.",
    "CountedRows": "count_cooccurrences(tokens).rows holds them.",
    "CountsConfig": "CountsConfig(window=10), for example.",
    "Embedding": "load(path) reads one from a file, Embedding(array, words) makes one of an array.",
    "Fraction": "fractions.Fraction(1, 2520), for example.",
    "GloVe": "GloVe(dim=100) or PPMISVD(dim=100), for example.",
    "ModelConfig": "ModelConfig(GloVe(dim=100), seeds=5), for example.",
    "Progress": "Leave it out: nothing is reported then.",
    "StudyResult": "study(config) returns one.",
    "TextConfig": "TextConfig(min_count=10), for example.",
    "Tokens": "read_corpus(source) reads a text.",
    "Vocabulary": "read_corpus(source).vocabulary is one.",
}


class LateWords(Sequence[str]):
    """Words of a file that are cut apart when the first is used: doors do not look at them."""


@dataclass(frozen=True)
class Kind:
    """One thing that an argument may be.

    Attributes:
        noun: what it is, with its article.
        enter: returns what the function gets, ``NO`` for a value of another kind.
        remedy: what to give, for the argument ``{name}``; ``{word}`` is the text that was given.
        error: class of the error.
    """

    noun: str
    enter: Callable[[Any], Any]
    remedy: str
    error: type[GpuembError] = ConfigError


def door(function: Callable[P, R]) -> Callable[P, R]:
    """Check the arguments of a public function against its annotations before it runs.

    Integers of any type are converted to ``int``, numbers to ``float``, words of any sequence to a list.
    Arguments annotated ``Any``, such as tables, are checked by the function itself.
    """
    signature = inspect.signature(function)
    where = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind(*args, **kwargs)
        for name, value in given.arguments.items():
            default = signature.parameters[name].default
            given.arguments[name] = enter(where, name, value, _hints(function)[name], default)
        return function(*given.args, **given.kwargs)

    return checked


def enter_fields(self: Any) -> None:
    """Check the fields of a new frozen dataclass as :func:`door` checks arguments."""
    owner: Any = type(self)
    hints = _hints(owner)
    for field in fields(self):
        value = getattr(self, field.name)
        entered = enter(owner.__name__, field.name, value, hints[field.name], field.default)
        object.__setattr__(self, field.name, entered)


def enter(where: str, name: str, value: Any, hint: Any, default: Any = inspect.Parameter.empty) -> Any:
    """Return ``value`` as the function gets it.

    Args:
        where: the function that was called.
        name: of the argument.
        value: what was given.
        hint: its annotation.
        default: of the argument, that the remedy names.

    Raises:
        ConfigError: it is none of what ``hint`` allows.
        DTypeError: an object of a class of gpuemb is needed.
    """
    if get_origin(hint) is Literal:
        check_choice(where, name, value, get_args(hint))
        return value
    kinds = _kinds(hint)
    for kind in kinds:
        entered = kind.enter(value)
        if entered is not NO:
            return entered
    main = next(kind for kind in kinds if kind.noun != "None")
    *others, last = dict.fromkeys(kind.noun for kind in kinds)
    word = shown(value) if isinstance(value, str) else "'king'"
    plain = isinstance(default, (bool, int, float, str)) and default != ""
    raise main.error(
        f"{where}: {name} = {shown(value)}",
        needed=f"{name} is {', '.join(others)}{' or ' if others else ''}{last}.",
        remedy=f"Omit it for the default {default!r}." if plain else main.remedy.format(name=name, word=word),
    )


@functools.cache
def _hints(owner: Any) -> dict[str, Any]:
    """Annotations of a function's arguments or a dataclass's fields."""
    if not isinstance(owner, type):
        arguments = inspect.signature(owner).parameters.values()
        return {one.name: _evaluated(one.annotation, owner) for one in arguments}
    homes = {name: kind for kind in reversed(owner.__mro__) for name in inspect.get_annotations(kind)}
    return {field.name: _evaluated(field.type, homes[field.name]) for field in fields(owner)}


def _evaluated(hint: Any, home: Any) -> Any:
    """Return an annotation as the module of ``home`` reads it."""
    try:
        return eval(hint, vars(sys.modules[home.__module__])) if isinstance(hint, str) else hint
    except NameError:  # imported for type checkers alone
        return Any


@functools.cache
def _kinds(hint: Any) -> tuple[Kind, ...]:
    if get_origin(hint) in (typing.Union, types.UnionType):
        several = [one for one in get_args(hint) if one is not str or Path not in get_args(hint)]
        return tuple(kind for one in several for kind in _kinds(one))
    origin = get_origin(hint) or hint
    if hint is Any or hint is inspect.Parameter.empty:
        return (ANYTHING,)
    if hint in PLAIN:
        return (PLAIN[hint],)
    if origin in LISTS:
        return (WORDS if get_args(hint)[:1] == (str,) else STREAM if origin is Iterable else LIST,)
    if origin is np.ndarray:
        return (_array_kind(get_args(get_args(hint)[1])[0]),)
    if origin is Callable:
        return (Kind("a function", lambda value: value if callable(value) else NO, "Give a function."),)
    if isinstance(origin, type):
        return (_class_kind(origin),)
    return (ANYTHING,)


def _class_kind(kind: type) -> Kind:
    article = "an" if kind.__name__[0] in "AEIO" else "a"
    remedy = MAKERS.get(kind.__name__, f"Give {article} {kind.__name__}.")
    return Kind(
        f"{article} {kind.__name__}",
        lambda value: value if isinstance(value, kind) else NO,
        remedy.replace("{", "{{").replace("}", "}}"),
        DTypeError,
    )


def _array_kind(scalar: type[np.generic]) -> Kind:
    whole = issubclass(scalar, np.integer)

    def convert(value: Any) -> Any:
        if isinstance(value, (str, bytes, Mapping)) or value is None:
            return NO
        try:
            array = as_array(value, "array")
        except GpuembError:
            return NO
        if device_of(array) != CPU:
            return array
        array = to_host(array)
        if not array.ndim or array.dtype.kind not in "iuf":
            return NO
        if array.dtype == scalar:
            return array
        with np.errstate(invalid="ignore"):  # what is no whole number comes out as another one
            converted = array.astype(scalar)
        return converted if not whole or (converted == array).all() else NO

    noun = "an array of integers" if whole else "an array of numbers"
    return Kind(noun, convert, f"numpy.array([1, 2], '{np.dtype(scalar)}'), for example.", DTypeError)


def whole_number(value: Any, otherwise: Any = NO) -> Any:
    """Return a whole number of any integer type as ``int``; ``otherwise`` for all else, True and 2.0 too."""
    if isinstance(value, (bool, np.bool_)):
        return otherwise
    try:
        return operator.index(value)
    except Exception:  # arrays of other libraries raise errors of their own
        return otherwise


def _number(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_, str, bytes)) or getattr(value, "shape", ()) != ():
        return NO
    try:
        return float(value)
    except Exception:  # as for whole numbers; a whole number may be past every float
        return NO


def _words(value: Any) -> Any:
    if isinstance(value, (str, bytes, Mapping)) or getattr(value, "ndim", 1) != 1:
        return NO
    read = getattr(value, "tolist", None) or getattr(value, "to_pylist", None)  # NumPy, pandas; Arrow
    if callable(read) and not isinstance(value, type):
        value = read()
    elif not isinstance(value, Collection):
        try:
            value = list(value)
        except TypeError:
            return NO
    known = isinstance(value, LateWords) or all(issubclass(kind, str) for kind in set(map(type, value)))
    return value if known else NO


def _stream(value: Any) -> Any:
    lists = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping, type))
    return value if lists and getattr(value, "shape", None) != () else NO


def _list(value: Any) -> Any:
    value = _stream(value)
    return value if value is NO or isinstance(value, Sequence) else list(value)


def _path(value: Any) -> Any:
    if isinstance(value, bytes) or not isinstance(value, (str, os.PathLike)):
        return NO
    return NO if "\0" in os.fspath(value) or not os.fspath(value) else value


def _instance(*kinds: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kinds) else NO


PLAIN: dict[Any, Kind] = {
    type(None): Kind("None", lambda value: None if value is None else NO, ""),
    int: Kind("an integer", whole_number, "{name}=10, for example."),
    float: Kind("a number", _number, "{name}=0.5, for example."),
    bool: Kind("True or False", lambda v: bool(v) if isinstance(v, (bool, np.bool_)) else NO, "{name}=True"),
    str: Kind("a text", _instance(str), "{name}='…'"),
    Path: Kind("a path", _path, "{name}='folder/file', for example."),
}
WORDS = Kind("a list of words", _words, "One word is {name}=[{word}].")
LIST = Kind("a list", _list, "A single one is {name}=[one].")
STREAM = Kind("a list", _stream, LIST.remedy)
ANYTHING = Kind("anything", lambda value: value, "")
