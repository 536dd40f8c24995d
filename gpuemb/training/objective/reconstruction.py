"""How well products of trained vectors reconstruct what their objective asks of them."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.core.arrays import Float64, Int64, to_host
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.core.results import result
from gpuemb.counts.cooccurrence import Cooccurrence
from gpuemb.counts.pmi import LARGEST_SMOOTHING
from gpuemb.embeddings.model import Embedding
from gpuemb.training.objective.pair_sums import (
    BIASED,
    PMI,
    PPMI,
    BlockSums,
    PairTables,
    Targets,
    sum_pairs,
    widened,
)
from gpuemb.training.recipes import PPMISVD, SkipGram
from gpuemb.training.trained import TrainedModel
from gpuemb.uncertainty.intervals import ANY, DISTANCE, SHARE, Range, jackknife_interval

if TYPE_CHECKING:
    import pyarrow

OWN, ALONE = "w·w̃", "w·w"  # the products, as tables name them


@result
class ReconstructionFit:
    """How products of vectors follow a target, over pairs that co-occur.

    Intervals are 95 % jackknives over blocks of words; NaN where a value does not exist.

    Attributes:
        product: ``w·w̃`` of words and contexts, or ``w·w`` of words alone.
        target: ``log X − b − b̃``, ``PMI``, ``PMI − log …`` or ``PPMI``.
        low, high: the rarer word of a pair occurs at least ``low`` and at most ``high`` times.
        pairs: how many pairs.
        slope, intercept: of the least-squares line of the product on the target: 1 and 0 where they agree.
        r_squared: share of the product's variance that the line explains.
        mean_residual: mean of product − target.
        rms_residual: root of the mean of its square.
        slope_interval, r_squared_interval, mean_interval, rms_interval: low and high ends.
    """

    product: str
    target: str
    low: int
    high: int
    pairs: int
    slope: float
    intercept: float
    r_squared: float
    mean_residual: float
    rms_residual: float
    slope_interval: tuple[float, float]
    r_squared_interval: tuple[float, float]
    mean_interval: tuple[float, float]
    rms_interval: tuple[float, float]


@result
class Reconstruction:
    """What a model's products say of the counts, see :func:`gpuemb.reconstruction`; prints as a table.

    Attributes:
        value: R² of the model's own target, the first fit.
        fits: of each product with each target, over all pairs.
        bands: the same by the count of the rarer word: 1–9, 10–99, 100–999, …
        shift: what PMI is lowered by, before its logarithm.
        smoothing: exponent of the context distribution of PMI.
        missing: counted words that the model does not have; their pairs are left out.
    """

    value: float
    fits: tuple[ReconstructionFit, ...]
    bands: tuple[ReconstructionFit, ...]
    shift: float
    smoothing: float
    missing: int

    def __float__(self) -> float:
        return self.value

    @property
    def table(self) -> pyarrow.Table:
        """A pyarrow table, one row a fit, those over all pairs first; intervals are pairs of numbers."""
        import pyarrow

        names = [one.name for one in fields(ReconstructionFit)]
        rows = self.fits + self.bands
        return pyarrow.table({name: [getattr(row, name) for row in rows] for name in names})

    def __str__(self) -> str:
        head = f"{'product':<7}  {'target':<16} {'rarer word':>18} {'pairs':>12} {'slope':>8} {'R²':>7}"
        lines = [f"{head} {'mean residual':>14} {'rms':>8}"]
        lines += [
            f"{one.product:<7}  {one.target:<16} {f'{one.low:,}–{one.high:,}':>18} {one.pairs:>12,}"
            f" {one.slope:>8.4f} {one.r_squared:>7.4f} {one.mean_residual:>14.4f} {one.rms_residual:>8.4f}"
            for one in self.fits + self.bands
        ]
        return "\n".join(lines)


@door
def reconstruction(
    model: TrainedModel | Embedding,
    counts: Cooccurrence,
    *,
    shift: float | None = None,
    smoothing: float | None = None,
) -> Reconstruction:
    """Compare products of vectors with what the model's objective asks of them, over all stored pairs.

    GloVe asks for ``w·w̃ = log X − b − b̃``, skip-gram with K negatives for ``PMI − log K``, PPMI-SVD for
    ``max(0, PMI − log shift)``. Every product is compared with PMI too, and so are the words' vectors alone.

    Args:
        model: of :func:`gpuemb.train`, ``runs.models[0]``; or any table of vectors, which has no contexts.
        counts: whose pairs are visited; of a skip-gram, counts with its window and weighting="linear".
        shift: PMI is lowered by its logarithm; None for the recipe's: negatives, or shift; 1 without.
        smoothing: exponent of PMI's context distribution; None for the recipe's: ns_exponent, or
            smoothing; 1 without.

    Returns:
        Slope, R² and residual with intervals, of all pairs and by the count of the rarer word.

    Raises:
        VocabularyError: the model has none of the counted words.
        ConfigError: a shift that is not positive, or a smoothing outside 0 to 16.
        MemoryBudgetError: two float64 copies of the vectors do not fit.

    Cost: ``4·d`` flops a pair in float64, and 30 sums a pair; each worker holds 64 MB. Source: Pennington
    (2014); Levy and Goldberg (2014); Definitions §1.

    Example:
        >>> counts = ge.count_cooccurrences(ge.read_corpus("pets.txt"))
        >>> model = ge.train(counts, ge.PPMISVD(dim=10), seeds=[0]).models[0]
        >>> found = ge.reconstruction(model, counts)
        >>> found.fits[0].product, found.fits[0].target, round(found.fits[0].slope, 3), round(found.value, 3)
        ('w·w̃', 'PPMI', 1.0, 1.0)
    """
    lowered, exponent = _options(model, shift, smoothing)
    rows = rows_of_words(model, counts)
    tables, targets = _tables(model, rows), _targets(model, lowered, exponent)
    occurs = np.maximum(counts.vocabulary.counts, 1)
    band = np.floor(np.log10(occurs) + 1e-12).astype(np.int64)
    many = int(band.max()) + 1
    sums = sum_pairs(counts, tables, targets, band, many)
    ends = [(int(occurs.min()), int(occurs.max()))]
    ends += [(10**power, min(10 ** (power + 1) - 1, ends[0][1])) for power in range(many)]
    fits = [
        _fit(key, ends[which], *_chosen(sums, key, which)) for key in sums.sums for which in range(many + 1)
    ]
    filled = tuple(one for place, one in enumerate(fits) if place % (many + 1) and one.pairs)
    whole = tuple(fits[:: many + 1])
    return Reconstruction(whole[0].r_squared, whole, filled, lowered, exponent, int((rows < 0).sum()))


def rows_of_words(model: TrainedModel | Embedding, counts: Cooccurrence) -> Int64:
    """Return ``(V,)`` the model's row of each counted word, −1 where it has none.

    Raises:
        VocabularyError: it has none of them.
    """
    known, words = model.index_to_key, counts.vocabulary.words
    if len(known) == len(words) and tuple(known) == words:
        return np.arange(len(words))
    places = {word: row for row, word in enumerate(known)}
    rows = np.array([places.get(word, -1) for word in words], np.int64)
    if not (rows >= 0).any():
        raise VocabularyError(
            f"reconstruction: none of the {len(words)} counted words is among the model's {len(known)}",
            needed="Model and counts share words, such as those of one corpus.",
            remedy="Use the counts that the model was trained on.",
        )
    return rows


def _options(
    model: TrainedModel | Embedding, shift: float | None, smoothing: float | None
) -> tuple[float, float]:
    recipe = model.recipe if isinstance(model, TrainedModel) else None
    if shift is None:
        shift = recipe.shift if isinstance(recipe, PPMISVD) else 1.0
        shift = float(recipe.negatives) if isinstance(recipe, SkipGram) else shift
    if smoothing is None:
        smoothing = recipe.smoothing if isinstance(recipe, PPMISVD) else 1.0
        smoothing = recipe.ns_exponent if isinstance(recipe, SkipGram) else smoothing
    if not (shift > 0 and math.isfinite(shift)):
        raise ConfigError(
            f"reconstruction: shift = {shift}",
            needed="A positive number is needed: PMI is lowered by its logarithm.",
            remedy="Leave shift out to use the recipe's.",
        )
    check_at_least("reconstruction", "smoothing", smoothing, 0)
    check_at_most("reconstruction", "smoothing", smoothing, LARGEST_SMOOTHING)
    return shift, smoothing


def _tables(model: TrainedModel | Embedding, rows: Int64) -> PairTables:
    if not isinstance(model, TrainedModel):
        words = widened(to_host(model.vectors), rows)
        return PairTables(words, {ALONE: words}, None, rows >= 0)
    words = widened(model.words, rows)
    right = {OWN: widened(model.contexts, rows), ALONE: words}
    if model.word_biases is None or model.context_biases is None:
        return PairTables(words, right, None, rows >= 0)
    biases = np.stack([widened(one, rows) for one in (model.word_biases, model.context_biases)])
    return PairTables(words, right, biases, rows >= 0)


def _targets(model: TrainedModel | Embedding, shift: float, smoothing: float) -> Targets:
    """The model's own target first, then PMI, then what it is lowered to."""
    lowered = (f"PMI − log {shift:g}",) if shift != 1 else ()
    own: tuple[str, ...] = ()
    if isinstance(model, TrainedModel):
        own = {PPMISVD: (PPMI,), SkipGram: lowered}.get(type(model.recipe), (BIASED,))
    return Targets(tuple(dict.fromkeys((*own, PMI, *lowered))), math.log(shift), smoothing)


