"""The cosine of every row with every other row, bit for bit as defined.

rows    (A, d)            float16, float32 or float64; finite
panels  (⌈B/64⌉, d, 64)   float32 or float64: the B other rows, packed by ``panels_of``
out     (A, B)            float32 or float64: written, scores rounded to its dtype
→       out, NaN where either row has length 0

The score is that of :mod:`gpuemb.kernels.cosine_topk`.
"""

from __future__ import annotations

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import FloatMatrix, FloatStack, device_of, wide
from gpuemb.core.cuda import cupy
from gpuemb.core.cuda.host_streaming import rows_per_block, uploaded
from gpuemb.core.device import CPU, Device
from gpuemb.core.dispatch import kernel
from gpuemb.core.memory import tiles
from gpuemb.kernels.cosine_topk import cosine_topk

WIDTH = 64  # rows side by side: eight vector registers of float64


def panels_of(rows: FloatMatrix, device: Device | None = None) -> FloatStack:
    """Pack rows into panels of ``WIDTH`` columns, float16 widened, zeros behind the last row.

    Args:
        rows: ``(B, d)``.
        device: of the panels; None: that of the rows. Rows of the host stream to a GPU.

    Cost: a copy of the table.
    """
    if device_of(rows).kind == "cuda":
        return _panels_on_a_gpu(rows)
    if device not in (None, CPU):
        with cupy().cuda.Device(device.index):
            return _panels_from_the_host(rows)
    count, dim = rows.shape
    panels = np.empty((-(-count // WIDTH), dim, WIDTH), wide(rows))

    def transpose(part: tuple[int, int]) -> None:
        first, last = part
        for panel in range(first, last):
            some = rows[panel * WIDTH : (panel + 1) * WIDTH]
            panels[panel, :, : len(some)] = some.T
            panels[panel, :, len(some) :] = 0

    threads.run(transpose, tiles(len(panels), 64))
    return panels


def _panels_on_a_gpu(rows: FloatMatrix) -> FloatStack:
    """The same in two copies: a panel at a time would be thousands of launches."""
    (count, dim), whole = rows.shape, len(rows) // WIDTH
    panels = cupy().zeros((-(-count // WIDTH), dim, WIDTH), wide(rows))
    panels[:whole] = rows[: whole * WIDTH].reshape(whole, WIDTH, dim).transpose(0, 2, 1)
    if whole < len(panels):
        panels[whole, :, : count - whole * WIDTH] = rows[whole * WIDTH :].T
    return panels


def _panels_from_the_host(rows: FloatMatrix) -> FloatStack:
    count, dim = rows.shape
    panels = cupy().empty((-(-count // WIDTH), dim, WIDTH), wide(rows))
    step = -(-rows_per_block(rows.shape, rows.dtype) // WIDTH) * WIDTH
    for first, block in uploaded(rows, step):
        some = _panels_on_a_gpu(block)
        panels[first // WIDTH : first // WIDTH + len(some)] = some
    return panels


@kernel
def cosine_scores(rows: FloatMatrix, panels: FloatStack, out: FloatMatrix) -> FloatMatrix:
    """Score every row against every column of the panels.

    Cost: ``2·A·B·d`` flops in float64.
    """
    others = np.swapaxes(panels, 1, 2).reshape(-1, panels.shape[1])[: out.shape[1]]
    found = cosine_topk.reference(others, len(others), rows)
    out[:] = np.nan
    for row, (ids, scores) in enumerate(zip(found.ids, found.scores, strict=True)):
        out[row, ids[ids >= 0]] = scores[ids >= 0]
    return out
