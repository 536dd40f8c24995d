"""One measure for every pair of runs, as a map."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.pictures.drawings import Drawing
from gpuemb.pictures.style import INK, shades
from gpuemb.report.numbers import MISSING, number
from gpuemb.stability.result import PairMeasure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 2.9, 2.75  # inches: a quarter of a page
LARGEST_ANNOTATED = 12  # runs; above it the cells are too small for numbers
LIKE_OVERLAP = ("jaccard", "rank_biased_overlap", "average_overlap", "rank_similarity")  # the table has them
SHORT = re.compile(r"[\w.-]{1,8}")  # a name that fits beside a cell, and is no formula to Matplotlib
CELL_CHARACTERS = 5  # as many fit a cell in full size


def heat_maps(measures: Sequence[PairMeasure], runs: Sequence[str], of: str) -> tuple[Drawing, ...]:
    """Draw pair measures as ``S×S`` maps, but those that look as overlap does; stronger is more alike.

    Args:
        measures: each with its ``(S, S)`` values.
        runs: their ``S`` names.
        of: what the runs are of, for people.
    """
    return tuple(heat_map(one, runs, of) for one in measures if one.measure not in LIKE_OVERLAP)


def heat_map(measure: PairMeasure, runs: Sequence[str], of: str) -> Drawing:
    """Draw one measure for every pair of runs."""
    values, count = measure.values, len(measure.values)
    low, high = _limits(measure)
    word, names = short_names(runs)
    numbered = ""
    if not all(map(SHORT.fullmatch, names)):  # of files, say
        listed = [f"{place} {name}" for place, name in enumerate(names, 1)]
        numbered = f" {', '.join(listed[:LARGEST_ANNOTATED])}{', …' * (count > LARGEST_ANNOTATED)}."
        word, names = "number", [str(place) for place in range(1, count + 1)]

    def draw(axes: Axes) -> None:
        map_ = shades() if measure.higher_is_closer else shades().reversed()
        image = axes.imshow(values, cmap=map_, vmin=low, vmax=high, interpolation="nearest")
        axes.spines[:].set_visible(False)
        step = 1 if count <= LARGEST_ANNOTATED else math.ceil(count / 8)
        axes.set_xticks(range(0, count, step), names[::step])
        axes.set_yticks(range(0, count, step), names[::step])
        axes.tick_params(length=0, labelsize=8)
        axes.set_xlabel(word or "run", fontsize=8)
        if count <= LARGEST_ANNOTATED:
            _annotate(axes, image, values, high)
        else:
            bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, aspect=24)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=8, width=0.5)

    ends = (measure.known.min(), measure.known.max()) if len(measure.known) else (math.nan, math.nan)
    lowest, highest, said = (number(float(x)) for x in (*ends, measure.estimate.value))
    lost = f" {measure.undefined}." if measure.undefined else ""
    return Drawing(
        measure.measure,
        measure.title,
        f"{measure.preparation.capitalize()} rows; mean {said}.{lost}{numbered}",
        f"{measure.title} for every compared pair of {count} runs of {of}: from {lowest} to {highest}, mean"
        f" {said}.",
        draw,
        of,
        WIDTH,
        HEIGHT,
        "measures",
    )


def short_names(runs: Sequence[str]) -> tuple[str, list[str]]:
    """Return the word that all names of runs begin with, empty if none, and each name without it."""
    parts = [run.rpartition(" ") for run in runs]
    if len({word for word, _, _ in parts}) > 1:
        return "", list(runs)
    return parts[0][0], [rest for _, _, rest in parts]


def _limits(measure: PairMeasure) -> tuple[float, float]:
    finite = measure.values[np.isfinite(measure.values)]
    lowest = min(0.0, float(finite.min())) if len(finite) else 0.0
    highest = float(finite.max()) if len(finite) else 1.0
    if measure.higher_is_closer and highest <= 1 + 1e-6:
        return lowest, 1.0
    return lowest, highest if highest > lowest else lowest + 1.0


def _annotate(axes: Axes, image: Any, values: Float64, high: float) -> None:
    decimals = min(5, max(0, 3 - math.ceil(math.log10(high))))
    size = 8.5 if len(values) <= 5 else 7.0 if len(values) <= 8 else 5.2
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, opacity = image.cmap(image.norm(value))
        dark = opacity > 0 and 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
        text = _cell(float(value), decimals)
        fitted = size * min(1.0, CELL_CHARACTERS / len(text))
        axes.text(
            column, row, text, ha="center", va="center", fontsize=fitted, color="white" if dark else INK
        )


def _cell(value: float, decimals: int) -> str:
    """As many decimals as the scale bears; what rounds to a whole 0 or 1 loses them."""
    text = f"{value:,.{decimals}f}".replace("-", "−")
    zero, one = f"{0:.{decimals}f}", f"{1:.{decimals}f}"
    return {zero: "0", f"−{zero}": "0", one: "1", "nan": MISSING}.get(text, text)
