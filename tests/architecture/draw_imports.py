"""Draw which room imports which: ``python tests/architecture/draw_imports.py .images/imports.svg``."""

from __future__ import annotations

import sys
from collections import Counter

FLOORS = (
    ("cli",),
    ("report", "bench"),
    ("stability",),
    ("words",),
    ("training", "factorization", "neighbors", "geometry"),
    ("counts", "embeddings"),
    ("corpus", "uncertainty", "pictures"),
    ("kernels",),
    ("core",),
)
HEIGHT = {room: len(FLOORS) - number for number, floor in enumerate(FLOORS) for room in floor}
INK, LINE, WRONG = "#1d2733", "#9db4c9", "#c2410c"


def arrows() -> Counter[tuple[str, str]]:
    """How many imports lead from one room to another."""
    import grimp

    graph = grimp.build_graph("gpuemb", cache_dir=None)
    found: Counter[tuple[str, str]] = Counter()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            rooms = [name.split(".")[1] for name in (module, imported) if name.count(".")]
            if len(rooms) == 2 and rooms[0] != rooms[1]:
                found[rooms[0], rooms[1]] += 1
    return found


def upward(found: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows that do not lead strictly down."""
    return [(a, b) for a, b in found if HEIGHT[a] <= HEIGHT[b]]


def draw(path: str) -> None:
    """Draw the rooms floor by floor, an arrow for each pair of rooms, wrong ones in red."""
    from matplotlib.figure import Figure

    places = {
        room: ((column + 0.5) / len(floor) * 6.0, float(HEIGHT[room]))
        for floor in FLOORS
        for column, room in enumerate(floor)
    }
    figure = Figure(figsize=(8, 8.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(-0.3, 6.3), ylim=(0.5, len(FLOORS) + 0.5))
    found = arrows()
    wrong = upward(found)
    for (start, end), imports in found.items():
        color = WRONG if (start, end) in wrong else LINE
        bend = 0.0 if HEIGHT[start] - HEIGHT[end] == 1 else 0.25 * (1 if places[start][0] >= 3 else -1)
        style = {
            "arrowstyle": "-|>",
            "color": color,
            "lw": 0.8 + 0.25 * imports**0.5,
            "shrinkA": 16,
            "shrinkB": 16,
        }
        style["connectionstyle"] = f"arc3,rad={bend}"
        axes.annotate("", xy=places[end], xytext=places[start], arrowprops=style)
    for room, (x, y) in places.items():
        box = {"boxstyle": "round,pad=0.5", "fc": "white", "ec": INK, "lw": 1.0}
        axes.text(x, y, room, ha="center", va="center", color=INK, fontsize=12, bbox=box)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    draw(sys.argv[1])
