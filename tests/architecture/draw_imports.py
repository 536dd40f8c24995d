"""Draw the rooms as layers: ``python tests/architecture/draw_imports.py .images/imports.svg``."""

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
SAYS = {
    "cli": "the command: prints, progress, exit codes",
    "report": "claims, figures, pages",
    "bench": "workloads, ceilings, records",
    "stability": "one study, one question: seeds, measures, intervals",
    "words": "analogies, maps, translation, second-order similarity",
    "training": "GloVe, PPMI-SVD,\nskip-gram",
    "factorization": "users × items,\nand their cosines",
    "neighbors": "exact search,\nagreement, hubs",
    "geometry": "Procrustes, RSA,\nCKA, CCA, spectra",
    "counts": "co-occurrence, PPMI",
    "embeddings": "tables, stacks, file formats",
    "corpus": "text → token ids",
    "uncertainty": "intervals, permutations",
    "pictures": "the look of figures",
    "kernels": "inner loops: one folder an operation, a file for the CPU and one for CUDA",
    "core": "arrays, devices, threads, memory, files, errors",
}
INK, MUTED, PAPER, WRONG = "#1d2733", "#5b6875", "#ffffff", "#c2410c"
BANDS = ("#f3f6f9", "#e6eef5")
WIDTH, GAP, MARGIN = 10.0, 0.12, 1.0  # of the drawing; between boxes; for the arrow at its left


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
    """Draw the rooms floor by floor; one that imports what is not below it is red."""
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch, Rectangle

    floors = len(FLOORS)
    figure = Figure(figsize=(9.6, 7.4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, WIDTH + MARGIN), ylim=(0, floors + 0.2))
    breaking = {room for pair in upward(arrows()) for room in pair[:1]}
    for number, floor in enumerate(FLOORS):
        low = floors - number - 1 + 0.1
        axes.add_patch(Rectangle((MARGIN, low + 0.03), WIDTH - 0.1, 0.94, color=BANDS[number % 2], lw=0))
        width = (WIDTH - 0.1 - GAP) / len(floor)
        for column, room in enumerate(floor):
            left = MARGIN + GAP + column * width
            color = WRONG if room in breaking else INK
            look = {"boxstyle": "round,pad=0,rounding_size=0.08", "fc": PAPER, "ec": color, "lw": 1.0}
            axes.add_patch(FancyBboxPatch((left, low + 0.13), width - GAP, 0.74, **look))  # type: ignore[arg-type]
            middle = left + (width - GAP) / 2
            axes.text(
                middle, low + 0.68, room, ha="center", va="center", color=color, fontsize=12, weight="bold"
            )
            axes.text(middle, low + 0.36, SAYS[room], ha="center", va="center", color=MUTED, fontsize=8.5)
    style = {"arrowstyle": "-|>,head_width=0.35,head_length=0.7", "color": MUTED, "lw": 1.6}
    axes.annotate("", xy=(0.62, 0.3), xytext=(0.62, floors), arrowprops=style)
    said = "imports lead down, never up or sideways"
    axes.text(0.32, floors / 2, said, rotation=90, ha="center", va="center", color=MUTED, fontsize=11)
    figure.savefig(path, facecolor=PAPER, metadata={"Date": None})


if __name__ == "__main__":
    draw(sys.argv[1])
