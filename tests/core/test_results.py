from __future__ import annotations

import copy
import dataclasses
from typing import Any

import array_api_compat
import numpy as np
import pyarrow
import pytest

from gpuemb.core.results import is_result, result, shown


@result
class Found:
    """A value and an array."""

    value: float
    per_word: Any
    names: tuple[str, ...] = ()

    def __float__(self) -> float:
        return self.value


@result
class Lists:
    """No value."""

    ids: Any


@result(eq=False)
class Apart:
    """Equal to itself alone."""

    value: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Uncertain:
    """What a result derives from."""

    interval: tuple[float, float]
    p_value: float


@result(kw_only=True)
class Wider(Found):
    """A result of a result."""

    bound: float = 0.0


def test_a_result_prints_in_one_line_that_begins_with_its_value() -> None:
    found = Found(0.69137, np.zeros((3, 400), np.float32), ("a",) * 400)
    assert repr(found) == "Found(0.6914, per_word=float32 (3, 400), names=tuple of 400)"
    assert repr(Wider(1.0, None, bound=2.0)) == "Wider(1.0, per_word=None, names=(), bound=2.0)"
    assert repr(Lists(found)) == "Lists(ids=Found(…))"


class Plain:
    """Neither a number nor an array."""


@result
class Mixed(Uncertain):
    """A result of a dataclass that has an equality of its own."""

    held: Any


NAN = float("nan")
OTHER = {  # a value, and what is not equal to it
    "NaN": (NAN, 0.0),
    "number": (1.5, 2.5),
    "array": (np.array([1.0, NAN]), np.array([1.0, 2.0])),
    "shape": (np.zeros(3), np.zeros((3, 1))),
    "dtype": (np.zeros(3), np.zeros(3, np.float32)),
    "words": (np.array(["a", "b"]), np.array(["a", "c"])),
    "scalar": (np.float32(NAN), np.float32(1)),
    "tuple": ((1.0, (NAN, "a")), (1.0, (NAN, "b"))),
    "longer": ([NAN], [NAN, NAN]),
    "mapping": ({"a": np.array([NAN])}, {"b": np.array([NAN])}),
    "Arrow": (pyarrow.table({"a": [1.0, NAN]}), pyarrow.table({"a": [1.0, 2.0]})),
    "kind": (np.zeros(2), (0.0, 0.0)),
}


@pytest.mark.parametrize("name", OTHER)
def test_results_are_equal_where_their_fields_are(name: str) -> None:
    value, other = OTHER[name]
    one, same, another = (
        kind(**{"interval": (NAN, NAN), "p_value": NAN, "held": copy.deepcopy(held)})
        for kind, held in ((Mixed, value), (Mixed, value), (Mixed, other))
    )
    assert one == one
    assert one == same
    assert hash(one) == hash(same)
    assert one != another
    assert len({one, same, another}) == 2
    assert one != name


def test_other_objects_are_equal_to_themselves_alone() -> None:
    here, there = Plain(), Plain()
    assert Lists(here) == Lists(here)
    assert Lists(here) != Lists(there)
    assert Lists(here) != Found(1.0, here)
    assert Apart(1.0) != Apart(1.0)


def test_an_array_of_a_gpu_is_not_one_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(*arrays: Any) -> None:
        raise TypeError("Multiple namespaces for array inputs")

    monkeypatch.setattr(array_api_compat, "array_namespace", mixed)
    assert Lists(np.zeros(3)) != Lists(np.zeros(3))


def test_results_are_frozen() -> None:
    one = Found(1.0, np.zeros(3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.value = 2.0  # type: ignore[misc]
    assert dataclasses.replace(one, value=2.0).value == 2.0


def test_results_are_told_from_other_classes() -> None:
    assert is_result(Found)
    assert is_result(Wider)
    assert not is_result(dict)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros(3), "float64 (3,)"),
        ([1, 2], "[1, 2]"),
        ((), "()"),
        (("a",), "('a',)"),
        (range(3), "range(0, 3)"),
        (list(range(5000)), "list of 5,000"),
        (dict.fromkeys(range(9)), "dict of 9"),
        (0.123456, "0.1235"),
        ("word", "'word'"),
        ("x" * 100, "'" + "x" * 58 + "…"),
        ("two\nlines", "'two\\nlines'"),
        (np, None),
        (Found, "Found"),
    ],
)
def test_any_value_is_shown_in_few_characters(value: Any, text: str | None) -> None:
    assert len(shown(value)) <= 60
    assert text is None or shown(value) == text
