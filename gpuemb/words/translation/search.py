"""Nearest rows of one table to rows of another that was mapped onto it, and mutual nearest rows of both."""

from __future__ import annotations

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int64, device_of, to_host
from gpuemb.core.progress import Progress
from gpuemb.kernels.cosine_topk import TopK, cosine_topk
from gpuemb.neighbors.correction import Correction, Metric, correction_of, search_corrected


def corrected(
    metric: Metric, k: int, rows: FloatMatrix, others: FloatMatrix, progress: Progress
) -> Float64 | None:
    """Return what corrects rows by their cosines with the rows of the other table; None of ``cosine``."""
    if metric == "cosine":
        return None
    return correction_of("translate", metric, k, rows, others, device_of(rows), progress)


def search_across(
    target: FloatMatrix,
    asked: FloatMatrix,
    k: int,
    metric: Metric,
    corrections: tuple[Float64 | None, Float64 | None],
    progress: Progress,
) -> TopK:
    """Find the ``k`` rows of the target nearest to each asked row.

    Args:
        target: ``(V, m)``, native.
        asked: ``(Q, m)`` mapped rows of the source, of the same dtype.
        k: of a list.
        metric: of :func:`gpuemb.nearest_neighbors`.
        corrections: of the target's rows and of the asked ones, as :func:`corrected` gives them.
        progress: told of the search.
    """
    on, (of_target, of_asked) = device_of(target), corrections
    if metric == "cosine" or of_target is None or of_asked is None:
        return cosine_topk.on(on)(target, k, asked, None, None, progress)
    correction = Correction(of_target, of_asked)
    return search_corrected(metric, target, k, asked, None, correction, on, progress)


def mutual_nearest(
    source: FloatMatrix, target: FloatMatrix, metric: Metric, k: int, progress: Progress
) -> Int64:
    """Return ``(P, 2)`` rows of the source and the target that are each other's nearest, in source order."""
    of_source = corrected(metric, k, source, target, progress)
    of_target = corrected(metric, k, target, source, progress)
    found = (
        search_across(target, source, 1, metric, (of_target, of_source), progress),
        search_across(source, target, 1, metric, (of_source, of_target), progress),
    )
    there, back = (to_host(one.ids)[:, 0].astype(np.int64) for one in found)
    mutual = np.flatnonzero((there >= 0) & (back[there] == np.arange(len(there))))
    return np.stack([mutual, there[mutual]], axis=1)
