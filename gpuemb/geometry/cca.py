"""Canonical correlations: similarity of two tables up to any linear map."""

from __future__ import annotations

import math
from typing import Any, Unpack

from gpuemb.core import threads
from gpuemb.core.arrays import namespace_of
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.doors import door
from gpuemb.geometry.measure.measured import DirectedSimilarity, Similarity, measured
from gpuemb.geometry.subspaces.axes import Subspaces
from gpuemb.geometry.subspaces.measure import SubspaceMeasure
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import SHARE

KEPT_SHARE = 0.99  # of the variance, which SVCCA keeps (Raghu 2017)
NO_VARIANCE = "the rows of one table are all equal"


@door
def cca(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Similarity:
    """Mean canonical correlation of two tables with column means removed.

    The correlations ρ are the cosines between the spaces that the columns span, as many as the smaller
    numerical rank. No invertible linear map of either table changes them, nor a translation. Tables of
    fewer words than dimensions span everything: each ρ is 1.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        The mean ρ in ``.value``, right to about ``eps·condition²`` from the Grams, and past condition 1e5
        to ``eps·condition`` from the rows (``.recomputed``), where there is no interval; NaN with its reason
        where a table's rows are all equal.

    Raises:
        GpuembError: as :func:`rsa`, of the tables and the resampling.

    Cost: ``V·(d + d')²`` flops, about fourfold from the rows; as many again and ``3·B`` decompositions for
    the interval. Source: Raghu (2017); Definitions §4, §5.

    Example:
        >>> round(ge.cca(x, y).value, 3), round(ge.cca(x, x @ (q + 1)).value, 6)
        (0.995, 1.0)
    """
    return measured(CCA, x, y, Draws("cca", **resampling))


@door
def svcca(x: Any, y: Any, *, share: float = KEPT_SHARE, **resampling: Unpack[Resampling]) -> Similarity:
    """Mean canonical correlation of the leading principal axes of two tables.

    Of each table the fewest axes are kept that hold 99 % of ``Σλ``. Rotation, scale and translation change
    nothing; where the cut falls between equal variances, the axes kept are one choice of many.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        share: of the variance that is kept, above 0 and at most 1.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        As :func:`cca`.

    Raises:
        ConfigError: an impossible share, a negative number of draws, or a confidence that is no share.
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.

    Cost: as :func:`cca`. Source: Raghu (2017); Definitions §4, §5.

    Example:
        >>> round(ge.svcca(x, y, share=0.9).value, 3)
        0.995
    """
    return measured(svcca_measure(share), x, y, Draws("svcca", **resampling))


@door
def pwcca(x: Any, y: Any, **resampling: Unpack[Resampling]) -> DirectedSimilarity:
    """Canonical correlations weighted by how much of a table each direction carries.

    ``Σ α_i ρ_i / Σ α_i``, ``α_i = Σ_j |h_i·x_j|`` over the columns ``x_j`` of X, ``h_i`` its canonical
    directions; ``.reverse`` weights by the columns of Y. Translation and scale of either table change
    nothing, nor any invertible map of the table that does not weight; a rotation of the other one changes
    its columns and with them the weights. Equal ρ leave the directions between them open.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        As :func:`cca`, and ``.reverse``; the interval and the null are those of ``.value``: exchange the
        tables for the other.

    Raises:
        GpuembError: as :func:`rsa`, of the tables and the resampling.

    Cost: as :func:`cca`. Source: Morcos (2018), whose code gives only the side of smaller rank;
    Definitions §4, §5.

    Example:
        >>> found = ge.pwcca(x, y)
        >>> round(found.value, 3), round(found.reverse, 3)
        (0.995, 0.996)
    """
    found = measured(PWCCA, x, y, Draws("pwcca", **resampling))
    assert isinstance(found, DirectedSimilarity)
    return found


def check_share(share: float) -> None:
    """A share must be above 0 and at most 1.

    Raises:
        ConfigError: it is not.
    """
    check_at_least("svcca", "share", share, 2.0**-52)
    check_at_most("svcca", "share", share, 1)


@threads.single_threaded_blas()
def mean_correlation(spaces: Subspaces) -> float:
    """Return the mean cosine between two subspaces; NaN where one has no axis."""
    if not spaces.exist:
        return math.nan
    xp = namespace_of(spaces.cosines[0][1])
    return float(xp.mean(xp.linalg.svdvals(spaces.cosines[0][1])))


@threads.single_threaded_blas()
def weighted_correlation(spaces: Subspaces) -> float:
    """Return the mean cosine weighted by the first table's columns; NaN where one has no axis.

    ``h_i·x_j`` are the entries of ``Aᵀ UᵀX = Aᵀ diag(σ) directionsᵀ``, A the left factor of the cosines.
    """
    if not spaces.exist:
        return math.nan
    xp = namespace_of(spaces.cosines[0][1])
    left, correlations, _ = xp.linalg.svd(spaces.cosines[0][1], full_matrices=False)
    axes = spaces.axes[0]
    columns = axes.singular[:, None] * xp.matrix_transpose(axes.directions)
    weights = xp.sum(xp.abs(xp.matrix_transpose(left) @ columns), axis=1)
    return float(xp.sum(weights * correlations) / xp.sum(weights))


def svcca_measure(share: float = KEPT_SHARE) -> SubspaceMeasure:
    """Return SVCCA with a share of the variance."""
    check_share(share)
    return SubspaceMeasure(
        name="svcca",
        title=f"SVCCA ({100 * share:g} % of the variance)",
        meaning="Mean canonical correlation of the leading principal axes of both tables.",
        preparation="centered",
        possible=SHARE,
        missing=NO_VARIANCE,
        precision="float64",
        of_subspaces=mean_correlation,
        share=share,
        options=svcca_measure,
    )


CCA = SubspaceMeasure(
    name="cca",
    title="Mean canonical correlation",
    meaning="Mean cosine between the spaces that the columns of both tables span; no invertible linear map"
    " can change it.",
    preparation="centered",
    possible=SHARE,
    missing=NO_VARIANCE,
    precision="float64",
    of_subspaces=mean_correlation,
)
SVCCA = svcca_measure()
PWCCA = SubspaceMeasure(
    name="pwcca",
    title="PWCCA, weighted by the first",
    meaning="Canonical correlations weighted by how much of the first table each direction carries.",
    preparation="centered",
    possible=SHARE,
    missing=NO_VARIANCE,
    symmetric=False,
    precision="float64",
    of_subspaces=weighted_correlation,
)
