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

INK, MUTED, HAIRLINE = "#1c2733", "#64717f", "#e3e6ea"
BLUE, ORANGE = "#1f5a8a", "#c8641b"  # apart for every common color blindness, and in gray
SHADES = ("#f3f6f9", "#c3d6e6", "#7faace", "#3a76a8", "#123f66")
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
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
class Plot:
    """A figure ready for a page.

    Attributes:
        name: a short identifier.
        title: what one sees, as a sentence without a period.
        caption: how to read it, in one sentence.
        label: what it shows, for those who do not see it.
        svg: the drawing, an ``<svg>`` element as wide as its place.
    """

    name: str
    title: str
    caption: str
    label: str
    svg: str


@contextmanager
def drawing(name: str, width: float, height: float) -> Iterator[tuple[Axes, Callable[[], str]]]:
    """Yield axes in the house look, and the function that turns them into SVG text.

    Args:
        name: makes the identifiers inside the SVG different from another figure's on one page.
        width: in inches.
        height: in inches.
    """
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {**SETTINGS, "svg.hashsalt": f"gpuemb {name}"}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        yield axes, lambda: _svg(figure)


def shades() -> LinearSegmentedColormap:
    """Pale to deep blue: more is darker."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("gpuemb", SHADES)


def _svg(figure: Any) -> str:
    """Return the bare element: no prologue, no date, no size of its own, no group names."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", rf"font: \1 {FONTS}", text)
    return re.sub(r"\n\s*", "\n", text).strip()
