from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
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


@result(kw_only=True)
class Wider(Found):
    """A result of a result."""

    bound: float = 0.0


def test_a_result_prints_in_one_line_that_begins_with_its_value() -> None:
    found = Found(0.69137, np.zeros((3, 400), np.float32), ("a",) * 400)
    assert repr(found) == "Found(0.6914, per_word=float32 (3, 400), names=tuple of 400)"
    assert repr(Wider(1.0, None, bound=2.0)) == "Wider(1.0, per_word=None, names=(), bound=2.0)"
    assert repr(Lists(found)) == "Lists(ids=Found(…))"


def test_results_are_frozen_and_equal_to_themselves_alone() -> None:
    one, other = (Found(1.0, np.zeros(3)) for _ in range(2))
    assert one == one
    assert one != other
    assert len({one, other}) == 2
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
