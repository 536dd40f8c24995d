from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuemb.core import checks
from gpuemb.core.checks import (
    check_at_least,
    check_at_most,
    check_choice,
    check_matrix,
    check_neighbors,
    check_same_rows,
    nearest_hint,
)
from gpuemb.core.errors import ConfigError, DTypeError, GpuembError, NonFiniteError, ShapeError

WORDS = ["the", "king", "queen", "ran"]


def table(dtype: str = "float32") -> Any:
    return np.arange(12, dtype=dtype).reshape(4, 3)


def with_bad(row: int, value: float = math.nan) -> Any:
    bad = table()
    bad[row:, 1] = value
    return bad


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_finite_table_passes_as_it_is(dtype: str) -> None:
    x = table(dtype)
    assert check_matrix("here", "X", x) is x


def test_a_table_of_another_library_passes_as_it_is() -> None:
    x = array_api_strict.asarray(table())
    assert check_matrix("here", "X", x) is x


def test_nested_lists_become_a_table() -> None:
    np.testing.assert_array_equal(check_matrix("here", "X", [[1.0, 2.0], [3.0, 4.5]]), [[1, 2], [3, 4.5]])


@pytest.mark.parametrize("make", [np.asarray, array_api_strict.asarray])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("row", [0, 2, 3])
def test_the_first_bad_word_is_named(make: Callable[..., Any], value: float, row: int) -> None:
    with pytest.raises(
        NonFiniteError, match=f"^here: X holds NaN or infinity; row {row}, the word '{WORDS[row]}', is"
    ):
        check_matrix("here", "X", make(with_bad(row, value)), WORDS)
    with pytest.raises(NonFiniteError, match=f"row {row} is the first"):
        check_matrix("here", "X", make(with_bad(row, value)))


@given(row=st.integers(0, 99), rows_a_tile=st.integers(1, 101))
def test_the_first_bad_row_is_found_in_any_tile(row: int, rows_a_tile: int) -> None:
    x = np.zeros((100, 2))
    x[row:] = np.inf
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "rows_per_tile", lambda bytes_per_row: rows_a_tile)
        with pytest.raises(NonFiniteError, match=f"row {row} is the first"):
            check_matrix("here", "X", x)


FAILURES: dict[str, tuple[type[GpuembError], Callable[[], Any]]] = {
    "a vector": (ShapeError, lambda: check_matrix("here", "X", np.zeros(3))),
    "a stack": (ShapeError, lambda: check_matrix("here", "X", np.zeros((2, 3, 4)))),
    "no rows": (ShapeError, lambda: check_matrix("here", "X", np.zeros((0, 3)))),
    "no columns": (ShapeError, lambda: check_matrix("here", "X", np.zeros((3, 0)))),
    "a number": (ShapeError, lambda: check_matrix("here", "X", 1.0)),
    "an empty list": (ShapeError, lambda: check_matrix("here", "X", [])),
    "ragged lists": (ShapeError, lambda: check_matrix("here", "X", [[1.0, 2.0], [3.0]])),
    "integers": (DTypeError, lambda: check_matrix("here", "X", table("int64"))),
    "integer lists": (DTypeError, lambda: check_matrix("here", "X", [[1, 2]])),
    "booleans": (DTypeError, lambda: check_matrix("here", "X", table() > 3)),
    "complex": (DTypeError, lambda: check_matrix("here", "X", table("complex64"))),
    "long double": (DTypeError, lambda: check_matrix("here", "X", table("longdouble"))),
    "words": (DTypeError, lambda: check_matrix("here", "X", [["king"]])),
    "objects": (DTypeError, lambda: check_matrix("here", "X", np.array([[None]]))),
    "NaN": (NonFiniteError, lambda: check_matrix("here", "X", with_bad(2))),
    "other rows": (ShapeError, lambda: check_same_rows("here", table(), table()[:3])),
    "k too large": (ConfigError, lambda: check_neighbors("here", 5, 4)),
    "k of 0": (ConfigError, lambda: check_neighbors("here", 0, 4)),
    "k without candidates": (ConfigError, lambda: check_neighbors("here", 1, 0)),
    "unknown choice": (ConfigError, lambda: check_choice("here", "side", "bth", ("both", "left"))),
    "choice of another type": (ConfigError, lambda: check_choice("here", "side", None, ("both", "left"))),
    "too little": (ConfigError, lambda: check_at_least("here", "window", 0, 1)),
    "too much": (ConfigError, lambda: check_at_most("here", "window", 3, 2)),
    "NaN for a small number": (ConfigError, lambda: check_at_most("here", "window", math.nan, 1)),
    "NaN for a number": (ConfigError, lambda: check_at_least("here", "window", math.nan, 1)),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_message_says_where_and_what_was_given_what_is_needed_and_what_to_do(failure: str) -> None:
    kind, check = FAILURES[failure]
    with pytest.raises(GpuembError) as caught:
        check()
    assert type(caught.value) is kind
    given, needed, remedy = str(caught.value).split("\n")
    assert given == caught.value.given
    assert given.startswith("here: ")
    assert (needed, remedy) == (f"  {caught.value.needed}", f"  {caught.value.remedy}")
    assert all(part.strip() for part in (given, needed, remedy))


def test_the_rows_of_two_tables_are_counted() -> None:
    check_same_rows("here", table(), table()[:, :1])
    with pytest.raises(ShapeError, match="X has 4 rows but Y has 3"):
        check_same_rows("here", table(), table()[:3])


@given(k=st.integers(-5, 30), candidates=st.integers(0, 20))
def test_k_is_between_one_and_the_candidates_and_the_remedy_is_too(k: int, candidates: int) -> None:
    if 1 <= k <= candidates:
        check_neighbors("here", k, candidates)
        return
    with pytest.raises(ConfigError, match=f"k = {k} .* {candidates} candidates") as caught:
        check_neighbors("here", k, candidates)
    if candidates:
        check_neighbors(
            "here", int(caught.value.remedy.removeprefix("Give k=").removesuffix(".")), candidates
        )


def test_the_nearest_choice_is_named() -> None:
    check_choice("here", "side", "both", ("both", "left"))
    with pytest.raises(ConfigError, match=r"side is one of both, left\.\n  Did you mean both\?"):
        check_choice("here", "side", "boht", ("both", "left"))
    with pytest.raises(ConfigError, match=r"Known: both, left\."):
        check_choice("here", "side", "xyz", ("both", "left"))


def test_the_least_number_passes() -> None:
    check_at_least("here", "window", 1, 1)
    check_at_least("here", "window", math.inf, 1)


def test_the_most_passes() -> None:
    check_at_most("here", "window", 1, 1)
    check_at_most("here", "window", -math.inf, 1)


def test_a_hint_is_short() -> None:
    known = [f"option{i}" for i in range(100)]
    assert nearest_hint("zzz", known).count("option") <= 12
    assert nearest_hint("option77", known).startswith("Did you mean option77")
