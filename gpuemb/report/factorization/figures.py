"""What the spectrum and the open choice of a factorization look like."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float32
from gpuemb.pictures.style import BLUE, HAIRLINE, INK, MUTED, ORANGE, Plot, drawing
from gpuemb.report.factorization.described import Described
from gpuemb.report.factorization.picture import Panel, borders, cosine_plots
from gpuemb.report.numbers import number, part, plural, whole

WIDTH, HEIGHT = 4.8, 3.3  # inches: half a page
DASHED = (0, (4, 3))


def picture(found: Described) -> tuple[Plot, Plot]:
    """Cosines of the columns of X and by each solution, on light and dark paper."""
    shown = f"{plural(len(found.items), 'item')} of most users" if _some(found) else "all items"
    panels = [Panel("columns of X", found.columns, ((shown,), ("no factorization",)))]
    for one, drawn in zip(found.solutions, found.panels, strict=True):
        title = f"{one.title} (rank {drawn.effective_rank})" if one.name == "objective 2" else one.title
        panels.append(
            Panel(title, drawn.cosines, ((_mean_cosine(drawn.cosines),), (_shared(found, one.name),)))
        )
    return cosine_plots("factorization", panels, borders(found.groups))


def spectrum(found: Described) -> Plot:
    """Draw the singular values, and what each objective keeps of them."""
    second = next(one.factors for one in found.solutions if one.name == "objective 2")
    first = found.plain.factors
    values, ranks = first.singular_values, np.arange(1, first.rank + 1)
    with drawing("spectrum of X", WIDTH, HEIGHT) as (axes, svg):
        axes.plot(ranks, values, color=INK, linewidth=1.4, marker="o", markersize=2.6, label="σ of X")
        axes.plot(ranks, first.shrinkage * values, color=BLUE, linewidth=1.4, label="kept by objective 1")
        kept = second.shrinkage > 0
        axes.plot(
            ranks[kept],
            (second.shrinkage * values)[kept],
            color=ORANGE,
            linewidth=1.4,
            label="by objective 2",
        )
        axes.axhline(second.penalty, color=MUTED, linewidth=0.9, linestyle=DASHED)
        axes.set_yscale("log")
        axes.set(xlabel="axis", ylabel="singular value")
        axes.figure.legend(loc="outside upper left", ncols=3, fontsize=9, handlelength=1.4, labelcolor=INK)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        drawn = svg()
    return Plot(
        "spectrum",
        f"Objective 2 keeps {part(second.effective_rank, first.rank)} of {whole(first.rank)} axes",
        "Objective 1 multiplies every axis by 1/(1 + λ/σ²); objective 2 keeps an axis only where σ is above"
        f" its λ = {number(second.penalty)}, the dashed line.",
        f"Singular values from {number(float(values[0]))} down to {number(float(values[-1]))}; objective 2"
        f" keeps {second.effective_rank} of them.",
        drawn,
    )


def open_choice(found: Described) -> Plot:
    """Draw how many neighbors survive along each family of D."""
    table, k = found.ambiguity.along.to_pydict(), found.k
    families = list(dict.fromkeys(table["family"]))
    rows = np.array(table["family"])
    value, survive = np.array(table["value"]), k * np.array(table["survive"])
    with drawing("open choice", WIDTH, HEIGHT) as (axes, svg):
        for family, color in zip(families, (BLUE, ORANGE), strict=True):
            own = rows == family
            axes.plot(
                value[own], survive[own], color=color, linewidth=1.6, marker="o", markersize=3, label=family
            )
        axes.axhline(
            k * found.ambiguity.chance,
            color=MUTED,
            linewidth=1,
            linestyle=DASHED,
            label=f"chance {number(k * found.ambiguity.chance)}",
        )
        axes.set(xlabel="t", ylabel=f"of {k} nearest items as with D = 1")
        axes.set_ylim(-0.03 * k, 1.05 * k)
        axes.figure.legend(loc="outside upper left", ncols=3, fontsize=9.5, handlelength=1.6, labelcolor=INK)
        axes.grid(axis="y", color=HAIRLINE, linewidth=0.6)
        drawn = svg()
    least = float(np.nanmin(survive)) if np.isfinite(survive).any() else float("nan")
    return Plot(
        "open choice",
        f"Down to {part(least, k)} of {k} neighbors survive another D",
        "Every D gives the same product, loss and predictions; t = 0 is D = 1, and s = 1/(1 + λ/σ²).",
        f"Share of the nearest items of D = 1 that stay along {' and '.join(families)}: at least"
        f" {part(least, k)} of {k}.",
        drawn,
    )


def _some(found: Described) -> bool:
    return len(found.items) < len(found.data.items)


def _mean_cosine(cosines: Float32) -> str:
    pairs = cosines[np.triu_indices(len(cosines), 1)].astype(np.float64)
    pairs = pairs[np.isfinite(pairs)]
    return f"mean cosine {number(float(pairs.mean()))}" if len(pairs) else "no cosines"


def _shared(found: Described, name: str) -> str:
    if name == found.original.name:
        return "depends on no D"
    shared = next(one for one in found.solutions if one.name == name).shared(found.original)
    known = shared[np.isfinite(shared)]
    if not len(known):
        return "no neighbors"
    return f"{part(found.k * float(known.mean()), found.k)} of {found.k} nearest as in the original space"
