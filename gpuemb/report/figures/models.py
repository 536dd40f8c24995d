"""What a model's stability looks like."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.power_law import PowerLaw, default_ranks, fit_power_law
from gpuemb.pictures.drawings import Drawing, legend_above
from gpuemb.pictures.style import BLUE, HAIRLINE, INK, ORANGE, shades
from gpuemb.report.figures.labels import name_outliers
from gpuemb.report.numbers import hundredths, number, part, percent, plural, whole
from gpuemb.report.overlaps import overlap_of
from gpuemb.report.trend import frequency_trend
from gpuemb.stability.result import ModelResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COSINE_BINS = 80
COUNT_BINS = 36
LEAST_SHARE = 1e-15  # of the variance; below it an eigenvalue is rounding
BAND_BINS = 18
DASHED = (0, (4, 3))
LEAST_IN_BIN = 15  # words from which quartiles are worth drawing
FINE_PAIRS = 6  # pairs of runs from which overlap has enough levels for two bins a neighbor


def stability(model: ModelResult) -> Drawing:
    """Draw how many words keep how many of their neighbors."""
    name, k = model.config.name, model.neighbor_ids.shape[2]
    kept = k * model.words.overlap[np.isfinite(model.words.overlap)]
    if not len(kept):
        return nothing("stability", f"Neighbors kept: {name}")
    step = _step(k, len(model.runs))
    half = float(np.mean(kept >= k / 2 - 1e-9))

    def draw(axes: Axes) -> None:
        edges = np.arange(-step / 2, k + step, step)
        cells, _ = np.histogram(kept, edges)
        axes.bar(edges[:-1] + step / 2, cells, width=0.86 * step, color=BLUE, alpha=0.55)
        axes.axvline(
            float(kept.mean()),
            color=BLUE,
            linewidth=1.2,
            linestyle=DASHED,
            label=f"mean {part(float(kept.mean()), k)}",
        )
        _chance(axes.axvline, model)
        legend_above(axes)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        axes.set(xlabel=f"of {k} neighbors kept, mean over pairs of runs", ylabel="words")
        axes.set_xlim(-0.6, k + 0.6)
        axes.yaxis.set_major_formatter(lambda y, _: whole(y))

    return Drawing(
        "stability",
        f"{percent(half)} of the words keep half of their neighbors or more",
        "Words at the right kept their neighbors from run to run; words at the left came out with other"
        " neighbors.",
        f"Histogram of how many of {k} neighbors the words of {name} keep: mean"
        f" {part(float(kept.mean()), k)}.",
        draw,
        name,
        table="words",
    )


def alignment(model: ModelResult) -> Drawing:
    """Draw how alike a word's vectors are in two runs, before and after the best rotation."""
    name, words = model.config.name, model.words
    before = words.unaligned_cosine[np.isfinite(words.unaligned_cosine)]
    after = words.aligned_cosine[np.isfinite(words.aligned_cosine)]
    if not (len(before) and len(after)):
        return nothing("alignment", f"Before and after rotation: {name}")
    means = float(before.mean()), float(after.mean())

    def draw(axes: Axes) -> None:
        lowest = min(-0.2, float(before.min()), float(after.min()))
        bins = np.linspace(lowest, 1.0 + 1e-9, COSINE_BINS).tolist()
        for values, color, label in ((before, ORANGE, "before rotation"), (after, BLUE, "after rotation")):
            axes.hist(np.clip(values, lowest, 1.0), bins=bins, histtype="stepfilled", color=color, alpha=0.3)
            axes.hist(np.clip(values, lowest, 1.0), bins=bins, histtype="step", color=color, linewidth=1.3)
            axes.axvline(
                float(values.mean()),
                color=color,
                linewidth=1,
                linestyle=DASHED,
                label=f"{label}, mean {hundredths(float(values.mean()))}",
            )
        legend_above(axes)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        axes.set(xlabel="cosine of the word’s vectors in two runs, mean over pairs", ylabel="words")
        axes.set_xlim(lowest, 1.02)
        axes.yaxis.set_major_formatter(lambda y, _: whole(y))

    return Drawing(
        "alignment",
        f"Mean cosine {hundredths(means[0])} before, {hundredths(means[1])} after the best rotation",
        "The coordinates of a run are arbitrary: two runs are comparable only after the rotation that"
        " fits one to the other best; a word whose blue value stays low differs between the runs.",
        f"Histogram of the cosine between a word’s vectors in two runs of {name}: mean"
        f" {hundredths(means[0])} before rotation, {hundredths(means[1])} after.",
        draw,
        name,
        table="words",
    )


