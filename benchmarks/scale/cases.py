"""The sizes that are measured, and the shapes of tables of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Case:
    """Synthetic runs that are compared.

    Attributes:
        name: of its record.
        words: rows of a table.
        runs: tables.
        dim: columns.
        k: neighbors of a word.
        goal_seconds: wall time that it is to stay below on two cores; 0 for none.
        goal_bytes: peak that it is to stay below; 0 for none.
    """

    name: str
    words: int
    runs: int
    dim: int
    k: int = 10
    goal_seconds: float = 0
    goal_bytes: int = 0


LARGE = (
    Case("words-400000x10x100", 400_000, 10, 100, goal_seconds=480, goal_bytes=8_000_000_000),
    Case("runs-100000x40x100", 100_000, 40, 100),
    Case("words-1000000x5x100", 1_000_000, 5, 100),
)
BASE = Case("", 20_000, 5, 100)
GROWN = {
    "words": (10_000, 20_000, 40_000, 80_000, 160_000),
    "runs": (3, 5, 10, 20),
    "dim": (50, 100, 200, 300),
    "k": (5, 10, 25, 50),
}


def grid(shrunk: int = 1) -> Iterator[Case]:
    """Yield the cases that differ from a base in one size.

    Args:
        shrunk: by which words are divided, to try the script.
    """
    seen = set()
    for axis, sizes in GROWN.items():
        for size in sizes:
            case = replace(BASE, **{axis: size})
            case = replace(case, words=case.words // shrunk)
            name = f"grid-{case.words}x{case.runs}x{case.dim}-k{case.k}"
            if name not in seen:
                seen.add(name)
                yield replace(case, name=name)


def large(shrunk: int = 1) -> Iterator[Case]:
    """Yield the large cases."""
    for case in LARGE:
        words = case.words // shrunk
        yield replace(case, words=words, name=case.name if shrunk == 1 else f"tiny-{case.name}")
