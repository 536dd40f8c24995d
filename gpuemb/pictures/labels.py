"""Where the names of points stand in a picture: beside their points, on no other name."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64

GAP = 4.0  # points between a name and its dot
APART = 2.0  # points between names
# Where a name may stand: its nearest corner or edge, seen from the dot; the first that is free is taken.
PLACES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
SPARE = 1.4  # cells for each name: some are empty, some names find no place


def spread_out(points: Float64, order: Int64, count: int) -> Int64:
    """Choose about ``count`` points all over a picture: the first one, by ``order``, of each cell of a grid.

    Args:
        points: ``(n, 2)`` finite.
        order: ``(n,)`` the numbers of the points, those to be named first at the front.
        count: of names; the chosen points may be more, as some will find no place.

    Returns:
        Their numbers, in ``order``.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    sides = max(1, math.ceil(math.sqrt(SPARE * count)))
    cells = np.minimum((points - low) / np.maximum(high - low, 1e-300) * sides, sides - 1).astype(np.int64)
    numbers = cells[order] @ np.array([sides, 1])
    _, first = np.unique(numbers, return_index=True)
    return order[np.sort(first)]


def text_sizes(texts: Sequence[str], size: float) -> Float64:
    """Return ``(n, 2)`` widths and heights of single lines, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a glyph that the font lacks is measured as its box
        found = [text_to_path.get_text_width_height_descent(one, font, ismath=False)[:2] for one in texts]
    return np.array([(width, size) for width, _ in found]).reshape(-1, 2)


def places(
    anchors: Float64, sizes: Float64, frame: tuple[float, float, float, float], required: Any, most: int
) -> list[tuple[int, Float64]]:
    """Find a place for each name, in turn, where it lies on no other name and on no named point.

    Args:
        anchors: ``(n, 2)`` the named points.
        sizes: ``(n, 2)`` width and height of each name.
        frame: left, bottom, right and top end of the picture.
        required: ``(n,)`` names that must be shown: without a free place they take the least crowded one.
        most: how many names are shown, beside those that must be.

    Returns:
        The number of each shown name and the ``(2,)`` lower left corner of its box.
    """
    must = np.asarray(required, bool)
    dots = np.concatenate([anchors - GAP / 2, anchors + GAP / 2], axis=1)
    taken = list(dots[must])
    shown: list[tuple[int, Float64]] = []
    for number in np.argsort(~must, kind="stable").tolist():
        if not must[number] and len(shown) >= most + int(must.sum()):
            break
        boxes = _boxes(anchors[number], sizes[number])
        outside = np.any((boxes[:, :2] < frame[:2]) | (boxes[:, 2:] > frame[2:]), axis=1)
        crowded = _covered(boxes, np.array(taken).reshape(-1, 4)) + outside * (1 + np.prod(sizes[number]))
        best = int(np.argmin(crowded))
        hidden = _covered(dots[number : number + 1], np.array(taken).reshape(-1, 4))[0] > 0
        if not must[number] and (hidden or crowded[best] > 0):
            continue
        rim = np.array([-APART, -APART / 4, APART, APART / 4])
        taken += [boxes[best] + rim, dots[number]]
        shown.append((number, boxes[best, :2]))
    return shown


def _boxes(anchor: Float64, size: Float64) -> Float64:
    """``(8, 4)`` left, bottom, right and top of a name at each of its places."""
    steps = np.array(PLACES, float)
    near = anchor + GAP * steps / np.maximum(np.hypot(*steps.T)[:, None], 1)
    low = near + (steps - 1) / 2 * size
    return np.concatenate([low, low + size], axis=1)


def _covered(boxes: Float64, others: Float64) -> Float64:
    """``(n,)`` area of each box that lies on others."""
    if not len(others):
        return np.zeros(len(boxes))
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    areas: Float64 = np.prod(np.maximum(high - low, 0), axis=2).sum(axis=1)
    return areas
