"""Every word's exact nearest neighbors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core.arrays import (
    Array,
    FloatMatrix,
    computing_device,
    device_of,
    empty,
    library_of,
    like,
    native,
    to_device,
    to_host,
)
from gpuemb.core.checks import check_at_least, check_at_most
from gpuemb.core.device import CPU, DeviceName
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import TILE_BYTES, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result
from gpuemb.embeddings.model import named_table, words_of
from gpuemb.kernels.cosine_topk import TopK, cosine_topk
from gpuemb.neighbors.chance import Candidates
from gpuemb.neighbors.correction import (
    CSLS_K,
    Correction,
    Metric,
    correction_between,
    kernels_of,
    own_correction,
    search_corrected,
    shown_scores,
    source_of,
)
from gpuemb.neighbors.queries import asked_of, checked_rows, warm_start_rows
from gpuemb.pictures.notebook import SHOWN_ROWS, html_table

CACHED_BYTES = 1 << 20  # of rows that stay in a core's cache


@result
class Neighbors:
    """Nearest rows of every query.

    Attributes:
        ids: ``(Q, k)`` int32 rows of the table, best first, −1 padded.
        scores: ``(Q, k)`` float64 cosines, or scores by ``metric``, NaN padded.
        words: the table's words, when it has them.
        without_length: rows of zeros: they have no cosine and are in nobody's list.
        certified: lists proved by the bound of an int8 filter, or of a GPU's float16 filter.
        refined: lists proved by the bound of a float32 filter.
        recomputed: lists for which every candidate was scored in float64.
        candidates: what the lists were chosen from: rows with a length, but for the query itself.
        metric: by which they are nearest.
    """

    ids: Array
    scores: Array
    words: Sequence[str] | None
    without_length: int
    certified: int
    refined: int
    recomputed: int
    candidates: Candidates
    metric: Metric = "cosine"

    def _repr_html_(self) -> str:
        count, k = self.ids.shape
        own = None if self.candidates.itself is None else to_host(self.candidates.itself[:SHOWN_ROWS])
        rows = []
        for query in range(min(count, SHOWN_ROWS)):
            row = query if own is None else int(own[query])
            asked = row if own is None or self.words is None else self.words[row]
            rows.append((asked, ", ".join(f"{name} {score:.3f}" for name, score in self.named(query)[:5])))
        said = f"Neighbors, {count:,} queries × {k}, by {self.metric}"
        return html_table(said, ("query", "nearest"), rows, total=count)

    @door
    def named(self, query: int) -> list[tuple[str, float]]:
        """Return the neighbors of one query as words (or row numbers) with their scores.

        Args:
            query: its number among the queries.

        Raises:
            ConfigError: there are fewer queries.
        """
        check_at_least("Neighbors.named", "query", query, 0)
        check_at_most("Neighbors.named", "query", query, self.ids.shape[0] - 1)
        ids, scores = to_host(self.ids[query, :]), to_host(self.scores[query, :])
        names = [str(i) if self.words is None else self.words[i] for i in ids]
        return [(n, float(s)) for n, s, i in zip(names, scores, ids, strict=True) if i >= 0]


@door
def nearest_neighbors(
    x: Any,
    k: int = 10,
    *,
    queries: Any = None,
    metric: Metric = "cosine",
    csls_k: int = CSLS_K,
    source: Any = None,
    warm_start: Any = None,
    device: DeviceName = None,
    progress: Progress = SILENT,
) -> Neighbors:
    """Find the ``k`` nearest rows, exactly: of highest cosine, or corrected for hubs.

    Args:
        x: an Embedding, or a ``(V, d)`` float16, float32 or float64 array on any device.
        k: neighbors a query.
        queries: None asks for every row; words or row numbers exclude themselves from their answer;
            vectors, a ``(Q, d)`` array or another Embedding of the table's dtype, exclude nothing.
        metric: ``cosine``. ``csls``: 2cos − r − r', twice the cosine less each side's mean cosine with its
            ``csls_k`` nearest, so that rows near to everything rank lower. ``mutual_proximity``: the chance
            that a cosine of the one and a cosine of the other are both below theirs, each a normal variable
            of the mean and deviation of all its cosines, and independent of the other.
        csls_k: of ``csls``.
        source: the whole table that vectors as queries are rows of, whose cosines correct the rows of ``x``;
            the queries themselves when left out. Queries are corrected by their cosines with ``x``.
        warm_start: rows that may be near each query, ``(Q, m)`` integers, −1 padded, or the
            :class:`Neighbors` of another run over the same words; of ``cosine`` alone. The lists do not
            depend on them.
        device: where to compute: see :class:`gpuemb.Device`. A table of the host, a memory map too, streams
            to the GPU, and stays there if it fits. Else its float16 form must (``2·V·d`` bytes), and rows
            that are scored are read from the host as they are needed. ``mutual_proximity`` is of the CPU.
        progress: told of the parts of the work that are done, where queries are many.

    Returns:
        Lists in score order, equal scores by row: the same bits for any tile, number of threads and device.
        A score that rounding carries past 1 is shown as 1, and keeps its place.
        They lie where the table does.

    Raises:
        ConfigError: ``k`` or ``csls_k`` is below 1 or there are not so many candidates; an unknown
            ``metric``, or one that has no use for ``source`` or ``warm_start``.
        VocabularyError: an unknown word, with the closest spellings.
        ShapeError, DTypeError, NonFiniteError: the table, queries or source are not finite float matrices
            alike, or ``warm_start`` are not rows of the table for each query.
        DeviceError: the device cannot be used, or the table lies on another GPU.
        MemoryBudgetError: the search does not fit the device.

    Cost: ``2·Q·V·d`` flops; ``csls`` first finds the neighbors of all rows, ``2·V²·d`` more, with vectors
    ``2·V·d`` times the rows of ``source`` and ``2·Q·V·d``; ``mutual_proximity`` takes ``4·V·d²`` more. To ask
    often, :class:`CosineIndex` is built once.
    Source: Definitions §3; Conneau (2018), ICLR; Schnitzer (2012), J. Mach. Learn. Res. 13, 2871-2902.

    Example:
        >>> found = ge.nearest_neighbors(ge.Embedding(x, words), 2, queries=["w3"])
        >>> found.ids.tolist(), found.scores.round(3).tolist()
        ([[29, 38]], [[0.819, 0.738]])
        >>> ge.nearest_neighbors(x, 2).ids.shape  # of every row
        (50, 2)
        >>> ge.nearest_neighbors(x, 2, queries=[3], metric="csls").ids.tolist()  # corrected for hubs
        [[29, 15]]
    """
    where = "nearest_neighbors"
    x = named_table(x)
    rows = checked_rows(where, x)
    on = computing_device(where, rows, device, kernels_of(metric))
    asked, itself = asked_of(where, x, rows, queries, k)
    others = source_of(where, metric, rows, asked, itself, source)
    candidates = candidates_of(rows, with_length(native(rows)), asked, itself)
    if metric != "cosine":
        _refuse_warm_start(metric, warm_start)
        if asked is None or itself is not None:
            own = own_correction(where, metric, csls_k, rows, on, progress)
            correction = Correction(own, own if itself is None else own[native(itself)])
        else:
            correction = correction_between(where, metric, csls_k, rows, asked, others, on, progress)
        found = search_corrected(metric, rows, k, asked, itself, correction, on, progress)
        return neighbors_of(found, x, rows, candidates, metric)
    near = None if warm_start is None else warm_start_rows(rows, rows if asked is None else asked, warm_start)
    found = cosine_topk.on(on)(rows, k, asked, itself, near, progress)
    return neighbors_of(found, x, rows, candidates)


def _refuse_warm_start(metric: Metric, warm_start: Any) -> None:
    if warm_start is not None:
        raise ConfigError(
            f"nearest_neighbors: warm_start with metric={metric}",
            needed="Rows that may be near speed up a search by cosine alone.",
            remedy="Leave it out.",
        )


def neighbors_of(
    found: TopK, table: Any, rows: FloatMatrix, candidates: Candidates, metric: Metric = "cosine"
) -> Neighbors:
    """Give lists back where ``rows`` are and in their library, with the table's words."""
    shown = shown_scores(metric, found.scores)
    ids, scores = (like(to_device(x, device_of(rows)), rows) for x in (found.ids, shown))
    zeros = int((~candidates.known).sum())
    proved = found.certified, found.refined, found.recomputed
    return Neighbors(ids, scores, words_of(table), zeros, *proved, candidates, metric)


def candidates_of(rows: FloatMatrix, known: Array, asked: Array | None, itself: Array | None) -> Candidates:
    """Return the candidates of queries as :func:`asked_of` gives them; ``known`` is :func:`with_length`."""
    if asked is None:
        return Candidates(known, library_of(known).arange(rows.shape[0]))
    return Candidates(known, None if itself is None else native(itself))


def with_length(rows: FloatMatrix) -> Array:
    """Return ``(V,)`` whether native rows are anything but zero."""
    of_the_host, known = device_of(rows) == CPU, empty((len(rows),), np.bool_, device_of(rows))
    together = rows_per_tile(rows[:1].nbytes, CACHED_BYTES if of_the_host else TILE_BYTES)
    for start, stop in tiles(len(rows), together):
        some = rows[start:stop]
        # CuPy takes small float32 for zero, so the GPU looks at the bits, all but the sign.
        long = some != 0 if of_the_host else some.view(f"uint{8 * some.itemsize}") << 1 != 0
        known[start:stop] = long.any(axis=1)
    return known
