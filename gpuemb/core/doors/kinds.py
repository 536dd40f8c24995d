"""What an argument may be: conversions and their error messages, by annotation."""

from __future__ import annotations

import functools
import inspect
import operator
import os
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import numpy as np

from gpuemb.core.arrays import as_array, device_of, to_host
from gpuemb.core.device import CPU
from gpuemb.core.errors import ConfigError, DTypeError, GpuembError

NO = object()  # what a kind returns for a value of another kind
LISTS = (Sequence, Iterable, Collection, list, tuple)
MAKERS = {  # the source of each class of gpuemb
    "Cooccurrence": "count_cooccurrences(tokens) counts a corpus.",
    "CosineExperiment": "cosine_experiment() returns one.",
    "CountedRows": "count_cooccurrences(tokens).rows holds them.",
    "CountsConfig": "CountsConfig(window=10), for example.",
    "Embedding": "load(path) reads one from a file, Embedding(array, words) makes one of an array.",
    "Fraction": "fractions.Fraction(1, 2520), for example.",
    "GloVe": "GloVe(dim=100), PPMISVD(dim=100) or SkipGram(dim=100), for example.",
    "ModelConfig": "ModelConfig(GloVe(dim=100), seeds=5), for example.",
    "Progress": "Omit it: then nothing is reported.",
    "StudyResult": "study(config) returns one.",
    "TablesConfig": "TablesConfig(('run0.npy', 'run1.npy')), for example.",
    "TextConfig": "TextConfig(min_count=10), for example.",
    "Tokens": "read_corpus(source) reads a text.",
    "TrainedModel": "train(source, GloVe(dim=100)).models[0] is one.",
    "Vocabulary": "read_corpus(source).vocabulary is one.",
}


class LateWords(Sequence[str]):
    """Words of a file that are split on first access, and not checked before."""


@dataclass(frozen=True)
class Kind:
    """One thing that an argument may be.

    Attributes:
        noun: its description, with the article.
        enter: converts a value; ``NO`` if the value is of another kind.
        remedy: of the error; ``{name}`` is the argument, ``{word}`` the given text.
        error: class of the error.
    """

    noun: str
    enter: Callable[[Any], Any]
    remedy: str
    error: type[GpuembError] = ConfigError


@functools.cache
def kinds_of(hint: Any) -> tuple[Kind, ...]:
    """Return the kinds of value that an annotation allows, in its order."""
    hint = _spelled_out(hint)
    if get_origin(hint) in (typing.Union, types.UnionType):
        several = [one for one in get_args(hint) if one is not str or Path not in get_args(hint)]
        return tuple(kind for one in several for kind in kinds_of(one))
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


def _spelled_out(hint: Any) -> Any:
    """Return what the alias of a ``type`` statement stands for: ``NDArray`` is one from NumPy 2.5 on."""
    if hasattr(hint, "__value__") and not get_args(hint):
        return hint.__value__
    meant = getattr(get_origin(hint), "__value__", None)
    return hint if meant is None else meant[get_args(hint)]


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
        with np.errstate(invalid="ignore"):  # other numbers are found by the comparison below
            converted = array.astype(scalar)
        return converted if not whole or (converted == array).all() else NO

    noun = "an array of integers" if whole else "an array of numbers"
    return Kind(noun, convert, f"numpy.array([1, 2], '{np.dtype(scalar)}'), for example.", DTypeError)


def whole_number(value: Any, otherwise: Any = NO) -> Any:
    """Return an integer of any type as ``int``; ``otherwise`` for all else, including True and 2.0."""
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
    except Exception:  # as above; an int may be larger than every float
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
