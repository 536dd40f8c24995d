"""Products without column means, from raw ones where their digits allow it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from gpuemb.core.arrays import Array, namespace_of
from gpuemb.geometry.accuracy import PROMISED
from gpuemb.geometry.sums import Grams, in_library
from gpuemb.kernels.gram import BLOCK_ROWS, CHUNK_ROWS

ROUNDING = BLOCK_ROWS * 2.0**-52  # relative error of a sum over a block, at worst
FAR = ROUNDING / PROMISED  # of a square: with less left of it, too few digits are
FLOAT32_ROUNDING = CHUNK_ROWS * 2.0**-23  # the same of float32 products
FLOAT32_SPREAD = 1e-2  # of a column's square: with less, float32 would lose two digits to its mean
VANISHING = (4 * 2.0**-52) ** 2  # of a column's raw square: what rounding its mean leaves of a constant

G = TypeVar("G", bound=Grams)


def centered_grams(grams: G) -> G:
    """Remove the column means from raw products; see :meth:`Grams.centered`."""
    xp = namespace_of(grams.products)
    squares, near = xp.linalg.diagonal(grams.products), grams
    lost = FAR if grams.images is None else FLOAT32_SPREAD
    if grams.source is not None:
        if bool(xp.any(squares - grams.sums**2 / grams.rows < lost * squares)):
            near = moved_grams(grams)
        else:
            near = replace(grams, source=grams.source.around(_means(grams)))
    sums = near.sums
    products = near.products - sums[:, None] * sums[None, :] / grams.rows
    variances = xp.linalg.diagonal(products)
    rounding = ROUNDING if grams.images is None else FLOAT32_ROUNDING
    varies = (variances > rounding * xp.linalg.diagonal(near.products)) & (variances > VANISHING * squares)
    kept = xp.astype(varies, products.dtype)
    images = near.images
    if images is not None:
        images = images - sums[:, None] * _probed(grams, sums / grams.rows)[None, :]
    return replace(
        near,
        preparation="centered",
        products=products * kept[:, None] * kept[None, :],
        sums=sums * 0.0,
        norms=grams.norms,
        weighted=grams.weighted,
        lengths=near.lengths - xp.stack([xp.sum(part**2) for part in by_run(grams, sums)]) / grams.rows,
        images=images,
        first_row=None,
        nodes=(),
    )


def moved_grams(grams: G) -> G:
    """Return raw sums of the rows less their means, read once more: to be centered without a loss."""
    source = grams.rows_at_hand().around(_means(grams))
    sums = in_library(source.sums(grams.precision), grams.products)
    moved = grams.of(sums, source, "raw", forced=grams.forced)
    return replace(moved, zeros=grams.zeros, moved=True)


def _means(grams: Grams) -> list[Array]:
    return by_run(grams, grams.sums / grams.rows)


def _probed(grams: Grams, row: Array) -> Array:
    """``(S·k,)``: a row of ``D`` numbers times the probes of each table."""
    xp = namespace_of(row)
    return xp.concat([part @ grams.probes(s) for s, part in enumerate(by_run(grams, row))])


def by_run(grams: Grams, row: Array) -> list[Array]:
    """Cut a row of ``D`` numbers at the edges of the runs."""
    return [row[grams.columns(s)] for s in range(grams.runs)]
