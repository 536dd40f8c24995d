"""Which words drifted beyond noise: effects against p-values, with the line of false discoveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.pictures.drawings import Drawing, legend_above
from gpuemb.pictures.style import BLUE, HAIRLINE, MUTED, ORANGE
from gpuemb.report.figures.labels import name_points
from gpuemb.report.numbers import percent, plural, whole
from gpuemb.stability.questions.drift.result import Drift, DriftMeasure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 12  # words
DASHED = (0, (4, 3))
LONG = 2.0  # powers of ten, from which the axis names whole ones
RASTERIZED = 1_500  # dots, from which they are an image


def volcano(found: Drift, one: DriftMeasure) -> Drawing:
    """Draw how far each word drifted against how unlikely that is by chance."""
    known = np.flatnonzero(np.isfinite(one.effect) & np.isfinite(one.p_value) & (one.p_value > 0))
    rate, between = one.discoveries.rate, " and ".join(found.groups)
    name = f"volcano-{one.measure.replace('_', '-')}"
    title = _title(one, rate)
    if not len(known):
        why = "There is nothing to draw: no word has a distance in every pair of runs."
        return Drawing(name, title, why, why, None)
    across, up = one.effect[known], -np.log10(one.p_value[known])
    drifted = one.drifted[known]
    line = _line(one, up, drifted)

    def draw(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        look: dict[str, Any] = {"linewidths": 0, "rasterized": len(known) > RASTERIZED, "zorder": 2}
        axes.scatter(
            across[~drifted], up[~drifted], s=7, color=MUTED, alpha=0.45, label="not beyond noise", **look
        )
        axes.scatter(across[drifted], up[drifted], s=10, color=ORANGE, alpha=0.8, label="drifted", **look)
        if line is not None:
            axes.axhline(
                line, color=BLUE, linewidth=1.2, linestyle=DASHED, label=f"false discoveries {percent(rate)}"
            )
        axes.axvline(0, color=HAIRLINE, linewidth=0.9, zorder=1)
        axes.set(xlabel="distance between groups less within", ylabel="p-value")
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=float(np.ptp(up)) > LONG))
        axes.yaxis.set_major_formatter(lambda y, _: f"{10.0**-y:.2g}")
        axes.margins(0.06)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        legend_above(axes, columns=3)
        order = np.lexsort((-across, ~drifted, -up))[: 5 * NAMED]
        chosen = [word for word in order.tolist() if drifted[word]]
        name_points(axes, across, up, [found.vocabulary[row] for row in known.tolist()], chosen, NAMED)

    where = (
        f"Above the line at most {percent(rate)} of the words are expected to be there by chance"
        f" (Benjamini-Hochberg over {whole(one.discoveries.tests)} words)."
        if line is not None
        else f"No line of {percent(rate)} false discoveries can be drawn: no word passes."
    )
    more = (
        ""
        if len(found.vocabulary) == len(known)
        else f" {whole(len(found.vocabulary) - len(known))} words are not tested."
    )
    return Drawing(
        name,
        title,
        f"A dot a word. Right: it differs more between {between} than runs of one do. High: few of the"
        f" {whole(found.labelings)} labelings of the runs give as much to words of like frequency."
        f" {where}{more}",
        f"{plural(one.discoveries.count, 'word')} of {whole(len(known))} drifted between {between} by"
        f" {one.title.lower()}.",
        draw,
        one.measure,
        width=6.4,
        height=4.4,
        table="words",
    )


def _title(one: DriftMeasure, rate: float) -> str:
    if not one.discoveries.count:
        return f"{one.title}: no word drifted beyond the noise of its runs"
    return (
        f"{one.title}: {whole(one.discoveries.count)} of {plural(one.discoveries.tests, 'word')} drifted"
        f" beyond noise ({percent(rate)} false discoveries)"
    )


def _line(one: DriftMeasure, up: Float64, drifted: np.ndarray) -> float | None:
    """Halfway between the last discovery and the next word; None without a discovery."""
    if not drifted.any():
        return None
    last = float(up[drifted].min())
    below = up[~drifted]
    return last if not len(below) else (last + min(last, float(below.max()))) / 2
