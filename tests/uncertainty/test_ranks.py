"""Ranks and their correlation equal scipy's."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.stats import rankdata, spearmanr

from gpuemb.uncertainty.ranks import average_ranks, spearman

VALUES = st.lists(st.sampled_from([-math.inf, -1e300, -0.0, 0.0, 1e-320, 1.0, 2.5, math.inf]), max_size=12)


@given(VALUES)
def test_equal_values_share_their_mean_place(values: list[float]) -> None:
    assert_array_equal(average_ranks(np.array(values)), rankdata(np.array(values)))


def test_the_correlation_of_ranks_is_spearmans() -> None:
    x, y = np.random.default_rng(0).integers(0, 9, (2, 50))
    assert math.isclose(spearman(x, y), spearmanr(x, y).statistic, rel_tol=1e-12)
    assert math.isnan(spearman(np.ones(5), np.arange(5)))
