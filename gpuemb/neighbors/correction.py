"""Metrics that correct cosines for hubs: what they need to know of every row, and the search by them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, FloatMatrix, library_of
from gpuemb.core.checks import check_at_least
from gpuemb.core.device import Device, RunsOn
from gpuemb.core.errors import ConfigError, DeviceError
from gpuemb.core.progress import Progress
from gpuemb.kernels.corrected_search import Method, corrected_search
from gpuemb.kernels.cosine_statistics import cosine_statistics
from gpuemb.kernels.cosine_topk import TopK, cosine_topk
from gpuemb.neighbors.queries import checked_rows, matching

Metric: TypeAlias = Literal["cosine", "csls", "mutual_proximity"]
METRICS: tuple[Metric, ...] = ("cosine", "csls", "mutual_proximity")
CSLS_K = 10  # nearest rows whose mean cosine is subtracted, as in Conneau (2018)


class Correction(NamedTuple):
    """How the rows of a table are corrected, and its queries.

    Attributes:
        of_rows: ``(V, 2)`` as :mod:`gpuemb.kernels.corrected_search` takes it.
        of_queries: ``(Q, 2)`` the same of each query.
    """

    of_rows: Float64
    of_queries: Float64


def kernels_of(metric: Metric) -> list[RunsOn]:
    """Return the kernels of a metric: ``auto`` chooses a GPU where all have CUDA."""
    if metric == "cosine":
        return [cosine_topk]
    return [corrected_search, cosine_topk if metric == "csls" else cosine_statistics]


def source_of(
    where: str, metric: Metric, rows: FloatMatrix, asked: Array | None, itself: Array | None, source: Any
) -> Array | None:
    """Return the rows of the table that vectors as queries are of; None where none was given.

    Raises:
        ConfigError: queries or a metric that has no use for one.
        ShapeError, DTypeError, NonFiniteError, DeviceError: it cannot be compared with ``rows``.
    """
    if source is None:
        return None
    if metric == "cosine" or asked is None or itself is not None:
        given = "metric=cosine" if metric == "cosine" else "queries of the table itself"
        raise ConfigError(
            f"{where}: source with {given}",
            needed="source is the table that vectors as queries are rows of, by whose cosines csls and"
            " mutual_proximity correct the rows of this one.",
            remedy="Leave it out, or pass vectors as queries.",
        )
    return matching(where, rows, checked_rows(where, source))


def own_correction(
    where: str, metric: Method, csls_k: int, rows: FloatMatrix, on: Device, progress: Progress
) -> Float64:
    """Return ``(V, 2)``: what corrects every row among the others, itself left out."""
    _check_device(where, metric, on)
    if metric == "mutual_proximity":
        return cosine_statistics.on(on)(rows)
    _check_csls_k(where, csls_k, rows.shape[0] - 1, "other rows of the table")
    return _mean_cosines(cosine_topk.on(on)(rows, csls_k, None, None, None, progress))


def correction_between(
    where: str,
    metric: Method,
    csls_k: int,
    rows: FloatMatrix,
    asked: FloatMatrix,
    source: FloatMatrix | None,
    on: Device,
    progress: Progress,
) -> Correction:
    """Return what corrects queries among ``rows``, and rows among ``source``, or the queries."""
    _check_device(where, metric, on)
    others = asked if source is None else source
    if metric == "csls":
        _check_csls_k(where, csls_k, rows.shape[0], "rows of the table")
        _check_csls_k(where, csls_k, others.shape[0], "queries" if source is None else "rows of source")
    of_rows = correction_of(where, metric, csls_k, rows, others, on, progress)
    return Correction(of_rows, correction_of(where, metric, csls_k, asked, rows, on, progress))


def correction_of(
    where: str,
    metric: Method,
    csls_k: int,
    asked: FloatMatrix,
    others: FloatMatrix,
    on: Device,
    progress: Progress,
) -> Float64:
    """Return ``(Q, 2)``: what corrects rows of one table by their cosines with all rows of another."""
    _check_device(where, metric, on)
    if metric == "mutual_proximity":
        return cosine_statistics.on(on)(asked, others)
    _check_csls_k(where, csls_k, others.shape[0], "rows of the other table")
    return _mean_cosines(cosine_topk.on(on)(others, csls_k, asked, None, None, progress))


def search_corrected(
    metric: Method,
    rows: FloatMatrix,
    k: int,
    asked: FloatMatrix | None,
    itself: Array | None,
    correction: Correction,
    on: Device,
    progress: Progress,
) -> TopK:
    """Search by the corrected scores; queries as :func:`gpuemb.neighbors.queries.asked_of` gives them."""
    xp = library_of(correction.of_rows)
    queries = rows if asked is None else asked
    if asked is None:
        itself = xp.arange(queries.shape[0])
    excluded = xp.full(queries.shape[0], -1) if itself is None else itself
    return corrected_search.on(on)(rows, queries, excluded, *correction, k, metric, progress)


def shown_scores(metric: Metric, scores: Float64) -> Float64:
    """Return scores as they are shown: cosines that rounding carries past an end at the end."""
    if metric == "cosine":
        return library_of(scores).clip(scores, -1.0, 1.0)  # type: ignore[no-any-return]
    return scores + 1.0 if metric == "mutual_proximity" else scores


def _mean_cosines(found: TopK) -> Float64:
    """Return ``(Q, 2)``: the mean of each list, best first, and nothing; NaN of an empty list."""
    xp = library_of(found.scores)
    total = xp.zeros(len(found.scores))
    for rank in range(found.scores.shape[1]):
        total += xp.where(found.ids[:, rank] >= 0, found.scores[:, rank], 0.0)
    filled = (found.ids >= 0).sum(axis=1)
    mean = xp.where(filled > 0, total / xp.maximum(filled, 1), np.nan)
    return xp.stack([mean, xp.zeros(len(mean))], axis=1)  # type: ignore[no-any-return]


def _check_csls_k(where: str, csls_k: int, most: int, of: str) -> None:
    check_at_least(where, "csls_k", csls_k, 1)
    if csls_k > most:
        raise ConfigError(
            f"{where}: csls_k = {csls_k}, but there are {most} {of}",
            needed="CSLS corrects by the mean cosine with the csls_k nearest rows, both ways.",
            remedy="Give source=, the whole table that the queries are rows of."
            if of == "queries"
            else f"Give csls_k={most}."
            if most
            else "Give a table of at least two words.",
        )


def _check_device(where: str, metric: Method, on: Device) -> None:
    if metric == "mutual_proximity" and on.kind != "cpu":
        raise DeviceError(
            f"{where}: metric='mutual_proximity' on {on}",
            needed="Its tails are the C library's erfc, which a GPU computes otherwise.",
            remedy="Copy the table to the host first, or use metric='csls'.",
        )
