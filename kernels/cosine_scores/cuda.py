"""Defined cosines on a GPU: launches ``cosine_scores.cu`` for lengths, then for pairs."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from gpuemb.core import cuda
from gpuemb.core.arrays import FloatMatrix, FloatStack

THREADS, HALF_WARP = 256, 16
SIDE = 32  # rows, and columns, of a block's tile
WORDS = {"float32": "float", "float64": "double"}
INSTANCES = (
    *(f"row_lengths<{row}>" for row in WORDS.values()),
    *(f"column_lengths<{column}>" for column in WORDS.values()),
    *(f"score_pairs<{', '.join(words)}>" for words in product(WORDS.values(), repeat=3)),
)


def cosine_scores(rows: FloatMatrix, panels: FloatStack, out: FloatMatrix) -> FloatMatrix:
    """See :mod:`gpuemb.kernels.cosine_scores`."""
    cupy = cuda.cupy()
    if out.size == 0:
        return out
    left = cupy.ascontiguousarray(rows, np.float32 if rows.dtype.itemsize == 2 else rows.dtype)
    right = cupy.ascontiguousarray(panels)
    scores = out if out.flags.c_contiguous else cupy.empty(out.shape, out.dtype)
    count, columns, dim = np.uint64(out.shape[0]), np.uint64(out.shape[1]), np.int32(rows.shape[1])
    lengths, own = cupy.empty(out.shape[0], np.float64), cupy.empty(out.shape[1], np.float64)
    row, column, score = (WORDS[array.dtype.name] for array in (left, right, out))
    names = f"row_lengths<{row}>", f"column_lengths<{column}>", f"score_pairs<{row}, {column}, {score}>"
    module = cuda.load(Path(__file__).with_name("cosine_scores.cu"), names)
    of_rows, of_columns, of_pairs = (module.get_function(name) for name in names)
    of_rows((-(-out.shape[0] * HALF_WARP // THREADS),), (THREADS,), (left, lengths, count, dim))
    of_columns((-(-out.shape[1] // THREADS),), (THREADS,), (right, own, columns, dim))
    blocks = -(-out.shape[0] // SIDE) * -(-out.shape[1] // SIDE)
    of_pairs((blocks,), (THREADS,), (left, right, lengths, own, scores, count, columns, dim))
    if scores is not out:
        out[:] = scores
    return out
