"""How the spaces that two tables span lie to each other: what a linear model could learn from either."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack

from gpuemb.core import threads
from gpuemb.core.arrays import Array, namespace_of
from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.geometry.measure.measured import Similarity, measured
from gpuemb.geometry.subspaces.axes import Subspaces
from gpuemb.geometry.subspaces.measure import SubspaceMeasure
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import SHARE

EMPTY = "one table is zero throughout"
# An instability taken from Grams errs by about 64·eps·condition² in sums of 1 − cos²; where that is more than
# 1e-6 of the value, it is taken from the rows, whose residuals do not cancel.
UNCANCELED = 64 * 2.0**-52 / 1e-6


@door
def eigenspace_overlap(x: Any, y: Any, **resampling: Unpack[Resampling]) -> Similarity:
    """Eigenspace overlap score ``‖U_XᵀU_Y‖² / max(r, r')``, between 0 and 1, 1 for the same space.

    ``U`` are the left singular vectors of the rows as they are, over the numerical ranks ``r, r'``. No
    invertible linear map of either table changes it; a translation does.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        resampling: see :class:`gpuemb.Resampling`.

    Returns:
        The score in ``.value``, right to about ``eps·condition²`` from the Grams, and past condition 1e5
        to ``eps·condition`` from the rows (``.recomputed``), where there is no interval; NaN with its reason
        for a table of zeros.

    Raises:
        GpuembError: as :func:`rsa`, of the tables and the resampling.

    Cost: ``V·(d + d')²`` flops, about fourfold from the rows; as many again and ``2·B`` decompositions for
    the interval. Source: May (2019); Definitions §4, §5.

    Example:
        >>> round(ge.eigenspace_overlap(x, y).value, 3), round(ge.eigenspace_overlap(x, 2 * x @ q).value, 6)
        (0.99, 1.0)
    """
    return measured(EIGENSPACE_OVERLAP, x, y, Draws("eigenspace_overlap", **resampling))


@door
def eigenspace_instability(
    x: Any,
    y: Any,
    *,
    anchors: Sequence[Any] | None = None,
    alpha: float = 3.0,
    **resampling: Unpack[Resampling],
) -> Similarity:
    """Eigenspace instability ``tr((UUᵀ + ŨŨᵀ − 2ŨŨᵀUUᵀ)Σ) / tr Σ``, between 0 and 1, 0 for the same space.

    ``Σ = (EEᵀ)^α + (ẼẼᵀ)^α``: the expected disagreement of linear models trained on ``x`` and on ``y`` for
    labels drawn with covariance Σ, for rows as they are. No invertible linear map of X or Y changes it
    while the anchors stay.

    Args:
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        anchors: the two tables ``E, Ẽ`` over the same words; X and Y themselves when None.
        alpha: how much the anchors' leading axes count, 0 or more.
        resampling: see :class:`gpuemb.Resampling`; permutations leave given anchors as they are.

    Returns:
        The instability in ``.value``; as :func:`eigenspace_overlap`, and ``.recomputed`` also where it is
        so small that sums from Grams would cancel.

    Raises:
        ConfigError: alpha is negative, or the anchors are not two; a negative number of draws, or a
            confidence that is no share.
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.

    Cost: ``V·D²`` flops, ``D`` the columns of all tables, about fourfold from the rows; the interval as
    :func:`eigenspace_overlap`. Source: Leszczynski (2020); Definitions §4, §5.

    Example:
        >>> round(ge.eigenspace_instability(x, y).value, 4)
        0.0058
    """
    two = _two(anchors)
    measure = instability_measure(alpha, anchored=bool(two))
    return measured(measure, x, y, Draws("eigenspace_instability", **resampling), two)


@threads.single_threaded_blas()
def overlap(spaces: Subspaces) -> float:
    """Return the overlap score of two subspaces; NaN where one has no axis."""
    if not spaces.exist:
        return math.nan
    xp = namespace_of(spaces.cosines[0][1])
    return float(xp.sum(spaces.cosines[0][1] ** 2)) / max(axes.rank for axes in spaces.axes)


@threads.single_threaded_blas()
def instability(spaces: Subspaces, alpha: float) -> float:
    """Return the instability of the first two subspaces; the anchors are the other two, or they themselves.

    With ``P = UUᵀ``, ``P̃ = ŨŨᵀ`` it is the mean of ``‖(P − P̃)f_j‖²`` over the anchors' axes ``f_j``, weighted
    by their ``λ_j^α``. NaN where a table has no axis.
    """
    if not spaces.exist:
        return math.nan
    xp = namespace_of(spaces.cosines[0][1])
    anchors = range(len(spaces.axes))[-2:]
    largest = max(float(spaces.axes[anchor].singular[0]) for anchor in anchors)
    moved, total = 0.0, 0.0
    for anchor in anchors:
        weights = (spaces.axes[anchor].singular / largest) ** (2 * alpha)
        moved += float(xp.sum(weights * _moved(spaces, anchor)))
        total += float(xp.sum(weights))
    return moved / total


def cancels(spaces: Subspaces, value: float) -> bool:
    """Whether an instability from Grams is too small for the digits that they hold."""
    if spaces.recomputed or not spaces.exist:
        return False
    return value < UNCANCELED * max(axes.condition for axes in spaces.axes) ** 2


def _moved(spaces: Subspaces, anchor: int) -> Array:
    """``‖(P − P̃)f_j‖²`` of an anchor's axes: of the difference itself where the axes are at hand."""
    first, second = spaces.cosines[0][anchor], spaces.cosines[1][anchor]
    xp = namespace_of(first)
    left, other = (axes.left for axes in spaces.axes[:2])
    if left is not None and other is not None:
        return xp.sum((left @ first - other @ second) ** 2, axis=0)
    both = xp.sum(first * (spaces.cosines[0][1] @ second), axis=0)
    return xp.sum(first**2, axis=0) + xp.sum(second**2, axis=0) - 2 * both


def _two(anchors: Sequence[Any] | None) -> list[Any]:
    given = [] if anchors is None else list(anchors)
    if anchors is not None and len(given) != 2:
        raise ConfigError(
            f"eigenspace_instability: {len(given)} anchors were given",
            needed="Two tables are needed, E and Ẽ.",
            remedy="Give the same table twice where there is one; leave anchors out for X and Y themselves.",
        )
    return given


def instability_measure(alpha: float = 3.0, *, anchored: bool = False) -> SubspaceMeasure:
    """Return the instability with a weight of leading axes."""
    check_at_least("eigenspace_instability", "alpha", alpha, 0)
    return SubspaceMeasure(
        name="eigenspace_instability",
        title="Eigenspace instability",
        meaning="Expected disagreement of linear models trained on the two tables; 0 for the same space.",
        preparation="raw",
        possible=SHARE,
        missing=EMPTY,
        higher_is_closer=False,
        precision="float64",
        of_subspaces=partial(instability, alpha=alpha),
        doubtful=cancels,
        anchored=anchored,
        options=instability_measure,
    )


EIGENSPACE_OVERLAP = SubspaceMeasure(
    name="eigenspace_overlap",
    title="Eigenspace overlap",
    meaning="Overlap of the spaces that the columns of both tables span, from 0 to 1; no invertible linear"
    " map can change it.",
    preparation="raw",
    possible=SHARE,
    missing=EMPTY,
    precision="float64",
    of_subspaces=overlap,
)
EIGENSPACE_INSTABILITY = instability_measure()