def frequency(model: ModelResult, vocabulary: Vocabulary) -> Drawing:
    """Draw stability against how often a word occurs, and name words far from those of their frequency."""
    counts = vocabulary.counts
    known = np.isfinite(model.words.overlap) & (counts > 0)
    k, name = model.neighbor_ids.shape[2], model.config.name
    if not known.any():
        return nothing("frequency", f"Stability and frequency: {name}")
    x, y = np.log10(counts[known].astype(np.float64)), model.words.overlap[known]
    place, quartiles = _quartiles(x, k * y)
    middle = quartiles[:, 1]

    def draw(axes: Axes) -> None:
        _density(axes, x, k * y, k, len(model.runs))
        _band(axes, place, quartiles)
        words = [vocabulary.words[word] for word in np.flatnonzero(known)]
        name_outliers(axes, x, k * y, words, _bins(x))
        _chance(axes.axhline, model)
        legend_above(axes, columns=3)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        axes.set(xlabel="occurrences of the word", ylabel=f"of {k} neighbors kept")
        axes.set_ylim(-0.04 * k, 1.04 * k)
        axes.xaxis.set_major_formatter(lambda power, _: whole(10**power))
        axes.xaxis.set_major_locator(_powers(x))

    return Drawing(
        "frequency",
        _trend(model.words.overlap[known], counts[known]),
        "The color of a cell is the stronger the more words fall into it; the line is the median of words of"
        " similar frequency and the band holds the middle half of them. Named are the words farthest from"
        " that median.",
        f"Neighbors kept by each word of {name} against how often it occurs: from"
        f" {part(middle[0], k)} of {k} for the rarest to {part(middle[-1], k)} for the most frequent"
        " (medians).",
        draw,
        name,
        table="words",
    )


def spectra(model: ModelResult) -> Drawing:
    """Draw how each run's variance is spread over its directions."""
    name, found = model.config.name, model.spectra
    totals = found.eigenvalues.sum(axis=1, keepdims=True)
    shares = found.eigenvalues / np.where(totals > 0, totals, np.nan)
    ratio = found.participation_ratio[np.isfinite(found.participation_ratio)]
    if not len(ratio):
        return nothing("spectra", f"Spectra: {name}")
    said = number(float(ratio.mean()))
    low, high = number(float(ratio.min())), number(float(ratio.max()))
    law, fitted = _power_law(shares)

    def draw(axes: Axes) -> None:
        ranks = np.arange(1, shares.shape[1] + 1)
        for s, share in enumerate(shares):
            axes.plot(
                ranks,
                np.where(share > LEAST_SHARE, share, np.nan),
                color=BLUE,
                linewidth=1.1,
                alpha=0.65,
                label="one line a run" if s == 0 else None,
            )
        spread = "" if low == high else f" ({low} to {high})"
        axes.axvline(
            float(ratio.mean()),
            color=ORANGE,
            linewidth=1.2,
            linestyle=DASHED,
            label=f"participation ratio {said}{spread}",
        )
        if fitted is not None:
            axes.plot(
                *fitted,
                color=INK,
                linewidth=1.2,
                linestyle=":",
                label=f"Zipf exponent {hundredths(law.exponent)}",
            )
        axes.set_yscale("log")
        _percent_axis(axes, shares)
        axes.set(xlabel="direction, by rank", ylabel="share of the variance")
        axes.set_xlim(0, shares.shape[1] + 1)
        legend_above(axes)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)

    return Drawing(
        "spectra",
        f"The variance fills about {said} of {plural(shares.shape[1], 'dimension')}",
        "Lines that lie on each other mean that every run found the same spectrum; the participation"
        f" ratio counts the directions that carry the variance.{_said(law)}",
        f"Share of the variance by direction for {len(shares)} runs of {name}; participation ratio"
        f" {low} to {high}.",
        draw,
        name,
    )


def _power_law(shares: Float64) -> tuple[PowerLaw, tuple[Float64, Float64] | None]:
    """Zipf's law of the runs' mean shares, and its line over the ranks it was fitted to."""
    mean = np.nanmean(shares, axis=0)
    law = fit_power_law(mean, default_ranks(len(mean)), missing="nan", zero=LEAST_SHARE)
    if math.isnan(law.exponent):
        return law, None
    ranks = np.arange(law.ranks[0], law.ranks[1] + 1).astype(np.float64)
    used = np.log(mean[law.ranks[0] - 1 : law.ranks[1]])
    start = float(np.mean(used + law.exponent * np.log(ranks)))
    return law, (ranks, np.exp(start - law.exponent * np.log(ranks)))


