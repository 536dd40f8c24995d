"""One way to take a measure of two tables: its value, its interval over words, its null."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Float64, Int64, device_of
from gpuemb.core.device import CPU
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import buffer
from gpuemb.core.progress import Progress
from gpuemb.core.results import result
from gpuemb.embeddings.named_tables import PAIR, NamedTables
from gpuemb.geometry.grams.build import summed
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import Preparation
from gpuemb.geometry.grams.row_blocks import Rows
from gpuemb.geometry.measure import Measure
from gpuemb.kernels.gram import GramSums
from gpuemb.uncertainty.draws import Draws, block_count, deal, draw_values, order_of, weights_of
from gpuemb.uncertainty.results import Uncertainty, summarize, with_jackknife

KEPT_BYTES = 1 << 29  # of sums of blocks; where they take more, each block is summed twice
NAMES = (*PAIR, "anchor E", "anchor Ẽ")  # of two tables, and of a measure's anchors if it has them


@result(eq=True)
class Similarity(Uncertainty):
    """One number about two tables; its uncertainty if requested.

    Attributes:
        value: the number; NaN where the measure does not exist.
        measure: its name.
        preparation: of the rows, ``raw``, ``unit`` or ``centered``.
        zero_rows: rows without length in either table.
        reason: why the value is NaN, or says nothing; empty otherwise.
        recomputed: whether the rows were read again, their Gram having lost too many digits.
        error_bound: how far the value may be from the exact one where it was binned; 0 where it was not.
    """

    value: float
    measure: str
    preparation: str
    zero_rows: int = 0
    reason: str = ""
    recomputed: bool = False
    error_bound: float = 0.0

    def __float__(self) -> float:
        return self.value


@result(eq=True)
class DirectedSimilarity(Similarity):
    """A measure that is not symmetric, in both directions.

    Attributes:
        reverse: the same with X and Y exchanged.
    """

    reverse: float = math.nan


def measured(measure: Measure, x: Any, y: Any, draws: Draws, anchors: Sequence[Any] = ()) -> Similarity:
    """Take a measure of two tables, with its uncertainty.

    Args:
        measure: what to take.
        x: an Embedding or a float array ``(V, d)``.
        y: another, ``(V, d')``; row ``i`` is the same word.
        draws: how its uncertainty is found.
        anchors: further tables over the same words that the measure reads.

    Returns:
        A :class:`Similarity`; a :class:`DirectedSimilarity` of a directed measure.

    Raises:
        ShapeError, DTypeError, NonFiniteError: as the tables require.
        VocabularyError: the tables list other words; the first is named.
    """
    given = NamedTables.of(draws.where, [x, y, *anchors], NAMES[: 2 + len(anchors)])
    grams = summed(Grams, given, measure.preparation, measure.precision)
    found = measure.table(grams)
    value = float(found.values[0, 1])
    reason = measure.reason(grams, value)
    recomputed = grams.moved or bool(found.recomputed[0, 1])
    result = Similarity(value, measure.name, measure.preparation, grams.zeros, reason, recomputed)
    if not measure.symmetric:
        result = DirectedSimilarity(**vars(result), reverse=float(found.values[1, 0]))
    settled, given, rows = measure.settled(given, grams)
    return uncertainty(settled, given, rows, draws, value, grams).onto(result)


def uncertainty(
    measure: Measure,
    given: NamedTables,
    rows: Rows,
    draws: Draws,
    value: float,
    grams: Grams | None = None,
) -> Uncertainty:
    """Return the interval of a measure over words, and its null where that is asked for.

    Args:
        measure: of the first two tables.
        given: the tables.
        rows: of the tables; around their means where the measure needs them centered.
        draws: what is asked.
        value: the measure of the tables as they are.
        grams: what it was taken from, where permutations can use it again.

    Returns:
        The same bits for any number of threads; a draw is the same whatever else is drawn.

    Cost: one float64 pass and ``B`` evaluations for the jackknife; ``2·V·d·d'`` flops a permutation,
    ``0.63·2·V·(d² + dd' + d'²)`` a resample, and both tables in float64 for these two.
    Source: Definitions §5.
    """
    _check(measure, draws)
    found = Uncertainty(
        confidence=draws.confidence, permutations=draws.permutations, bootstrap=draws.bootstrap
    )
    if math.isnan(value):
        return found
    if draws.permutations or draws.bootstrap:
        found = _from_draws(measure, given, draws, value, grams)
    if draws.bootstrap:
        return found
    blocks = block_count(rows.count) if draws.blocks is None else min(draws.blocks, rows.count)
    return found if blocks < 2 else _with_jackknife(found, measure, rows, draws, value, blocks)


def _with_jackknife(
    found: Uncertainty, measure: Measure, rows: Rows, draws: Draws, value: float, blocks: int
) -> Uncertainty:
    dealt = deal(rows.count, blocks, draws.seed)
    left = values_without_blocks(rows, measure.preparation, dealt, measure.of_products, draws.progress)
    sizes = np.array([rows.count - len(block) for block in dealt])
    left = left * (rows.count / sizes) ** measure.growth
    return with_jackknife(found, draws, value, left, measure.possible)


def _from_draws(
    measure: Measure, given: NamedTables, draws: Draws, value: float, grams: Grams | None
) -> Uncertainty:
    pair, value_of = measure.resampled(given, grams)
    with threads.single_threaded_blas():  # as the draws, so that equal sums have equal bits
        base, own = pair.resampled(np.ones(pair.words, np.int64))
        observed = value_of(base, own)
    if math.isnan(observed):
        observed = value

    def permute(draw: int) -> float:
        return value_of(*pair.permuted(order_of(draw, pair.words, draws.seed), base, own))

    def resample(draw: int) -> float:
        return value_of(*pair.resampled(weights_of(draw, pair.words, draws.seed)))

    null, resampled = draw_values(draws, measure.title, observed, permute, resample)
    return summarize(
        draws, observed, null, resampled, best=measure.best, higher_is_closer=measure.higher_is_closer
    )


def _check(measure: Measure, draws: Draws) -> None:
    """Refuse draws that say nothing of a measure."""
    if draws.bootstrap and not measure.of_word_pairs:
        raise ConfigError(
            f"{draws.where}: bootstrap = {draws.bootstrap}",
            needed="Copies of words bias maps, subspaces and spectra: percentiles miss even the value.",
            remedy="Leave bootstrap out: .interval is a jackknife over blocks of words, for every measure.",
        )
    if draws.permutations and not measure.permutable:
        raise ConfigError(
            f"{draws.where}: permutations = {draws.permutations}",
            needed="A spectrum does not depend on the order of words: permutations change nothing.",
            remedy="Permute a measure that pairs words, such as rsa or cka.",
        )


def values_without_blocks(
    rows: Rows,
    preparation: Preparation,
    blocks: Sequence[Int64],
    value: Callable[[Grams], float],
    progress: Progress,
) -> Float64:
    """Return a measure with one block of words left out at a time.

    The sums of each block are kept and subtracted from their total, so that rows are read once.

    Args:
        rows: of the tables of one measure; around their means where they are to be ``centered``.
        preparation: of the rows.
        blocks: the rows of each block.
        value: the measure, from products that come without rows: raw ones where they are to be ``centered``.
        progress: of the blocks.

    Returns:
        ``(B,)``; the same bits for any number of threads.

    Cost: one float64 pass over the rows and ``B`` evaluations; ``8·B·D²`` bytes, at most ``KEPT_BYTES``.
    """
    tables = rows.tables()
    kind: Preparation = "unit" if preparation == "unit" else "raw"

    def sums_of(block: Int64) -> GramSums:
        return rows.taken(block).sums("float64")

    each = threads.stream if device_of(tables[0]) == CPU else map  # a GPU takes launches in order
    width = sum(int(table.shape[1]) for table in tables)
    parts: list[GramSums] | None = None
    if len(blocks) * buffer((width, width), np.float64) <= KEPT_BYTES:
        parts = list(each(sums_of, blocks))
    total = functools.reduce(operator.add, parts or map(sums_of, blocks))

    def without(place: int) -> float:
        left = total - (sums_of(blocks[place]) if parts is None else parts[place])
        grams = Grams.of(left, rows, kind, forced=True)
        return value(replace(grams, rows=grams.rows - len(blocks[place]), source=None))

    values = np.empty(len(blocks))
    with progress.phase("jackknife over words", len(blocks)) as task:
        for place, one in enumerate(each(without, range(len(blocks)))):
            values[place] = one
            task.advance()
    return values
