"""Check a whole graph of neighbors against brute force in float64: ``python -m benchmarks.brute_force``.

Every row of a sample is compared with every row of the table in NumPy. What float64 products cannot tell
from the k-th best is scored once more as Definitions §3 says, bit for bit, by the kernel's slow reference.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from benchmarks import data
from gpuemb.core.arrays import Float32, Float64, Int64
from gpuemb.core.device import CPU
from gpuemb.core.random import stream
from gpuemb.kernels.cosine_topk import TopK, cosine_topk

CHUNK = 256  # rows of the sample whose cosines with every row stand at once


def brute_force(rows: Float32, asked: Int64, k: int) -> TopK:
    """Return the defined lists of the rows ``asked``, ``(Q, k)``, themselves left out.

    A float64 product of two rows divided by their lengths is within ``(d + 8)·2⁻⁵³`` of their cosine, however
    it is added up, and so is the defined score: what lies more than four times that below the k-th best
    product is in no list.
    """
    wide = rows.astype(np.float64)
    lengths = np.sqrt((wide * wide).sum(axis=1))
    unit = np.divide(wide, lengths[:, None], out=np.zeros_like(wide), where=lengths[:, None] > 0)
    margin = 4 * (rows.shape[1] + 8) * 2.0**-53
    ids, scores = np.full((len(asked), k), -1, np.int32), np.full((len(asked), k), np.nan)
    for start in range(0, len(asked), CHUNK):
        some = asked[start : start + CHUNK]
        products = unit[some] @ unit.T
        products[:, lengths == 0] = -np.inf
        products[np.arange(len(some)), some] = -np.inf
        for place, row in enumerate(some):
            if lengths[row] > 0:
                ids[start + place], scores[start + place] = _defined(rows, row, products[place], k, margin)
    return TopK(ids, scores)


def _defined(rows: Float32, row: int, products: Float64, k: int, margin: float) -> tuple[Int64, Float64]:
    least = np.partition(products, -k)[-k] - margin
    near = np.flatnonzero((products >= least) & np.isfinite(products))  # in the table's order, as ties are
    found = cosine_topk.reference(rows[near], k, rows[row : row + 1])
    ids = found.ids[0]
    return np.where(ids >= 0, near[ids], -1), found.scores[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Find every row's neighbors, compare a sample of them; return 1 where any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--words", type=int, default=400_000, help="rows of GloVe 6B, 50 dimensions")
    parser.add_argument("--rows", type=int, default=2_000, help="of them, drawn at random, that are compared")
    parser.add_argument("--k", type=int, default=10, help="neighbors of each")
    asked = parser.parse_args(arguments)
    rows = data.glove(asked.words)
    began = time.perf_counter()
    found = cosine_topk.on(CPU)(rows, asked.k)
    searched = time.perf_counter()
    sample = np.sort(stream(0, "bench", "brute force").choice(len(rows), asked.rows, replace=False))
    expected = brute_force(rows, sample, asked.k)
    ended = time.perf_counter()
    same_ids = int((found.ids[sample] == expected.ids).all(axis=1).sum())
    same_bits = int((found.scores[sample].view(np.int64) == expected.scores.view(np.int64)).all(axis=1).sum())
    print(f"GloVe {len(rows):,} × {rows.shape[1]}, k = {asked.k}: every row in {searched - began:.1f} s")
    print(f"proved: int8 {found.certified:,}, float32 {found.refined:,}, recomputed {found.recomputed:,}")
    print(f"float64 brute force of {len(sample):,} rows in {ended - searched:.1f} s")
    print(f"lists with equal ids: {same_ids:,}, with scores equal to the last bit: {same_bits:,}")
    return int(same_ids < len(sample) or same_bits < len(sample))


if __name__ == "__main__":
    raise SystemExit(main())
