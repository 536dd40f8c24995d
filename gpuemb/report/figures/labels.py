"""Names of words in a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Float64
from gpuemb.pictures.style import INK, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED, LOOKED_AT = 4, 60  # words a side; those considered when labels would cover each other
LONGEST = 16  # letters


def name_outliers(
    axes: Axes, x: Float64, kept: Float64, words: Sequence[str], bins: Sequence[NDArray[np.bool_]]
) -> None:
    """Name the words farthest below and above the median of their bin, where labels find room.

    Args:
        axes: with their final limits.
        x: ``(V,)`` where the words stand.
        kept: ``(V,)`` how high.
        words: their names; those that the font cannot write are passed over.
        bins: ``(V,)`` masks, each of the words that are compared with one another.
    """
    away = np.empty(len(x))
    for members in bins:
        away[members] = kept[members] - np.median(kept[members])
    taken: list[tuple[float, float]] = []
    for sign in (1, -1):
        order = np.argsort(sign * away, kind="stable")[:LOOKED_AT].tolist()
        taken += name_points(axes, x, kept, words, order, NAMED, taken)


def name_points(
    axes: Axes,
    x: Float64,
    y: Float64,
    words: Sequence[str],
    order: Sequence[int],
    most: int,
    taken: Sequence[tuple[float, float]] = (),
) -> list[tuple[float, float]]:
    """Name points in their order where labels find room; returns where, as shares of both ranges.

    Args:
        axes: with their final limits.
        x: ``(V,)`` where the points stand.
        y: ``(V,)`` how high.
        words: their names; those that the font cannot write are passed over.
        order: the points to name, the most important first.
        most: how many are named at most.
        taken: places of names that are there.
    """
    across, down = float(np.ptp(x)) or 1.0, float(np.ptp(axes.get_ylim()))
    found: list[tuple[float, float]] = []
    for word in order:
        place = (x[word] - x.min()) / across, y[word] / down
        near = any(abs(place[0] - a) < 0.3 and abs(place[1] - b) < 0.075 for a, b in (*taken, *found))
        if near or not drawable(words[word]) or len(found) == most:
            continue
        left = place[0] > 0.7
        axes.annotate(
            words[word],
            (x[word], y[word]),
            xytext=(-4 if left else 4, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=8.5,
            color=INK,
            parse_math=False,
            bbox={"boxstyle": "square,pad=0.08", "facecolor": "#ffffff", "alpha": 0.75, "linewidth": 0},
        )
        axes.plot(x[word], y[word], marker="o", markersize=3, color=ORANGE, linestyle="none")
        found.append(place)
    return found


def drawable(word: str) -> bool:
    """Whether a figure can carry a word: its font has every letter, and it is short enough for a label."""
    from matplotlib.font_manager import findfont, get_font

    glyphs = get_font(findfont("DejaVu Sans")).get_charmap()
    return 0 < len(word) <= LONGEST and word.isprintable() and all(ord(letter) in glyphs for letter in word)
