"""Results of public functions: frozen records that print in one line and are equal by value."""

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


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def result(kind: type[T] | None = None, *, eq: bool = True, kw_only: bool = False) -> Any:
    """Make a class a frozen dataclass whose repr is :func:`one_line`.

    Args:
        kind: the class; it may be a subclass of such a class, or of a dataclass.
        eq: whether objects are equal where all fields are: NaN equals NaN, arrays cell by cell. The
            dataclass's own comparison finds a NaN unlike itself from Python 3.13 on, and fails at arrays.
        kw_only: whether its fields are keyword-only.
    """
    if kind is None:
        return functools.partial(result, eq=eq, kw_only=kw_only)
    made = dataclass(frozen=True, eq=False, repr=False, kw_only=kw_only)(kind)
    made.__repr__ = one_line  # type: ignore[method-assign]
    made.__eq__ = _equal_fields if eq else object.__eq__  # type: ignore[method-assign]
    made.__hash__ = _hash_of_fields if eq else object.__hash__  # type: ignore[method-assign]
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


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same: NaN equals NaN, arrays and collections entry by entry."""
    if one is other:
        return True
    if isinstance(one, numbers.Real) and isinstance(other, numbers.Real):
        return bool(one == other or (one != one and other != other))
    if hasattr(one, "dtype") or hasattr(other, "dtype"):
        return _equal_arrays(one, other)
    if hasattr(one, "to_pydict") and hasattr(other, "to_pydict"):  # Arrow finds a NaN unlike any other
        return equal(one.to_pydict(), other.to_pydict())
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    return bool(one == other)


def _equal_arrays(one: Any, other: Any) -> bool:
    if any(getattr(one, kind, None) != getattr(other, kind, None) for kind in ("shape", "dtype")):
        return False
    from array_api_compat import array_namespace

    try:
        xp = array_namespace(one, other)
    except TypeError:  # one on the host, one on a GPU
        return False
    return bool(xp.all((one == other) | ((one != one) & (other != other))))


def _equal_fields(self: Any, other: Any) -> Any:
    if type(self) is not type(other):
        return NotImplemented
    return all(equal(getattr(self, one.name), getattr(other, one.name)) for one in fields(self))


def _hash_of_fields(self: Any) -> int:
    """Of the class and its words: equal results have equal ones, whatever kinds of numbers they hold."""
    values = (getattr(self, one.name) for one in fields(self))
    return hash((type(self), *(value for value in values if isinstance(value, str))))
