"""The one look of every figure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

INK, MUTED, HAIRLINE = "#1c2733", "#64717f", "#e3e6ea"
BLUE, ORANGE = "#1f5a8a", "#c8641b"  # apart for every common color blindness, and in gray
SHADES = ("#f3f6f9", "#c3d6e6", "#7faace", "#3a76a8", "#123f66")
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
DIVERGING = ("#b4540f", "#e2a878", "#f6f4f1", "#7faace", "#123f66")  # −1 to 1: orange, paper, blue
ON_PAGE = {
    INK: "ink",
    MUTED: "muted",
    HAIRLINE: "hairline",
    BLUE: "blue",
    ORANGE: "orange",
    "#ffffff": "paper",
}
DOTS_PER_INCH = 220  # of rasterized parts only: sharp on a dense screen at page width
SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],  # ships with matplotlib, wider than what browsers take: text always fits
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": HAIRLINE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "legend.frameon": False,
    "figure.dpi": 72,
    "savefig.dpi": DOTS_PER_INCH,
    "path.simplify": True,
}


@dataclass(frozen=True)
class Theme:
    """Colors of a figure on light or dark paper.

    Attributes:
        paper: behind a picture that is saved as a file.
        ink: of text.
        muted: of lesser text.
        hairline: of lines.
        diverging: colors from −1 over 0, which is close to the paper, to 1.
        accent: of points.
        marked: of points among others.
        sequential: colors from little to much, all apart from the paper.
    """

    paper: str
    ink: str
    muted: str
    hairline: str
    diverging: tuple[str, ...]
    accent: str
    marked: str
    sequential: tuple[str, ...]


LIGHT = Theme("#ffffff", INK, MUTED, HAIRLINE, DIVERGING, BLUE, ORANGE, ("#c9d9e8", "#7faace", "#123f66"))
DARK = Theme(
    "#1b222a",
    "#e6e9ec",
    "#9aa6b2",
    "#3a444e",
    ("#f0a868", "#93591f", "#222a33", "#3b7cb4", "#b9dcf7"),
    "#5b9bd0",
    "#f0a868",
    ("#2f4a63", "#4f8fc4", "#d3eafc"),
)


@dataclass(frozen=True)
class Plot:
    """A figure ready for a page.

    Attributes:
        name: a short identifier.
        title: what one sees, as a sentence without a period.
        caption: how to read it, in one sentence.
        label: what it shows, for those who do not see it.
        svg: the drawing, an ``<svg>`` element as wide as its place.
        table: name of the table behind it; empty where none is on the page.
    """

    name: str
    title: str
    caption: str
    label: str
    svg: str
    table: str = ""


@contextmanager
def drawing(name: str, width: float, height: float) -> Iterator[tuple[Axes, Callable[[], str]]]:
    """Yield axes in the house look, and the function that turns them into SVG text.

    Args:
        name: makes the identifiers inside the SVG different from another figure's on one page.
        width: in inches.
        height: in inches.
    """
    with figure_in(LIGHT, name, width, height) as figure:
        axes = figure.add_subplot()
        yield axes, lambda: colored_by_the_page(svg_of(figure))


def colored_by_the_page(svg: str) -> str:
    """Let a page's style sheet give the house's colors their shade: ``--figure-ink``, …, light or dark."""
    found = re.compile("|".join(ON_PAGE), re.IGNORECASE)
    return re.sub(
        r'style="[^"]*"',
        lambda style: found.sub(lambda color: f"var(--figure-{ON_PAGE[color[0].lower()]})", style[0]),
        svg,
    )


@contextmanager
def figure_in(theme: Theme, name: str, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure in the house look; it is drawn and saved inside the block.

    Args:
        theme: its colors.
        name: as for :func:`drawing`.
        width: in inches.
        height: in inches.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {**SETTINGS, "svg.hashsalt": f"gpuemb {name}", "text.color": theme.ink}
    settings |= {"axes.edgecolor": theme.hairline, "axes.labelcolor": theme.muted}
    settings |= {"xtick.color": theme.muted, "ytick.color": theme.muted}
    with matplotlib.rc_context(settings):
        yield Figure(figsize=(width, height), layout="constrained")


def shades() -> LinearSegmentedColormap:
    """Pale to deep blue: more is darker."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gpuemb", SHADES)


def sequential(theme: Theme) -> LinearSegmentedColormap:
    """From little to much, on the theme's paper."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gpuemb sequential", theme.sequential)


def diverging(theme: Theme, levels: int) -> LinearSegmentedColormap:
    """From −1 to 1 in so many steps: few of them make small images."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gpuemb diverging", theme.diverging, N=levels)


def svg_of(figure: Figure, dots_per_inch: int = DOTS_PER_INCH) -> str:
    """Return the bare element: no prologue, no date, no size of its own, no group names.

    Args:
        figure: the drawing.
        dots_per_inch: of its rasterized parts.
    """
    buffer = StringIO()
    metadata = {"Date": None, "Creator": None}
    figure.savefig(buffer, format="svg", dpi=dots_per_inch, metadata=metadata, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", rf"font: \1 {FONTS}", text)
    return re.sub(r"\n\s*", "\n", text).strip()
