"""Squared distances of nearly equal tables, from the differences of their rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from gpuemb.core import threads
from gpuemb.core.arrays import Array, device_of, like, namespace_of
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.rotations.polar_factors import polar_factors
from gpuemb.kernels.gram import gram

Kind: TypeAlias = Literal["direct", "procrustes", "pip"]
Block: TypeAlias = tuple[Array, Array, Array | None]


@threads.single_threaded_blas()
def squared_gaps(
    blocks: Iterable[Block], rotation: Array, scale: float = 1.0, count: float | None = None
) -> float:
    """Return ``Σ w_i ‖s x_i Q − y_i‖²``; one pass.

    Where X is the wider table that is ``Σ w_i ‖s x_i − y_i Qᵀ‖²``: what Q drops of X counts.

    Args:
        blocks: rows of both tables times the roots of their weights, and those roots ``(n, 1)``, if any.
        rotation: ``(d, e)`` Q.
        scale: s.
        count: ``Σ w_i`` if means were subtracted: the rounding of the means is taken off the sum.
    """
    xp = namespace_of(rotation)
    wide = rotation.shape[0] > rotation.shape[1]
    squared = 0.0
    rest: Array = 0.0
    for left, right, roots in blocks:
        if wide:
            gap = scale * left - right @ xp.matrix_transpose(rotation)
        else:
            gap = scale * (left @ rotation) - right
        squared += float(xp.sum(gap**2))
        if count is not None:
            rest = rest + xp.sum(gap if roots is None else gap * roots, axis=0)
    return squared if count is None else squared - float(xp.sum(rest**2)) / count


def squares_of_difference(rows: Rows, pair: tuple[int, int], cross: Array) -> dict[Kind, float]:
    """Return all three squares without cancellation, from the Gram of ``[A, D]``, ``A = XQ``, ``D = Y − XQ``.

    Rotation leaves PIP as it is, so ``YYᵀ − XXᵀ = ADᵀ + DAᵀ + DDᵀ``, whose squared norm is
    ``2 tr(G_A G_D) + 2 tr(HH) + 4 tr(H G_D) + ‖G_D‖²`` with ``H = AᵀD``. Of two tables of unequal
    dimensions X is the narrower one, and there is no direct distance.
    """
    if cross.shape[0] > cross.shape[1]:
        pair, cross = (pair[1], pair[0]), namespace_of(cross).matrix_transpose(cross)
    xp, dim = namespace_of(cross), int(cross.shape[1])
    rotation, square = polar_factors([cross])[0].rotation, cross.shape[0] == dim

    def sums(block: tuple[Array, Array]) -> tuple[Array, float]:
        left, right = block
        aligned = left @ rotation
        direct = float(xp.sum((left - right) ** 2)) if square else 0.0
        return gram.on(device_of(cross))([aligned, right - aligned], "raw").products, direct

    products, direct = None, 0.0
    for part, gap in threads.stream(sums, rows.blocks(*pair)):
        products, direct = part if products is None else products + part, direct + gap
    both = like(products, cross)
    gram_a, gram_d, h = both[:dim, :dim], both[dim:, dim:], both[:dim, dim:]
    pip = (
        2 * float(xp.sum(gram_a * gram_d))
        + 2 * float(xp.sum(h * xp.matrix_transpose(h)))
        + 4 * float(xp.sum(h * gram_d))
        + float(xp.sum(gram_d**2))
    )
    return {"direct": direct, "procrustes": float(xp.linalg.trace(gram_d)), "pip": pip}
