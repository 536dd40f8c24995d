"""Results of public functions: frozen records that print in one line."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")
LONGEST = 60  # characters of one value in a line
DIGITS = 4  # of a float
FEW = 4  # entries of a list that are shown


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(field,))
def result(kind: type[T] | None = None, *, eq: bool = False, kw_only: bool = False) -> Any:
    """Make a class a frozen dataclass whose repr is :func:`one_line`.

    Args:
        kind: the class; it may be a subclass of such a class.
        eq: whether objects are compared by their fields, none of them an array.
        kw_only: whether its fields are keyword-only.
    """
    if kind is None:
        return functools.partial(result, eq=eq, kw_only=kw_only)
    made = dataclass(frozen=True, eq=eq, repr=False, kw_only=kw_only)(kind)
    made.__repr__ = one_line  # type: ignore[method-assign]
    made.__result__ = True  # type: ignore[attr-defined]
    return made


def is_result(kind: type) -> bool:
    """Whether a class was made by :func:`result`: functions return such objects, nobody makes them."""
    return hasattr(kind, "__result__")


def one_line(self: Any) -> str:
    """``NeighborOverlap(0.6914, per_word=float64 (10, 7982), …)``: the value first, arrays as shapes."""
    value = getattr(self, "value", None)
    head = [shown(value)] if isinstance(value, numbers.Real) else []
    named = [(one.name, getattr(self, one.name)) for one in fields(self) if one.name != "value" or not head]
    return f"{type(self).__name__}({', '.join(head + [f'{name}={shown(each)}' for name, each in named])})"


def shown(value: Any) -> str:
    """Spell a value in a few characters: arrays as dtype and shape, long lists by their length."""
    if isinstance(value, type):
        return value.__name__
    if getattr(type(value), "__repr__", None) is one_line:
        return f"{type(value).__name__}(…)"
    shape = getattr(value, "shape", None)
    if isinstance(shape, Sequence) and len(shape):
        return f"{getattr(value, 'dtype', type(value).__name__)} {tuple(shape)}"
    if isinstance(value, float):
        return repr(value) if len(repr(value)) <= DIGITS + len("0.") else f"{value:.{DIGITS}g}"
    if isinstance(value, (list, tuple, set, frozenset, Mapping)) and len(value) > FEW:
        return f"{type(value).__name__} of {len(value):,}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(map(shown, value))
        comma = "," if len(value) == 1 else ""
        return _short(f"[{inside}]" if isinstance(value, list) else f"({inside}{comma})")
    return _short(repr(value))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
