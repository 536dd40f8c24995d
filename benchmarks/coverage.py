"""Simulate the coverage of intervals over words: ``python -m benchmarks.coverage``.

Planted pairs ``Y = X + noise``, X normal: how often does the 95 % interval hold what fresh samples of as many
words give on average (Definitions §5)? With ``--halves``, a table and its noisy copy are the population: the
words are drawn from their rows without replacement, half of them each time.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import gpuemb as ge
from gpuemb.core.arrays import Float64

MEASURES = (
    *("rsa", "cka", "cka_debiased", "pip_loss", "procrustes", "semantic_displacement", "angular", "bures"),
    *("cca", "svcca", "pwcca", "eigenspace_overlap", "eigenspace_instability", "spectrum_distance"),
)
DESIGNS = ((200, 10), (300, 50), (2000, 100))
NOISES = (0.3, 0.7, 1.5)
RESULTS = Path(__file__).parent / "results" / "coverage.json"
Pairs = Callable[[int], tuple[Float64, Float64]]


def planted(words: int, dim: int, noise: float) -> Pairs:
    """Return a maker of independent pairs by their number."""

    def pair(number: int) -> tuple[Float64, Float64]:
        draw = np.random.default_rng((number, words, dim))
        x = draw.standard_normal((words, dim))
        return x, x + noise * draw.standard_normal(x.shape)

    return pair


def halves(table: Float64, words: int, noise: float) -> Pairs:
    """Return a maker of samples of ``words`` rows of a table and its noisy copy."""
    size = float(np.sqrt(np.mean(table**2)))
    other = table + noise * size * np.random.default_rng(0).standard_normal(table.shape)

    def pair(number: int) -> tuple[Float64, Float64]:
        rows = np.random.default_rng((number, words)).permutation(len(table))[:words]
        return table[rows], other[rows]

    return pair


def taken(name: str, x: Float64, y: Float64, blocks: int | None) -> tuple[float, float, float]:
    """Return the value and the ends of the interval of one measure."""
    if name == "cka_debiased":
        found: Any = ge.cka(x, y, debiased=True, blocks=blocks)
    else:
        found = getattr(ge, name)(x, y, blocks=blocks)
    return float(found), *found.interval


def covered(name: str, pair: Pairs, repetitions: int) -> dict[str, float]:
    """Simulate one measure: share of intervals that hold the truth, and their own value."""
    truth = float(np.mean([taken(name, *pair(10_000 + i), 0)[0] for i in range(repetitions)]))
    found = [taken(name, *pair(i), None) for i in range(repetitions)]
    known = [(v, low, high) for v, low, high in found if not math.isnan(low)]
    share = sum(low <= truth <= high for _, low, high in known) / max(1, len(known))
    own = sum(low <= v <= high for v, low, high in known) / max(1, len(known))
    width = float(np.mean([high - low for _, low, high in known])) if known else math.nan
    return {"truth": truth, "coverage": share, "own": own, "width": width, "intervals": len(known)}


def designs(arguments: argparse.Namespace) -> Iterator[tuple[str, Pairs]]:
    """Yield every design with its name."""
    for words, dim in DESIGNS:
        if arguments.design in (None, f"{words}x{dim}"):
            for noise in arguments.noise:
                yield f"planted {words} x {dim}, noise {noise}", planted(words, dim, noise)
    if arguments.halves is not None:
        table = np.asarray(ge.load(arguments.halves, limit=2000).vectors, np.float64)
        words = len(table) // 2
        for noise in arguments.noise:
            yield (
                f"half of {len(table)} x {table.shape[1]} rows of a table, noise {noise}",
                halves(table, words, noise),
            )


def main(given: Sequence[str] | None = None) -> int:
    """Simulate, print, and keep the shares; return 1 where one is below 0.92."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--design", help="200x10, 300x50 or 2000x100; default all")
    parser.add_argument("--noise", type=float, nargs="+", default=list(NOISES))
    parser.add_argument("--measure", nargs="+", default=list(MEASURES))
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--halves", help="a table of vectors whose rows are the population")
    arguments = parser.parse_args(given)
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    low = 0
    for design, pair in designs(arguments):
        for name in arguments.measure:
            found = covered(name, pair, arguments.repetitions)
            kept.setdefault(design, {})[name] = found
            low += found["coverage"] < 0.92
            sys.stdout.write(f"{design:40s} {name:24s} {found['coverage']:.3f} of {found['intervals']}\n")
            sys.stdout.flush()
        RESULTS.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    return 1 if low else 0


if __name__ == "__main__":
    raise SystemExit(main())
