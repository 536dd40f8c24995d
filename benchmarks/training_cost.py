"""Seconds of a GloVe epoch against nonzeros × dimensions: ``python -m benchmarks.training_cost``.

Declared synthetic text of several lengths is counted, and trained for one and for five epochs in several
dimensions; a quarter of the difference is an epoch. ``seconds = a·nonzeros·d + b·nonzeros`` is fitted by
least squares of relative errors; CPU time of one thread, so that other work beside disturbs it less.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import gpuemb as ge
from gpuemb.bench.workloads import synthetic
from gpuemb.core import threads
from gpuemb.core.arrays import Float64
from gpuemb.counts.cooccurrence import Cooccurrence

EPOCHS = 1, 5


@dataclass(frozen=True)
class CostFit:
    """``seconds = per_cell·nonzeros·d + per_nonzero·nonzeros``.

    Attributes:
        per_cell: nanoseconds a nonzero and dimension.
        per_nonzero: nanoseconds a nonzero.
        worst: largest relative error of the fit.
    """

    per_cell: float
    per_nonzero: float
    worst: float


def fit(nonzeros: Float64, dims: Float64, seconds: Float64) -> CostFit:
    """Fit the cost of epochs; every measurement counts alike, however long it took."""
    terms = np.stack([nonzeros * dims, nonzeros], axis=1) / seconds[:, None]
    found = np.linalg.lstsq(terms, np.ones(len(seconds)), rcond=None)[0]
    return CostFit(1e9 * float(found[0]), 1e9 * float(found[1]), float(np.abs(terms @ found - 1).max()))


def epoch_seconds(counts: Cooccurrence, dim: int) -> float:
    """CPU seconds of one epoch, on one thread."""
    taken = []
    for epochs in EPOCHS:
        began = time.process_time()
        ge.train(counts, ge.GloVe(dim=dim, epochs=epochs), seeds=[0], device="cpu")
        taken.append(time.process_time() - began)
    return (taken[1] - taken[0]) / (EPOCHS[1] - EPOCHS[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, fit, print, and write the record where one is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, nargs="+", default=[300_000, 1_000_000, 3_000_000])
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--dims", type=int, nargs="+", default=[48, 96, 192, 304])
    parser.add_argument("--out", type=Path, help="a file for the measurements and the fit")
    asked = parser.parse_args(arguments)
    rows = []
    with threads.limit(1):
        ge.train(synthetic.counted_stream(10_000, 100), ge.GloVe(dim=2, epochs=1), seeds=[0])  # compiles
        for tokens in asked.tokens:
            counts = synthetic.counted_stream(tokens, asked.words)
            for dim in asked.dims:
                rows.append((counts.nonzeros, dim, epoch_seconds(counts, dim)))
                print(
                    f"{counts.nonzeros:>12,} nonzeros, d = {dim:>4}: {rows[-1][2]:.3f} s an epoch", flush=True
                )
    found = fit(*np.array(rows, np.float64).T)
    print(
        f"{found.per_cell:.3f} ns a nonzero and dimension, {found.per_nonzero:.1f} ns a nonzero;"
        f" within {100 * found.worst:.0f} % of every measurement"
    )
    if asked.out is not None:
        asked.out.write_text(json.dumps({"rows": rows, "fit": asdict(found)}, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
