"""Maps drawn: dots, the names of some words, and below them what the picture is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.checks import check_at_least, check_choice
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.embeddings.spelling import missing_word
from gpuemb.pictures.labels import places, spread_out, text_sizes
from gpuemb.pictures.style import DARK, LIGHT, Theme, figure_in, sequential

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gpuemb.words.maps.result import WordMap

PaperName: TypeAlias = Literal["light", "dark"]
THEMES: dict[str, Theme] = {"light": LIGHT, "dark": DARK}
LABELS = 60  # names in a picture of 9 by 8.4 inches
WIDTH, HEIGHT = 9.0, 8.4  # inches
TEXT, CAPTION = 8.0, 8.4  # points: names, and what stands below the picture
INK_OF_DOTS = 14_000.0  # square points of all dots together
DOT = (2.0, 16.0)  # square points of one, at least and at most
RASTERIZED = 3_000  # dots, from which they are an image in a drawing
PICTURED = 2  # coordinates


@dataclass(frozen=True)
class Drawing:
    """How a map is drawn; the fields are the options of :meth:`WordMap.plot`."""

    words: Sequence[str] | None = None
    labels: int = LABELS
    color: Any = None
    color_label: str = ""
    axes: tuple[int, int] = (0, 1)
    theme: PaperName = "light"

    def __post_init__(self) -> None:
        check_choice("plot", "theme", self.theme, tuple(THEMES))
        check_at_least("plot", "labels", self.labels, 0)


@contextmanager
def picture(found: WordMap, drawing: Drawing) -> Iterator[Figure]:
    """Yield a figure of a map; it is saved inside the block."""
    colors = THEMES[drawing.theme]
    with figure_in(colors, f"map {found.method}", WIDTH, HEIGHT) as figure:
        figure.set_facecolor(colors.paper)
        draw(found, figure.add_subplot(), drawing)
        yield figure


def drawn(found: WordMap, ax: Any, drawing: Drawing) -> Axes:
    """Draw a map on given axes, or on those of a new figure; return them."""
    if ax is None:
        with picture(found, drawing) as figure:
            return figure.axes[0]
    if not hasattr(ax, "scatter"):
        raise ConfigError(
            f"plot: ax is {type(ax).__name__}",
            needed="A map is drawn on axes of matplotlib.",
            remedy="Leave ax out for a new figure, or give one of matplotlib.pyplot.subplots().",
        )
    draw(found, ax, drawing)
    return ax  # type: ignore[no-any-return]


def draw(found: WordMap, ax: Axes, drawing: Drawing) -> None:
    """Draw a map."""
    theme, axes, words = THEMES[drawing.theme], drawing.axes, drawing.words
    points = _points(found, axes)
    here = np.flatnonzero(np.isfinite(points).all(axis=1))
    values = _values(found, drawing.color)
    marked = None if words is None else _rows(found, words)
    _scatter(ax, points, here, values, drawing.color_label, theme)
    _frame(found, ax, axes, theme)
    _root(ax).draw_without_rendering()  # the layout is known from here on
    if marked is None:
        order = here if found.counts is None else here[np.argsort(-found.counts[here], kind="stable")]
        chosen = spread_out(points, order, drawing.labels)
        _names(found, ax, points, chosen, drawing.labels, theme, required=False)
    else:
        chosen = marked[np.isfinite(points[marked]).all(axis=1)]
        ax.scatter(points[chosen, 0], points[chosen, 1], s=14, color=theme.marked, linewidths=0, zorder=3)
        _names(found, ax, points, chosen, len(chosen), theme, required=True)


def _points(found: WordMap, axes: tuple[int, int]) -> Float64:
    count = found.coordinates.shape[1]
    if len(axes) != PICTURED or not all(0 <= axis < count for axis in axes):
        raise ConfigError(
            f"plot: axes = {tuple(axes)} of {count} coordinates",
            needed=f"A picture has two, numbered from 0 to {count - 1}."
            if count >= PICTURED
            else "A picture has two coordinates.",
            remedy="axes=(0, 1)" if count >= PICTURED else "pca(table, 2)",
        )
    return np.stack([found.coordinates[:, axis] for axis in axes], axis=1)


def _values(found: WordMap, color: Any) -> Float64 | None:
    if color is None:
        return None
    values = np.asarray(color)
    if values.shape != (len(found),) or values.dtype.kind not in "fiub":
        raise ShapeError(
            f"plot: color is {values.dtype} {values.shape}",
            needed=f"One number for each of the {len(found):,} words is needed.",
            remedy="color=neighbor_overlap(…).stability, for example.",
        )
    return values.astype(np.float64)


def _rows(found: WordMap, words: Sequence[str]) -> Int64:
    names = [str(row) for row in range(len(found))] if found.words is None else found.words
    rows = {word: row for row, word in enumerate(names)}
    for word in words:
        if word not in rows:
            raise missing_word(found.name, word, names, rows)
    return np.array([rows[word] for word in words], np.int64)


def _scatter(
    ax: Axes, points: Float64, here: Int64, values: Float64 | None, label: str, theme: Theme
) -> None:
    size = float(np.clip(INK_OF_DOTS / max(len(here), 1), *DOT))
    look: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": len(here) > RASTERIZED, "zorder": 1}
    if values is None:
        ax.scatter(points[here, 0], points[here, 1], color=theme.accent, alpha=0.45, **look)
        return
    known = np.isfinite(values[here])
    nowhere = points[here[~known]]
    ax.scatter(nowhere[:, 0], nowhere[:, 1], color=theme.hairline, **look)
    some = here[known]
    order = some[np.argsort(values[some], kind="stable")]  # what is strong lies on top
    drawn = ax.scatter(points[order, 0], points[order, 1], c=values[order], cmap=sequential(theme), **look)
    bar = _root(ax).colorbar(drawn, ax=ax, shrink=0.42, aspect=26, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=CAPTION, labelcolor=theme.muted)
    bar.set_label(label, fontsize=CAPTION, color=theme.muted, parse_math=False)


def _frame(found: WordMap, ax: Axes, axes: tuple[int, int], theme: Theme) -> None:
    """Title, axes and what the picture is worth."""
    ax.set_facecolor(theme.paper)
    ax.set_aspect("equal", adjustable="datalim")
    ax.margins(0.04)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    title = f"{found.method} of {found.name}, {len(found):,} words"
    ax.set_title(title, fontsize=11, color=theme.ink, loc="left", pad=6, parse_math=False)
    lines = honest_lines(found)
    explained = getattr(found, "explained", None)
    if explained is not None:
        across, up = (f"axis {axis + 1}: {explained[axis]:.1%} of the variance" for axis in axes)
        lines = [f"Across: {across}; up: {up}.", *lines]
    text = "\n".join(lines)
    ax.set_xlabel(text, fontsize=CAPTION, color=theme.muted, loc="left", linespacing=1.5, parse_math=False)


def _names(
    found: WordMap, ax: Axes, points: Float64, chosen: Int64, most: int, theme: Theme, *, required: bool
) -> None:
    names = [str(row) if found.words is None else found.words[row] for row in chosen.tolist()]
    if not names:
        return
    scale = 72.0 / _root(ax).dpi  # points of a pixel
    anchors = ax.transData.transform(points[chosen]) * scale
    box = ax.get_window_extent()
    frame = (box.x0 * scale, box.y0 * scale, box.x1 * scale, box.y1 * scale)
    sizes = text_sizes(names, TEXT)
    for number, corner in places(anchors, sizes, frame, np.full(len(names), required), most):
        text = ax.annotate(
            names[number],
            points[chosen[number]],
            tuple(corner - anchors[number]),
            textcoords="offset points",
            va="bottom",
            fontsize=TEXT,
            color=theme.ink,
            parse_math=False,
            zorder=4,
            bbox={"boxstyle": "square,pad=0.06", "facecolor": theme.paper, "alpha": 0.7, "linewidth": 0},
        )
        text.set_in_layout(False)
        if not required:
            ax.plot(*points[chosen[number]], "o", ms=2.2, mew=0, color=theme.ink, zorder=2)


def _root(ax: Axes) -> Any:
    """The figure, of subfigures the whole one."""
    return ax.figure.figure


def honest_lines(found: WordMap) -> list[str]:
    """What a map is worth, in sentences."""
    one = found.quality
    if not one.neighbors:
        return [f"How far it can be trusted is not known: {one.reason}."]
    sample = f" of {one.judged:,} words" if one.judged < len(found) - found.without_place else ""
    lines = [
        f"Trustworthiness {one.value:.2f} (1 is best, {one.chance:.2f} chance). Of a word's {one.neighbors} "
        f"nearest neighbors {one.kept:.0%} are near on the map (chance {one.chance_kept:.1%}){sample}."
    ]
    both = found.agreement
    if both is None:
        return [*lines, "How the map of another run would differ is not known: give several runs."]
    low, high = both.interval
    between = f", {both.confidence:.0%} interval {low:.0%} to {high:.0%}" if low == low else ""
    return [
        *lines,
        f"Maps of two runs share {both.value:.0%} of a word's {both.neighbors} nearest neighbors"
        f" (chance {both.chance:.1%}{between}).",
    ]
