"""Benjamini and Hochberg's procedure: step by step by hand, and its promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpuemb.core.errors import ConfigError, NonFiniteError
from gpuemb.stability.statistics import benjamini_hochberg


def by_hand(p_values: list[float], rate: float) -> list[bool]:
    """The largest i with ``p₍ᵢ₎ ≤ i·rate/m``; the i smallest are discoveries, and what equals them."""
    ordered = sorted(p_values)
    passed = [i for i, p in enumerate(ordered, 1) if p * (len(ordered) / i) <= rate]
    return [bool(passed) and p <= ordered[passed[-1] - 1] for p in p_values]


def test_the_papers_example() -> None:
    """Benjamini and Hochberg (1995), section 4: fifteen p-values, of which four are discoveries at 5 %."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]
    found = benjamini_hochberg(p, "outcomes of the trial")
    assert found.count == 4
    assert found.discovered.tolist() == [True] * 4 + [False] * 11
    assert math.isclose(found.adjusted[3], 0.0095 * 15 / 4)
    assert math.isclose(found.adjusted[5], 0.0298 * 15 / 7)  # a later one is smaller, so it counts
    assert found.adjusted[-1] == 1.0
    assert (found.family, found.rate, found.tests, found.untested) == ("outcomes of the trial", 0.05, 15, 0)


@given(ranks=st.lists(st.integers(0, 40), min_size=1, max_size=30), rate=st.sampled_from([0.05, 0.2, 0.5]))
def test_discoveries_are_those_of_the_procedure(ranks: list[int], rate: float) -> None:
    p = [rank / 40 for rank in ranks]
    found = benjamini_hochberg(p, "test", rate=rate)
    assert found.discovered.tolist() == by_hand(p, rate)
    assert (found.adjusted >= p).all()
    assert (found.adjusted <= 1).all()


def test_what_was_not_tested_is_not_of_the_family() -> None:
    table = np.array([[math.nan, 0.01, 0.04], [0.01, math.nan, 0.5]])
    found = benjamini_hochberg(table, "pairs")
    assert (found.tests, found.untested, found.adjusted.shape) == (4, 2, (2, 3))
    assert np.isnan(found.adjusted[0, 0])
    assert not found.discovered[0, 0]
    assert math.isclose(found.adjusted[0, 1], 0.02)
    assert benjamini_hochberg([], "nothing").count == 0


def test_false_discoveries_are_as_rare_as_promised() -> None:
    """10 of 100 tests are real; the mean share of false ones among the discoveries stays below the rate."""
    numbers = np.random.default_rng(1)
    shares = []
    for _ in range(400):
        p = np.append(numbers.uniform(0, 1, 90), numbers.uniform(0, 1e-3, 10))
        found = benjamini_hochberg(p, "test", rate=0.2).discovered
        shares.append(found[:90].sum() / max(1, found.sum()))
    assert 0.12 < np.mean(shares) < 0.2  # the promise is rate · 90 %, here 0.18


@pytest.mark.parametrize(
    ("p", "family", "rate", "error", "said"),
    [
        ([0.1], "", 0.05, ConfigError, "family = ''"),
        ([0.1], None, 0.05, ConfigError, "family = None"),
        ([0.1], "test", 5, ConfigError, "rate = 5"),
        ([0.1], "test", math.nan, ConfigError, "rate = nan"),
        ([0.1, 1.5], "test", 0.05, NonFiniteError, "a p-value of 1.5"),
        ([0.1, -math.inf], "test", 0.05, NonFiniteError, "a p-value of -inf"),
    ],
)
def test_what_is_no_family_of_tests_is_refused(
    p: Any, family: Any, rate: float, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        benjamini_hochberg(p, family, rate=rate)
