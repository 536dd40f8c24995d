"""What training looks like: the loss of every run, and how soon neighbors are those of the end."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Float64
from gpuemb.pictures.drawings import Drawing, legend_above, whole_ticks
from gpuemb.pictures.style import BLUE, HAIRLINE, INK, MUTED, ORANGE
from gpuemb.report.numbers import number, percent, plural
from gpuemb.stability.questions.training import NAMES, SETTLED
from gpuemb.stability.result import ModelResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from gpuemb.stability.questions.answer import Answer

BANDS = ((BLUE, "o", "-"), (ORANGE, "s", "--"), (INK, "^", ":"), (MUTED, "D", "-."), (BLUE, "v", ":"))
DASHED = (0, (4, 3))
LEAST_EPOCHS = 2  # one loss is no line


def losses(model: ModelResult) -> Drawing | None:
    """Draw the loss of every epoch of every run; None of a model without epochs."""
    lines = [line for line in model.histories.losses if len(line) >= LEAST_EPOCHS]
    if not lines:
        return None
    held_out = [line for line in model.histories.held_out if len(line) >= LEAST_EPOCHS]
    name, epochs = model.config.name, len(lines[0])

    def draw(axes: Axes) -> None:
        _lines(axes, lines, BLUE, "training, a line a run")
        _lines(axes, held_out, ORANGE, "held out")
        axes.set(xlabel="epoch", ylabel="mean loss")
        whole_ticks(axes)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        legend_above(axes)

    first, last = (float(np.mean([line[place] for line in lines])) for place in (0, -1))
    before = float(np.mean([line[-2] for line in lines]))
    change = abs(before - last) / abs(before) if before else 0.0
    still = f"the last epoch {'lowered' if last < before else 'raised'} it by {percent(change)}"
    return Drawing(
        "losses",
        f"The loss went from {number(first)} to {number(last)}; {still}",
        "Mean loss of each epoch. Lines that lie on each other mean that runs learned equally well, which"
        " does not mean that they learned the same. All losses are in training.parquet.",
        f"Loss of {plural(len(lines), 'run')} of {name} over {epochs} epochs: from {number(first)} to"
        f" {number(last)}.",
        draw,
        name,
    )


def _lines(axes: Axes, lines: Sequence[Float64], color: str, label: str) -> None:
    for place, line in enumerate(lines):
        axes.plot(
            np.arange(1, len(line) + 1),
            line,
            color=color,
            linewidth=1.2,
            alpha=0.65,
            label=label if place == 0 else None,
        )


def settling(answer: Answer) -> tuple[Drawing, ...]:
    """Draw how soon words of like frequency have their final neighbors, a figure a model."""
    rows = answer.tables["epochs"].to_pylist()
    return tuple(_settled(model, list(found)) for model, found in groupby(rows, key=lambda row: row["model"]))


def _settled(model: str, rows: list[dict[str, float]]) -> Drawing:
    bands = [(int(band), list(found)) for band, found in groupby(rows, key=lambda row: row["band"])]

    def draw(axes: Axes) -> None:
        for (band, found), (color, marker, line) in zip(bands, BANDS, strict=False):
            place, value, low, high = (
                np.array([row[key] for row in found]) for key in ("epoch", "kept", "low", "high")
            )
            ends = np.nan_to_num(np.maximum([value - low, high - value], 0))
            look: dict[str, Any] = {
                "color": color,
                "marker": marker,
                "linestyle": line,
                "markersize": 3.5,
                "linewidth": 1.3,
            }
            label = NAMES[band - 1].removeprefix("the ")
            axes.errorbar(place, value, yerr=ends, elinewidth=0.9, capsize=2, label=label, **look)
        axes.axhline(SETTLED, color=MUTED, linewidth=0.9, linestyle=DASHED)
        axes.set(xlabel="epoch", ylabel="of the final neighbors")
        axes.set_ylim(0, 1.03)
        axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.0f}%")
        whole_ticks(axes)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        legend_above(axes)

    last = max(row["epoch"] for row in rows)
    there = [row["kept"] for row in rows if row["epoch"] == last]
    low, high = percent(min(there)), percent(max(there))
    said = low if low == high else f"{low} to {high}"
    return Drawing(
        f"settling-{model}",
        f"After epoch {last:g}, {said} of the final neighbors are there",
        "A line for each fifth of the words by frequency; bars are 95% intervals over runs. From the dashed"
        f" line on, {SETTLED:.0%}, neighbors are called settled.",
        f"Share of the final neighbors of {model} after each snapshot, by frequency: {said} after epoch"
        f" {last:g}.",
        draw,
        model,
        table="epochs",
    )
