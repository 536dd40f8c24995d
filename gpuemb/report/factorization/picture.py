"""Cosines between items by equally good factors, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gpuemb.core.arrays import Float32, Float64, Int64
from gpuemb.core.checks import check_choice
from gpuemb.core.doors import door
from gpuemb.core.files import replacing
from gpuemb.factorization.experiment import CosineExperiment
from gpuemb.pictures.style import DARK, LIGHT, Plot, Theme, diverging, figure_in, svg_of
from gpuemb.report.numbers import MISSING, plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 9.6, 7.5  # inches: a whole page
COLUMNS = 3
LEVELS = 64  # colors: steps of 0.03 of a cosine
ON_PAGE = 144  # dots per inch of the squares in an SVG: a page holds twelve of them
PIXELS = 440  # a side of a panel; beyond, cells are means of cosines
FORMATS = ("png", "svg", "pdf")
TEXT, SPACING = 8.4, 1.5  # points, and lines
SECOND_COLUMN = 0.5  # of the side of a square
ABSENT = 0.35  # opacity of the hairline color where there is no cosine


@dataclass(frozen=True, eq=False)
class Panel:
    """One square of the picture.

    Attributes:
        title: above it.
        cosines: ``(q, q)``.
        lines: below it, each in one column or two.
    """

    title: str
    cosines: Float32
    lines: tuple[tuple[str, ...], ...]


@door
def write_cosine_picture(
    found: CosineExperiment, path: str | Path, *, theme: Literal["light", "dark"] = "light"
) -> Path:
    """Draw the cosines of an experiment beside the true clusters, and write the picture.

    Six squares: the true clusters, then each solution. Items stand in the same order in all of them: by true
    cluster, and by popularity in it.

    Args:
        found: what :func:`cosine_experiment` returned.
        path: the file; its ending says the format: ``.png``, ``.svg`` or ``.pdf``.
        theme: ``light`` or ``dark``.

    Returns:
        The path.

    Raises:
        ConfigError: another ending.
        StorageError: the file cannot be written.

    Example:
        >>> found = ge.cosine_experiment(seeds=[0], users=500, items=60, rank=10, penalty=100.0)
        >>> ge.write_cosine_picture(found, "clusters.png").name
        'clusters.png'
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    check_choice("write_cosine_picture", "the ending of path", kind, FORMATS)
    colors = {"light": LIGHT, "dark": DARK}[theme]
    with figure_in(colors, "cosines", WIDTH, HEIGHT) as figure:
        draw(figure, experiment_panels(found), borders(found.clusters), colors)
        figure.supxlabel(
            _legend(found), x=0.023, ha="left", fontsize=TEXT, color=colors.muted, linespacing=SPACING
        )
        with replacing(target) as file:
            stamp = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else {}
            figure.savefig(file, format=kind, facecolor=colors.paper, metadata=stamp)
    return target


def _legend(found: CosineExperiment) -> str:
    seeds = len(found.seeds)
    of = "of one simulation" if seeds == 1 else f"mean ± standard deviation of {seeds} simulations"
    return (
        f"Items stand by true cluster and popularity. Numbers: {of}.\n"
        "within, between: mean cosine of two items of one cluster, of two clusters; nearest: share of items"
        " whose nearest item is of their own cluster;\n"
        "Rand: adjusted Rand index of the true clusters and those of Ward’s tree on the cosines."
    )


def cosine_plots(name: str, panels: Sequence[Panel], cuts: Int64) -> tuple[Plot, Plot]:
    """Draw panels for a page, on light and on dark paper."""
    label = "; ".join(
        f"{one.title}: {', '.join(part for line in one.lines for part in line)}" for one in panels
    )
    made = []
    for theme in (LIGHT, DARK):
        with figure_in(theme, f"{name} {theme.paper}", WIDTH, HEIGHT) as figure:
            draw(figure, panels, cuts, theme)
            made.append(Plot(name, "", "", label, svg_of(figure, ON_PAGE)))
    return made[0], made[1]


