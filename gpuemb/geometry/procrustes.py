"""The best orthogonal map of one table onto another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack, overload

import numpy as np

from gpuemb.core.arrays import to_host
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.embeddings.model import Embedding, EmbeddingStack, tables_of
from gpuemb.embeddings.named_tables import PAIR, NamedTables, check_same_dimensions
from gpuemb.geometry.grams.pair_sums import PairSums
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.measure.measured import uncertainty
from gpuemb.geometry.resampling.own_terms import OwnTerms
from gpuemb.geometry.rotations.alignment import Alignment, Alignments
from gpuemb.geometry.rotations.pair_distances import DistanceMeasure
from gpuemb.geometry.rotations.polar_factors import (
    PolarFactor,
    best_scale,
    nuclear_norm,
    polar_factors,
    squared_procrustes,
    without_reflection,
)
from gpuemb.geometry.rotations.weighted_pair import PairedRows, PairProducts, pair_rows
from gpuemb.uncertainty.draws import Draws, Resampling
from gpuemb.uncertainty.intervals import DISTANCE

EPS = float(np.finfo(np.float64).eps)


@overload
def procrustes(
    x: EmbeddingStack | Sequence[Any],
    y: EmbeddingStack | Sequence[Any],
    *,
    scale: bool = ...,
    center: bool = ...,
    rotation_only: bool = ...,
    weights: Any = ...,
    **resampling: Unpack[Resampling],
) -> Alignments: ...
@overload
def procrustes(
    x: Any,
    y: Any,
    *,
    scale: bool = ...,
    center: bool = ...,
    rotation_only: bool = ...,
    weights: Any = ...,
    **resampling: Unpack[Resampling],
) -> Alignment: ...
@door
def procrustes(
    x: Any,
    y: Any,
    *,
    scale: bool = False,
    center: bool = False,
    rotation_only: bool = False,
    weights: Any = None,
    **resampling: Unpack[Resampling],
) -> Alignment | Alignments:
    """Find the orthogonal ``Q`` that minimizes ``‖XQ − Y‖`` (rows as they are), for one pair or many.

    Unequal dimensions have a semi-orthogonal map, the ``Q`` of largest ``tr(QᵀXᵀY)``: the best one
    after the narrower table is padded with zeros. Its distance is that of the padded tables.

    Args:
        x: an Embedding or a float array ``(V, d)``; or ``P`` of them: an EmbeddingStack, a sequence, or an
            array ``(P, V, d)``.
        y: the same for the target, ``(V, e)``; row ``i`` is the same word.
        scale: also find the factor ``s ≥ 0`` of ``‖sXQ − Y‖``, ``‖XᵀY‖_* / ‖X‖²``.
        center: take the (weighted) column means off both tables first.
        rotation_only: allow no reflection; needs ``d = e``.
        weights: ``(V,)`` how often each word counts, floats of at least 0; 2 is as good as the row twice.
        resampling: see :class:`gpuemb.Resampling`; of the distance. Weighted words have no interval.

    Returns:
        An :class:`Alignment`; of ``P`` pairs, :class:`Alignments`.

    Conventions: ``scipy.spatial.procrustes(y, x)``, its second table moved onto its first, has the disparity
        ``relative_distance²`` of ``scale=True, center=True``; ``Rotation.align_vectors(y, x, weights)`` the
        ``distance`` of ``rotation_only=True``; ``scipy.linalg.orthogonal_procrustes(x, y)`` the same
        rotation and, under the name of a scale, ``Σσ``.

    Raises:
        ShapeError: numbers of words differ, stacks in length, or ``rotation_only`` in dimensions.
        VocabularyError: a pair's tables list other words; the first is named.
        DTypeError, NonFiniteError: as the tables and weights require.
        ConfigError: a weight is negative, or all are zero; weights and draws; a negative number of draws,
            or a confidence that is no share.

    Cost: ``2·V·d·e`` flops and one SVD of ``d × e`` a pair; one more pass for each nearly equal pair;
        ``V·(d + e)²`` flops and ``B`` SVDs for the interval.
    Source: Schönemann (1966); Definitions §2, §5.

    Example:
        >>> found = ge.procrustes(x, y)
        >>> round(found.distance, 2), bool(np.allclose(found.rotation, q, atol=0.1))
        (1.85, True)
        >>> found.transform(x).shape
        (50, 8)
    """
    draws = Draws("procrustes", **resampling)
    _check_draws(draws, weights)
    measure = procrustes_measure(scale=scale, center=center, rotation_only=rotation_only)

    def with_uncertainty(pair: PairedRows, found: Alignment) -> Alignment:
        if weights is not None:
            return found
        rows = Rows(([pair.x, pair.y],), "raw")
        given = NamedTables("procrustes", PAIR, [pair.x, pair.y], None)
        rows = rows if pair.means is None else rows.around(pair.means)
        return uncertainty(measure, given, rows, draws, found.distance).onto(found)

    if not (_is_several(x) or _is_several(y)):
        pair = pair_rows("procrustes", x, y, weights=weights, center=center)
        return with_uncertainty(pair, _aligned([pair], scale=scale, rotation_only=rotation_only)[0])
    firsts, seconds = _several("X", x), _several("Y", y)
    if len(firsts) != len(seconds):
        raise ShapeError(
            f"procrustes: X holds {len(firsts)} tables but Y holds {len(seconds)}",
            needed="Table p of X is aligned with table p of Y.",
            remedy="Repeat a table to align it with several: procrustes([x] * len(y), y).",
        )
    pairs = [
        pair_rows("procrustes", first, second, weights=weights, center=center)
        for first, second in zip(firsts, seconds, strict=True)
    ]
    aligned = _aligned(pairs, scale=scale, rotation_only=rotation_only)
    return Alignments(tuple(map(with_uncertainty, pairs, aligned)))


def _check_draws(draws: Draws, weights: Any) -> None:
    if draws and weights is not None:
        raise ConfigError(
            "procrustes: permutations or bootstrap of weighted words were asked for",
            needed="A draw says itself how often each word counts.",
            remedy="Leave weights out, or permutations and bootstrap.",
        )


def _is_several(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return not x or isinstance(x[0], Embedding) or getattr(x[0], "ndim", 0) == 2
    return isinstance(x, EmbeddingStack) or getattr(x, "ndim", 0) == 3


def _several(name: str, x: Any) -> list[Any]:
    tables = list(x) if isinstance(x, (list, tuple)) else tables_of(x) if _is_several(x) else [x]
    if not tables:
        raise ShapeError(
            f"procrustes: {name} holds no table",
            needed="At least one pair is needed.",
            remedy="procrustes([a, b], [c, d]) aligns a with c and b with d.",
        )
    return tables


def _aligned(pairs: list[PairedRows], *, scale: bool, rotation_only: bool) -> list[Alignment]:
    if rotation_only:
        for pair in pairs:
            check_same_dimensions("procrustes: rotation_only", [pair.x, pair.y])
    products = [pair.products() for pair in pairs]
    every = polar_factors([found.cross for found in products])
    if rotation_only:
        every = [without_reflection(p.cross, found) for p, found in zip(products, every, strict=True)]
    return [
        _alignment(pair, product, found, scale=scale, rotation_only=rotation_only)
        for pair, product, found in zip(pairs, products, every, strict=True)
    ]


def _alignment(
    pair: PairedRows, products: PairProducts, found: PolarFactor, *, scale: bool, rotation_only: bool
) -> Alignment:
    length_x, length_y = products.squared_x, products.squared_y
    square = squared_procrustes(length_x, length_y, found.nuclear, scale=scale)
    factor = best_scale(length_x, found.nuclear) if scale else 1.0
    squared = pair.squared_gap(found.rotation, factor) if square.near else square.value
    distance = math.sqrt(max(0.0, squared))
    return Alignment(
        found.rotation,
        factor if length_x > 0 or not scale else math.nan,
        pair.means,
        distance,
        distance / math.sqrt(length_y) if length_y > 0 else math.nan,
        found.singular,
        found.rank,
        _reason(found, products, scale=scale, rotation_only=rotation_only),
        square.near,
    )


def _reason(found: PolarFactor, products: PairProducts, *, scale: bool, rotation_only: bool) -> str:
    """Say in words why the map is one of many, or a number is missing."""
    said = []
    full = int(found.singular.shape[0])
    values = [float(found.singular[i]) for i in (max(0, full - 2), full - 1)]
    rounding = max(found.rotation.shape) * EPS * float(found.singular[0])
    if not rotation_only and found.rank < full:
        said.append(f"XᵀY has rank {found.rank} of {full}: along the other directions any map is as good")
    if rotation_only and full > 1 and found.rank < full - 1:
        said.append(f"XᵀY has rank {found.rank} of {full}: several rotations are as good")
    elif rotation_only and found.reflected and full > 1 and values[0] - values[1] <= rounding:
        said.append("the two smallest singular values of XᵀY are tied: a reflection is undone along either")
    if scale and products.squared_x == 0:
        said.append("X has no length: no scale brings it to Y")
    if products.squared_y == 0:
        said.append("Y has no length: no distance is relative to it")
    return "; ".join(said)


def procrustes_measure(
    *, scale: bool = False, center: bool = False, rotation_only: bool = False
) -> DistanceMeasure:
    """Return the Procrustes distance with the options of :func:`procrustes`."""
    return DistanceMeasure(
        name="procrustes_distance",
        title="Procrustes distance",
        meaning="Length of the difference that is left after the best rotation or reflection.",
        preparation="centered" if center else "raw",
        possible=DISTANCE,
        higher_is_closer=False,
        growth=0.5,
        kind="procrustes",
        of_sums=partial(procrustes_of_sums, scale=scale, rotation_only=rotation_only),
    )


def procrustes_of_sums(
    sums: PairSums, own: OwnTerms | None, *, scale: bool = False, rotation_only: bool = False
) -> float:
    """Return the Procrustes distance; NaN where it is lost in the rounding of the sums."""
    x, y = (float(np.trace(to_host(gram))) for gram in (sums.gram_x, sums.gram_y))
    return squared_procrustes(x, y, nuclear_norm(sums, rotation_only=rotation_only), scale=scale).root


PROCRUSTES_DISTANCE = procrustes_measure()