def _said(law: PowerLaw) -> str:
    if math.isnan(law.exponent):
        return ""
    return (
        f" The dotted line is Zipf’s law fitted to ranks {law.ranks[0]} to {law.ranks[1]}: exponent"
        f" {hundredths(law.exponent)}, R² {hundredths(law.r_squared)}."
    )


def _density(axes: Axes, x: Float64, kept: Float64, k: int, runs: int) -> None:
    """Bins centered on whole (or half) neighbors, so that the steps of overlap make no stripes."""
    from matplotlib.colors import LogNorm

    step = _step(k, runs)
    rows = np.arange(-step / 2, k + step, step)
    columns = np.linspace(x.min() - 0.02, x.max() + 0.02, COUNT_BINS)
    cells, _, _ = np.histogram2d(x, kept, bins=(columns, rows))
    axes.pcolormesh(
        columns,
        rows,
        np.where(cells > 0, cells, np.nan).T,
        cmap=shades(),
        norm=LogNorm(0.6, max(2.0, cells.max())),
        rasterized=True,
    )


def _quartiles(x: Float64, kept: Float64) -> tuple[Float64, Float64]:
    """``(B,)`` where words of like frequency stand, rarest first, and their ``(B, 3)`` quartiles."""
    bins = _bins(x)
    place = np.array([np.median(x[members]) for members in bins])
    return place, np.array([np.percentile(kept[members], (25, 50, 75)) for members in bins])


def _band(axes: Axes, place: Float64, quartiles: Float64) -> None:
    low, middle, high = quartiles.T
    axes.fill_between(place, low, high, color=INK, alpha=0.16, linewidth=0, label="middle half")
    axes.plot(place, middle, color=INK, linewidth=1.6, marker="o", markersize=2.6, label="median")


def _bins(x: Float64) -> list[Any]:
    """Words by equal steps of the logarithm of their count; a bin with few words joins the next."""
    edges = np.linspace(x.min(), x.max(), BAND_BINS + 1)[1:-1]
    bin_of = np.searchsorted(edges, x, side="right")
    made: list[Any] = []
    waiting = np.zeros(len(x), bool)
    for b in range(BAND_BINS):
        waiting = waiting | (bin_of == b)
        if np.count_nonzero(waiting) >= LEAST_IN_BIN:
            made.append(waiting)
            waiting = np.zeros(len(x), bool)
    if waiting.any() and made:
        made[-1] = made[-1] | waiting
    return made or [waiting]


def _trend(overlap: Float64, counts: Int64) -> str:
    trend = frequency_trend(overlap, counts)
    if trend is not None and trend.direction:
        return f"{'Frequent' if trend.direction > 0 else 'Rare'} words are the more stable ones"
    if trend is None or trend.unsure:
        return "Stability and frequency"
    return "Stability does not simply follow frequency"


def _powers(x: Float64) -> Any:
    from matplotlib.ticker import FixedLocator, MaxNLocator

    whole_powers = np.arange(math.ceil(x.min()), math.floor(x.max()) + 1)
    return FixedLocator(whole_powers.tolist()) if len(whole_powers) > 1 else MaxNLocator(3)


def _percent_axis(axes: Axes, shares: Float64) -> None:
    """Ticks at 1, 2 and 5 where the range is short, at powers of ten where it is long."""
    from matplotlib.ticker import LogLocator, NullLocator

    drawn = shares[shares > LEAST_SHARE]
    long = float(drawn.max()) > 200 * float(drawn.min())
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if long else (1.0, 2.0, 5.0), numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.{max(0, -math.floor(math.log10(y)) - 2)}f}%")


def _chance(line: Callable[..., object], model: ModelResult) -> None:
    """Draw the neighbors that two unrelated runs would share, across the figure."""
    measure, k = overlap_of(model), model.neighbor_ids.shape[2]
    if measure is not None and measure.chance is not None:
        line(
            k * measure.chance,
            color=ORANGE,
            linewidth=1.2,
            linestyle=DASHED,
            label=f"chance {number(k * measure.chance)}",
        )


def _step(k: int, runs: int) -> float:
    """Width of a bin in neighbors: half of one, or one where overlap has too few levels for halves."""
    return 0.5 if k > 1 and runs * (runs - 1) // 2 >= FINE_PAIRS else 1.0


def nothing(name: str, title: str) -> Drawing:
    """A figure of words that no two runs have in common."""
    why = "There is nothing to draw: no word has a vector in two runs."
    return Drawing(name, title, why, why, None)
