"""Checks of the arguments of public functions against their annotations."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Literal, ParamSpec, TypeVar, Unpack, get_args, get_origin, get_type_hints

from gpuemb.core.checks import check_choice
from gpuemb.core.doors.kinds import NO, LateWords, kinds_of, whole_number
from gpuemb.core.errors import ConfigError
from gpuemb.core.results import shown
from gpuemb.core.system.refusals import refusal

__all__ = ["LateWords", "door", "enter", "enter_call", "enter_fields", "whole_number"]

P = ParamSpec("P")
R = TypeVar("R")


def door(function: Callable[P, R]) -> Callable[P, R]:
    """Check the arguments of a public function against its annotations before it runs.

    What the system refuses to everybody, such as more open files, is raised as an error of gpuemb.
    Integers of any type are converted to ``int``, numbers to ``float``, words of any sequence to a list.
    Arguments annotated ``Any``, such as tables, are checked by the function itself.
    """
    signature = inspect.signature(function)
    own = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind(*args, **kwargs)
        where = own
        if "self" in given.arguments and function.__name__ != "__init__":  # of the class that people know
            where = f"{type(given.arguments['self']).__name__}.{function.__name__}"
        for name, value in given.arguments.items():
            hint, parameter = _hints(function)[name], signature.parameters[name]
            if get_origin(hint) is Unpack:
                given.arguments[name] = _enter_keywords(where, value, get_args(hint)[0])
            else:
                given.arguments[name] = enter(where, name, value, hint, parameter.default)
        try:
            return function(*given.args, **given.kwargs)
        except (OSError, MemoryError) as error:
            told = refusal(error)
            if told is None:
                raise
            raise told from error

    return checked


def enter_call(where: str, function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return keyword arguments of a function as it gets them.

    Raises:
        ConfigError: an argument that the function does not have; those that it has are named.
    """
    known = inspect.signature(function).parameters
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ConfigError(
            f"{where}: the option {unknown[0]} was given",
            needed=f"Options of {where}: {', '.join(known) or 'none'}.",
            remedy="Leave it out.",
        )
    hints = _hints(function)
    return {name: enter(where, name, each, hints[name], known[name].default) for name, each in given.items()}


def _enter_keywords(where: str, given: dict[str, Any], hints: Any) -> dict[str, Any]:
    """Return keyword arguments of a TypedDict as the function gets them.

    Raises:
        TypeError: an unknown name, as Python says it.
    """
    known = get_type_hints(hints)
    for name in given:
        if name not in known:
            raise TypeError(f"{where}() got an unexpected keyword argument {name!r}")
    return {name: enter(where, name, value, known[name]) for name, value in given.items()}


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
    kinds = kinds_of(hint)
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
