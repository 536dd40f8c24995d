"""Many p-values at once: which of them still stand out among all that were asked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64, as_array, to_host
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, NonFiniteError
from gpuemb.core.results import result


@result
class Discoveries:
    """What is left of a family of tests when the share of false discoveries is held down.

    Attributes:
        family: what was tested together, in words.
        rate: largest expected share of false ones among the discoveries.
        tests: how many p-values the family has.
        untested: entries without a p-value (NaN); they are not of the family.
        adjusted: p-values for the whole family, in the shape they came in; NaN where untested.
        discovered: whether ``adjusted ≤ rate``, in that shape.
    """

    family: str
    rate: float
    tests: int
    untested: int
    adjusted: Float64
    discovered: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """Number of discoveries."""
        return int(self.discovered.sum())


@door
def benjamini_hochberg(p_values: Any, family: str, *, rate: float = 0.05) -> Discoveries:
    """Hold down the share of false discoveries among many tests.

    ``adjusted₍ᵢ₎ = min_{j ≥ i} p₍ⱼ₎·m/j`` over the ``m`` p-values in ascending order. Valid for tests that
    are independent or positively dependent, as measures of one pair of tables are.

    Args:
        p_values: any shape, between 0 and 1; NaN where no test was made.
        family: what these tests are, such as ``"RSA of all 45 pairs of runs"``.
        rate: largest expected share of false discoveries, between 0 and 1.

    Raises:
        ConfigError: no name for the family, or a rate that is no share.
        NonFiniteError: a p-value below 0 or above 1.

    Cost: sorting. Source: Benjamini and Hochberg (1995), J. R. Statist. Soc. B 57, 289-300; Definitions §5.

    Example:
        >>> found = ge.benjamini_hochberg([0.01, 0.02, 0.04, 0.5], "RSA of four pairs of runs")
        >>> found.discovered.tolist()
        [True, True, False, False]
    """
    values = np.asarray(to_host(as_array(p_values, "benjamini_hochberg")), np.float64)
    _check(values, family, rate)
    tested = np.isfinite(values)
    known = values[tested]
    order = np.argsort(known, kind="stable")
    raised = known[order] * (len(known) / np.arange(1, len(known) + 1))
    least = np.minimum.accumulate(raised[::-1])[::-1]
    adjusted = np.full(values.shape, np.nan)
    adjusted[tested] = least[np.argsort(order, kind="stable")]
    return Discoveries(
        family, rate, len(known), values.size - len(known), adjusted, np.less_equal(adjusted, rate)
    )


def _check(values: Float64, family: str, rate: float) -> None:
    if not isinstance(family, str) or not family.strip():
        raise ConfigError(
            f"benjamini_hochberg: family = {family!r}",
            needed="What was tested together must be named: the correction depends on it.",
            remedy='family="RSA of all pairs of runs", for example.',
        )
    if not 0 < rate < 1:
        raise ConfigError(
            f"benjamini_hochberg: rate = {rate}",
            needed="A share between 0 and 1, both left out, is needed.",
            remedy="rate=0.05 expects one false discovery in twenty.",
        )
    wrong = np.isinf(values) | (values < 0) | (values > 1)
    if wrong.any():
        raise NonFiniteError(
            f"benjamini_hochberg: a p-value of {values[wrong][0]}",
            needed="P-values are between 0 and 1, or NaN where no test was made.",
            remedy="Hand over .p_value of the results.",
        )