def _chosen(sums: BlockSums, key: tuple[str, str], which: int) -> tuple[Float64, Float64]:
    """Pairs and sums by blocks, of all bands (0) or of one."""
    bands = slice(None) if which == 0 else slice(which - 1, which)
    return sums.pairs[bands].sum(axis=0), sums.sums[key][:, bands].sum(axis=1)


def _fit(key: tuple[str, str], ends: tuple[int, int], pairs: Float64, sums: Float64) -> ReconstructionFit:
    everything = np.concatenate([pairs[None], sums])
    left_out = everything.sum(axis=(1, 2))[:, None] - everything.sum(axis=1) - everything.sum(axis=2)
    left_out += np.einsum("tbb->tb", everything)
    value, others = _numbers(everything.sum(axis=(1, 2))[:, None])[:, 0], _numbers(left_out)

    def interval(number: int, values: Range) -> tuple[float, float]:
        return jackknife_interval(float(value[number]), others[number], values)

    slope, intercept, r_squared, mean, rms = map(float, value)
    return ReconstructionFit(
        *key,
        *ends,
        round(float(pairs.sum())),
        slope,
        intercept,
        r_squared,
        mean,
        rms,
        interval(0, ANY),
        interval(2, SHARE),
        interval(3, ANY),
        interval(4, DISTANCE),
    )


def _numbers(sums: Float64) -> Float64:
    """Slope, intercept, R², mean and rms residual ``(5, n)`` of sums ``(6, n)``; NaN where there is none.

    The product is y + e, so what is summed is the residual: it keeps its digits where both are near.
    """
    pairs, y, e, yy, ye, ee = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.where(pairs > 0.5, pairs, np.nan)
        mean_y, mean_e = y / count, e / count
        spread, together = yy / count - mean_y**2, ye / count - mean_y * mean_e
        spread = np.where(spread > 1e-12 * yy / count, spread, np.nan)  # all targets are one number
        slope = 1 + together / spread
        of_product = spread + 2 * together + np.maximum(ee / count - mean_e**2, 0)
        r_squared = np.clip(slope**2 * spread / of_product, 0, 1)
        found: Float64 = np.stack(
            [slope, mean_e - (slope - 1) * mean_y, r_squared, mean_e, np.sqrt(ee / count)]
        )
    return found
