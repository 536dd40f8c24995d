"""Products without column means, from raw ones."""

from __future__ import annotations

from gpuemb.core.arrays import Array, namespace_of
from gpuemb.geometry.grams.digits import FAR, FLOAT32_ROUNDING, FLOAT32_SPREAD, ROUNDING, VANISHING


def means_dominate(products: Array, sums: Array, rows: int, *, float32: bool) -> bool:
    """Whether the mean of some column leaves too few digits to its variance."""
    xp = namespace_of(products)
    squares = xp.linalg.diagonal(products)
    lost = FLOAT32_SPREAD if float32 else FAR
    return bool(xp.any(squares - sums**2 / rows < lost * squares))


def centered_products(products: Array, sums: Array, rows: int, squares: Array, *, float32: bool) -> Array:
    """Remove the column means from products; exact zeros where a variance is below rounding.

    Args:
        products: ``(D, D)`` raw ones.
        sums: ``(D,)`` column sums.
        rows: ``V``.
        squares: ``(D,)`` raw squares of the columns, before any origin was subtracted.
        float32: whether the products are.
    """
    xp = namespace_of(products)
    found = products - sums[:, None] * sums[None, :] / rows
    variances = xp.linalg.diagonal(found)
    rounding = FLOAT32_ROUNDING if float32 else ROUNDING
    varies = (variances > rounding * xp.linalg.diagonal(products)) & (variances > VANISHING * squares)
    kept = xp.astype(varies, found.dtype)
    centered: Array = found * kept[:, None] * kept[None, :]
    return centered
