"""Products without column means, from raw ones where their digits allow it."""

from __future__ import annotations

from dataclasses import replace

from gpuemb.core.arrays import Array, namespace_of
from gpuemb.geometry.accuracy import PROMISED
from gpuemb.geometry.sums import CrossGrams, in_library
from gpuemb.kernels.gram import BLOCK_ROWS, CHUNK_ROWS

ROUNDING = BLOCK_ROWS * 2.0**-52  # relative error of a sum over a block, at worst
FLOAT32_ROUNDING = CHUNK_ROWS * 2.0**-23  # the same of float32 products
FLOAT32_SPREAD = 1e-2  # of a column's square: with less, float32 would lose two digits to its mean
VANISHING = (4 * 2.0**-52) ** 2  # of a column's raw square: what rounding its mean leaves of a constant


def centered_grams(grams: CrossGrams) -> CrossGrams:
    """Remove the column means from raw products; see :meth:`CrossGrams.centered`."""
    xp = namespace_of(grams.products)
    source, products, sums, images = grams.source, grams.products, grams.sums, grams.images
    lengths = grams.lengths
    squares = xp.linalg.diagonal(products)
    lost = ROUNDING / PROMISED if grams.images is None else FLOAT32_SPREAD
    if source is not None and bool(xp.any(squares - sums**2 / grams.rows < lost * squares)):
        source = source.around(by_run(grams, grams.sums / grams.rows))
        found = in_library(source.sums(grams.precision), products)
        products, sums, images, lengths = found.products, found.sums, found.images, found.lengths
    elif source is not None:
        source = source.around(by_run(grams, grams.sums / grams.rows))
    moved = xp.linalg.diagonal(products)
    products = products - sums[:, None] * sums[None, :] / grams.rows
    variances = xp.linalg.diagonal(products)
    rounding = ROUNDING if grams.images is None else FLOAT32_ROUNDING
    varies = (variances > rounding * moved) & (variances > VANISHING * squares)
    kept = xp.astype(varies, products.dtype)
    products = products * kept[:, None] * kept[None, :]
    return replace(
        grams,
        preparation="centered",
        products=products,
        sums=grams.sums * 0.0,
        lengths=lengths - xp.stack([xp.sum(part**2) for part in by_run(grams, sums)]) / grams.rows,
        images=None
        if grams.images is None
        else images - sums[:, None] * _probed(grams, sums / grams.rows)[None, :],
        source=source,
        first_row=None,
        nodes=(),
    )


def _probed(grams: CrossGrams, row: Array) -> Array:
    """``(S·k,)``: a row of ``D`` numbers times the probes of each table."""
    xp = namespace_of(row)
    return xp.concat([part @ grams.probes(s) for s, part in enumerate(by_run(grams, row))])


def by_run(grams: CrossGrams, row: Array) -> list[Array]:
    """Cut a row of ``D`` numbers at the edges of the runs."""
    return [row[grams.columns(s)] for s in range(grams.runs)]
