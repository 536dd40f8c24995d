"""Neighbors kept among the first one, two, three, … against chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gpuemb.pictures.drawings import Drawing, legend_above, whole_ticks
from gpuemb.pictures.style import BLUE, HAIRLINE, ORANGE
from gpuemb.report.figures.models import DASHED, nothing
from gpuemb.report.numbers import number, percent
from gpuemb.report.overlaps import overlap_of
from gpuemb.stability.questions.depths import overlap_by_depth
from gpuemb.stability.result import ModelResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def depth(model: ModelResult) -> Drawing:
    """Draw the overlap of the first 1, 2, …, k neighbors of two runs, and what chance would leave."""
    name, k = model.config.name, model.neighbor_ids.shape[2]
    found = overlap_by_depth(model.neighbor_ids, halves=model.config.vary == "halves")
    value, low, high = (np.array([getattr(one, end) for one in found]) for end in ("value", "low", "high"))
    if not np.isfinite(value).all():
        return nothing("depth", f"Overlap by number of neighbors: {name}")
    measure = overlap_of(model)
    chance = math.nan if measure is None or measure.chance is None else measure.chance / k
    ranks = np.arange(1, k + 1)

    def draw(axes: Axes) -> None:
        if np.isfinite(low).all():
            axes.fill_between(ranks, low, high, color=BLUE, alpha=0.2, linewidth=0, label="95% interval")
        axes.plot(
            ranks, value, color=BLUE, linewidth=1.6, marker="o", markersize=3, label="mean of pairs of runs"
        )
        if chance > 0:
            axes.plot(ranks, chance * ranks, color=ORANGE, linewidth=1.2, linestyle=DASHED, label="chance")
        axes.set(xlabel="first neighbors compared", ylabel="share in both runs")
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(0.5, k + 0.5)
        axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f}%")
        whole_ticks(axes)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        legend_above(axes, columns=3)

    by_chance = f"; by chance {number(100 * chance * k)}%" if chance > 0 else ""
    first, whole = percent(float(value[0])), percent(float(value[-1]))
    title = f"Two runs agree on the nearest neighbor of {first} of the words"
    if k > 1:
        title += f", on {whole} of the first {k}"
    return Drawing(
        "depth",
        title,
        "The share of a word’s first 1, 2, 3, … neighbors that two runs have in common, mean over words and"
        " pairs of runs; the band is its 95% interval, jackknife over runs. The dashed line is what unrelated"
        " runs would share.",
        f"Overlap of neighbors of {name} by how many are compared: {first} of 1, {whole} of {k}{by_chance}.",
        draw,
        name,
        table="measures",
    )
