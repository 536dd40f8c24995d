"""A figure as a value: what it claims, and how it is drawn on a page, on given axes or into a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpuemb.core.errors import ConfigError
from gpuemb.core.files import replacing
from gpuemb.pictures.style import INK, LIGHT, Plot, drawing, figure_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 4.8, 3.3  # inches: half a page; its 10 pt text is still readable on a telephone
FORMATS = ("svg", "pdf", "png")
IN_FILES = {"svg.fonttype": "path", "pdf.fonttype": 42}  # letters as drawn, or embedded


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure that is not drawn yet.

    Attributes:
        name: a short identifier, of a file too.
        title: its one claim, as a sentence without a period.
        caption: how to read it.
        label: what it shows, for those who do not see it.
        draw: draws it on axes; None where there is nothing to draw.
        subject: makes identifiers of an SVG different from those of another figure on one page.
        width: in inches.
        height: in inches.
        table: name of the table behind it; empty where none is on the page.
    """

    name: str
    title: str
    caption: str
    label: str
    draw: Callable[[Axes], None] | None
    subject: str = ""
    width: float = WIDTH
    height: float = HEIGHT
    table: str = ""

    def on_page(self) -> Plot:
        """Draw it for a page, whose style sheet gives its colors their shade."""
        svg = ""
        if self.draw is not None:
            with drawing(f"{self.name} {self.subject}", self.width, self.height) as (axes, drawn):
                self.draw(axes)
                svg = drawn()
        return Plot(self.name, self.title, self.caption, self.label, svg, self.table)

    def on_axes(self, axes: Any = None) -> Axes:
        """Draw it on axes, or on those of a new figure, with its claim as title.

        Args:
            axes: of matplotlib; None for a new figure, which is ``.figure`` of what is returned.

        Raises:
            ConfigError: not axes, or there is nothing to draw.
        """
        if self.draw is None:
            raise ConfigError(
                f"plot: {self.title}",
                needed=self.caption,
                remedy="Draw another result, or study more runs and words.",
            )
        if axes is None:
            with figure_in(LIGHT, f"{self.name} {self.subject}", self.width, self.height) as figure:
                return self._titled(figure.add_subplot())
        if not hasattr(axes, "plot") or not hasattr(axes, "figure"):
            raise ConfigError(
                f"plot: axes is {type(axes).__name__}",
                needed="A figure is drawn on axes of matplotlib.",
                remedy="Leave axes out for a new figure, or give one of matplotlib.pyplot.subplots().",
            )
        return self._titled(axes)

    def _titled(self, axes: Axes) -> Axes:
        assert self.draw is not None
        axes.set_title(self.title, fontsize=10, color=INK, loc="left", parse_math=False, wrap=True)
        self.draw(axes)
        return axes

    def save(self, path: Path) -> Path:
        """Write it for a paper, without its title, which a caption says there.

        Args:
            path: a file ``.svg``, ``.pdf`` or ``.png``.

        Raises:
            ConfigError: another ending, or there is nothing to draw.
            StorageError: the file cannot be written.
        """
        import matplotlib

        kind = path.suffix.removeprefix(".").lower()
        if kind not in FORMATS or self.draw is None:
            raise ConfigError(
                f"figure: {path.name}" + ("" if self.draw else ", and there is nothing to draw"),
                needed=f"A figure is written as {', '.join(FORMATS)}.",
                remedy=f"Name it {path.stem}.svg.",
            )
        settings: Any = IN_FILES
        dates: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
        with (
            figure_in(LIGHT, f"{self.name} {self.subject}", self.width, self.height) as figure,
            matplotlib.rc_context(settings),
            replacing(path) as file,
        ):
            self.draw(figure.add_subplot())
            figure.savefig(file, format=kind, metadata={"Title": self.title, **dates})
        return path


def legend_above(axes: Axes, *, columns: int = 2) -> None:
    """Stand the legend above axes that have a figure of their own, else where it covers least."""
    look: dict[str, Any] = {"handlelength": 1.6, "columnspacing": 1.4, "labelcolor": INK}
    alone = (
        axes.figure.axes == [axes]
        and axes.figure.get_layout_engine() is not None
        and not axes.get_title("left")
    )
    if not axes.get_legend_handles_labels()[0]:
        return
    if alone:
        axes.figure.legend(loc="outside upper left", ncols=columns, fontsize=9.5, borderaxespad=0.2, **look)
    else:
        axes.legend(loc="best", fontsize=8.5, labelspacing=0.3, **look)


def whole_ticks(axes: Axes) -> None:
    """Number the axis of ranks or epochs by whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
