"""What the answers of a study look like: trends over a setting, shares of the causes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.pictures.drawings import Drawing, legend_above
from gpuemb.pictures.style import BLUE, HAIRLINE, INK, MUTED, ORANGE
from gpuemb.report.figures.training import settling
from gpuemb.report.numbers import number, percent
from gpuemb.stability.questions.evidence import LOST, VARIANCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from gpuemb.stability.questions.answer import Answer

LINES = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (INK, "^", ":"), (MUTED, "D", "-."))
GOES = {1: "grows", -1: "falls", 0: "shows no sure trend"}
SUBJECTS = {VARIANCE: "The variance between runs", LOST: "The share of neighbors lost"}
AXES = {"dim": "dimensions", "fraction": "share of the text"}


def answer_figures(answer: Answer) -> tuple[Drawing, ...]:
    """Draw an answer; nothing for a question that has no figure."""
    draw = FIGURES.get(answer.question)
    return draw(answer) if draw else ()


def trends(answer: Answer) -> tuple[Drawing, ...]:
    """Draw each measure over the setting that was swept, a line a group of models."""
    levels = answer.tables["levels"].to_pylist()
    axis = answer.tables["levels"].column_names[1]
    directions = {
        (one["models"], one["measure"]): one["direction"] for one in answer.tables["trends"].to_pylist()
    }
    names = dict.fromkeys(row["measure"] for row in levels)
    return tuple(
        _trend(answer.question, axis, name, [row for row in levels if row["measure"] == name], directions)
        for name in names
    )


def _trend(
    question: str, axis: str, measure: str, rows: list[dict[str, Any]], directions: dict[tuple[str, str], int]
) -> Drawing:
    groups = [(group, list(found)) for group, found in groupby(rows, key=lambda row: row["models"])]
    said_axis = AXES.get(axis, axis)

    def draw(axes: Axes) -> None:
        for (group, found), (color, marker, line) in zip(groups, LINES, strict=False):
            place, value = ([row[key] for row in found] for key in (axis, "value"))
            ends = np.array(
                [[max(0.0, row["value"] - row["low"]), max(0.0, row["high"] - row["value"])] for row in found]
            )
            axes.errorbar(
                place,
                value,
                yerr=np.nan_to_num(ends).T,
                color=color,
                marker=marker,
                linestyle=line,
                markersize=4,
                linewidth=1.4,
                elinewidth=1,
                capsize=2.5,
                label=group,
            )
        _levels_axis(axes, sorted({row[axis] for row in rows}))
        axes.set(xlabel=said_axis, ylabel=measure)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        legend_above(axes)

    said = {directions.get((group, measure), 0) for group, _ in groups}
    goes = GOES[said.pop()] if len(said) == 1 else "goes its own way in each model"
    spans = "; ".join(
        f"{group}: " + ", ".join(f"{number(row['value'])} at {row[axis]:g}" for row in found)
        for group, found in groups
    )
    hidden = len(groups) - len(LINES)
    more = f" {hidden} further groups of models are in the table alone." if hidden > 0 else ""
    return Drawing(
        measure.replace(" ", "-"),
        f"{SUBJECTS.get(measure, measure)} {goes} with {said_axis}",
        "Each point is a model’s mean over pairs of runs; bars are 95% intervals, jackknife over runs."
        + more,
        f"{measure} against {said_axis}. {spans}.",
        draw,
        question,
        table="levels",
    )


def _levels_axis(axes: Axes, levels: list[float]) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    if levels[0] > 0 and levels[-1] >= 4 * levels[0]:
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(levels))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda level, _: f"{level:g}")


def causes(answer: Answer) -> tuple[Drawing, ...]:
    """Draw each cause's share in the variance between runs, a figure a group of models."""
    rows = [row for row in answer.tables["components"].to_pylist() if np.isfinite(row["share"])]
    groups = [(group, list(found)) for group, found in groupby(rows, key=lambda row: row["models"])]
    return tuple(_shares(answer, number, group, found) for number, (group, found) in enumerate(groups))


def _shares(answer: Answer, place: int, group: str, rows: list[dict[str, Any]]) -> Drawing:
    names = [NAMES.get(row["cause"], row["cause"]) for row in rows]
    shares = np.array([row["share"] for row in rows])
    ends = np.array([[row["share"] - row["share_low"], row["share_high"] - row["share"]] for row in rows])

    def draw(axes: Axes) -> None:
        axes.barh(
            names,
            shares,
            xerr=np.nan_to_num(np.maximum(ends, 0)).T,
            color=BLUE,
            alpha=0.75,
            height=0.62,
            error_kw={"ecolor": INK, "elinewidth": 1, "capsize": 3},
        )
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f}%")
        axes.set_xlabel("share of the variance between runs")
        axes.grid(axis="x", color=HAIRLINE, linewidth=0.6)

    largest = next(
        (one for one in answer.findings if one.about == group and one.measure == "largest cause"), None
    )
    title = f"The largest cause of variance in {group}: {names[0]}"
    if largest is None or not largest.holds:
        title = f"Which cause is the largest in {group} these runs do not tell"
    said = ", ".join(f"{name} {percent(share)}" for name, share in zip(names, shares, strict=True))
    return Drawing(
        f"shares-{place}",
        title,
        "Each cause varied alone; bars are shares of their sum, whiskers 95% intervals, jackknife over runs.",
        f"Shares of the variance between runs of {group}: {said}.",
        draw,
        group,
        height=0.9 + 0.5 * len(rows),
        table="components",
    )


NAMES = {"init": "initialization", "order": "order", "sampling": "sampling", "bootstrap": "documents"}
FIGURES: dict[str, Callable[[Answer], tuple[Drawing, ...]]] = {
    "dimension": trends,
    "data": trends,
    "causes": causes,
    "training": settling,
}