def experiment_panels(found: CosineExperiment) -> tuple[Panel, ...]:
    """The true clusters, then every solution with its scores over all seeds."""
    own = found.clusters[:, None] == found.clusters
    exponents = found.first.exponents[np.unique(found.clusters)]
    truth = (
        (f"{plural(len(found.first.items), 'item')}, {plural(len(np.unique(found.clusters)), 'cluster')}",),
        (f"popularity ∝ rank$^{{−β}}$, β from {exponents.min():.2f} to {exponents.max():.2f}",),
    )
    values = {
        score: found.values(score) for score in ("within", "between", "adjusted_rand", "nearest_in_own")
    }
    panels = [Panel("true clusters", own.astype(np.float32), truth)]
    for place, one in enumerate(found.panels):
        within, between, rand, nearest = (_spread(each[place]) for each in values.values())
        ranks = found.ranks[place]
        kept = f"{ranks.min()}" if ranks.min() == ranks.max() else f"{ranks.min()}–{ranks.max()}"
        title = f"{one.title} (rank {kept})" if one.name == "objective 2" else one.title
        lines = (
            (f"within {within}", f"between {between}"),
            (f"Rand {rand}", f"nearest {nearest}"),
        )
        panels.append(Panel(title, one.cosines, lines))
    return tuple(panels)


def borders(clusters: Int64) -> Int64:
    """Rows at which another cluster begins."""
    return (np.flatnonzero(np.diff(clusters)) + 1).astype(np.int64)


def draw(figure: Figure, panels: Sequence[Panel], cuts: Int64, theme: Theme) -> None:
    """Draw the squares, three a row, with one scale."""
    rows = -(-len(panels) // COLUMNS)
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    figure.set_layout_engine("constrained", w_pad=0.14, h_pad=0.1, rect=(0, 0, 1, 0.985))
    for one, square in zip(panels, axes, strict=False):
        image = _square(square, one, cuts, theme)
    for square in axes[len(panels) :]:
        square.set_axis_off()
    bar = figure.colorbar(image, ax=list(axes), location="right", shrink=0.42, aspect=26, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_ticks([-1, 0, 1], labels=["−1", "0", "1"])
    bar.ax.set_title("cosine", fontsize=9, color=theme.muted, pad=8)
    bar.ax.tick_params(length=0, labelsize=9)


def _square(axes: Axes, one: Panel, cuts: Int64, theme: Theme) -> Any:
    cells = _thinned(one.cosines)
    colors = diverging(theme, LEVELS).with_extremes(bad=(*_rgb(theme.hairline), ABSENT))
    side = len(one.cosines)
    image = axes.imshow(
        cells,
        cmap=colors,
        vmin=-1,
        vmax=1,
        interpolation="nearest",
        extent=(0, side, side, 0),
        rasterized=True,
    )
    for cut in cuts:
        for line in (axes.axhline, axes.axvline):
            line(cut, color=theme.paper, linewidth=0.7, alpha=0.8)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(one.title, fontsize=11, color=theme.ink, loc="left", pad=5)
    _write(axes, one.lines, theme)
    return image


def _write(axes: Axes, lines: Sequence[tuple[str, ...]], theme: Theme) -> None:
    """Write lines below a square, in columns; an empty label keeps their room."""
    axes.set_xlabel("\n" * len(lines), fontsize=TEXT, linespacing=SPACING)
    for number, line in enumerate(lines):
        for column, part in enumerate(line):
            axes.annotate(
                part,
                (SECOND_COLUMN * column, 0),
                (0, -TEXT * SPACING * (number + 0.55)),
                xycoords="axes fraction",
                textcoords="offset points",
                va="top",
                fontsize=TEXT,
                color=theme.muted,
                annotation_clip=False,
            ).set_in_layout(False)


def _rgb(color: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(color)


def _thinned(cosines: Float32) -> Float64:
    """Means over squares of neighboring cells, so that a square has at most as many cells as pixels."""
    step = -(-len(cosines) // PIXELS)
    if step == 1:
        return cosines.astype(np.float64)
    edges = np.arange(0, len(cosines), step)
    known = np.isfinite(cosines)
    sums, counts = (
        np.add.reduceat(np.add.reduceat(x.astype(np.float64), edges, axis=0), edges, axis=1)
        for x in (np.where(known, cosines, 0), known)
    )
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts)


def _spread(values: Float64) -> str:
    """Mean and standard deviation over seeds in hundredths; the mean alone of one seed."""
    known = values[np.isfinite(values)]
    if not len(known):
        return MISSING
    mean = f"{known.mean():.2f}".replace("-", "−").replace("−0.00", "0.00")
    return mean if len(known) == 1 else f"{mean} ± {known.std(ddof=1):.2f}"
