"""A table that is prepared once and asked often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpuemb.core.arrays import (
    Array,
    Float64,
    FloatMatrix,
    computing_device,
    device_of,
    library_of,
    native,
    to_device,
    wide,
)
from gpuemb.core.cuda import cupy, retry_smaller
from gpuemb.core.cuda.host_streaming import copied, plan_upload, rows_per_block
from gpuemb.core.device import CPU, Device, DeviceName, budget, require
from gpuemb.core.doors import door
from gpuemb.core.memory import TILE_BYTES, MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import shown
from gpuemb.embeddings.model import named_table, words_of
from gpuemb.kernels.corrected_search import Method
from gpuemb.kernels.cosine_search import FEW_NEIGHBORS, FEW_QUERIES, cosine_search, filter_bytes, filter_of
from gpuemb.kernels.cosine_topk import cosine_topk
from gpuemb.neighbors.correction import (
    CSLS_K,
    Correction,
    Metric,
    correction_between,
    own_correction,
    search_corrected,
    source_of,
)
from gpuemb.neighbors.exact import Neighbors, candidates_of, neighbors_of, with_length
from gpuemb.neighbors.queries import asked_of, checked_rows

WHERE = "CosineIndex"


class CosineIndex:
    """Exact nearest neighbors of some queries at a time, from a table that is prepared once.

    Args:
        x: an Embedding, or a ``(V, d)`` float16, float32 or float64 array, which must not change while
            the index is asked.
        device: where to search: see :class:`gpuemb.Device`. A table of the host is copied to the GPU if
            it fits; else every search reads it from the host once more.

    Raises:
        ShapeError, DTypeError, NonFiniteError: the table is not a finite float matrix.
        DeviceError: the device cannot be used, or the table lies on another GPU.
        MemoryBudgetError: what is prepared of the table does not fit where it lies.

    Cost: one pass over the table, and on the CPU ``V·(d + 8)`` bytes, ``4·V·d`` without int8 products.

    Example:
        >>> index = ge.CosineIndex(ge.Embedding(x, words))
        >>> found = index.search(x[:3], k=1)  # vectors, so a row finds itself
        >>> [index.words[i] for i in found.ids[:, 0]]
        ['w0', 'w1', 'w2']
    """

    @door
    def __init__(self, x: Any, *, device: DeviceName = None) -> None:
        self._table = named_table(x)
        self._source = checked_rows(WHERE, self._table)
        self._device = computing_device(WHERE, self._source, device, [cosine_search, cosine_topk])
        rows = native(self._source)
        if device_of(rows) == self._device:
            widened = 4 * rows.size if rows.dtype.itemsize == 2 else 0
            prepared = filter_bytes(*rows.shape) if self._device == CPU else 0
            require(
                MemoryPlan(WHERE, {"the filter's rows": prepared, "float16 widened": widened}), self._device
            )
            self._rows: FloatMatrix = _wide(rows)
        else:
            self._rows = _brought(rows, self._device)
        self._prepared = None if self._device != CPU else filter_of(self._rows)
        self._known = with_length(rows)
        self._corrections: dict[tuple[Metric, int], Float64] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def words(self) -> Sequence[str] | None:
        """The table's words, when it has them."""
        return words_of(self._table)

    def __repr__(self) -> str:
        return f"CosineIndex({shown(self._source)}, device='{self._device}')"

    @door
    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        metric: Metric = "cosine",
        csls_k: int = CSLS_K,
        source: Any = None,
        progress: Progress = SILENT,
    ) -> Neighbors:
        """Find the ``k`` nearest rows of each query.

        Args:
            queries: words or row numbers, which exclude themselves from their answer; or vectors, a
                ``(Q, d)`` array or another Embedding of the table's dtype, which exclude nothing; None
                asks for every row.
            k: neighbors a query.
            metric: as for :func:`nearest_neighbors`.
            csls_k: as for :func:`nearest_neighbors`.
            source: as for :func:`nearest_neighbors`.
            progress: told of the parts of the work that are done, where queries are many.

        Returns:
            What :func:`nearest_neighbors` returns, bit for bit.

        Raises:
            ConfigError, VocabularyError, ShapeError, DTypeError, NonFiniteError, DeviceError: as
                :func:`nearest_neighbors`.

        Cost: ``2·Q·V·d`` flops; more than 512 queries or 300 neighbors go to :func:`nearest_neighbors`. What
        corrects the rows among themselves is computed at the first search by a metric and ``csls_k``, and
        kept; what corrects them among the rows of ``source``, at every search.
        """
        where = f"{WHERE}.search"
        asked, itself = asked_of(where, self._table, self._source, queries, k)
        others = source_of(where, metric, self._source, asked, itself, source)
        if metric != "cosine":
            return self._search_corrected(metric, csls_k, k, asked, itself, others, progress)
        if asked is None or asked.shape[0] > FEW_QUERIES or k > FEW_NEIGHBORS:
            return self._search_many(k, asked, itself, progress)
        none = library_of(asked).full(asked.shape[0], -1)
        excluded = none if itself is None else native(itself)
        search = cosine_search.on(self._device)
        found = search(self._rows, self._prepared, k, _wide(native(asked)), excluded)
        candidates = candidates_of(self._source, self._known, asked, itself)
        return neighbors_of(found, self._table, self._source, candidates)

    def _search_corrected(
        self,
        metric: Method,
        csls_k: int,
        k: int,
        asked: Array | None,
        itself: Array | None,
        source: Array | None,
        progress: Progress,
    ) -> Neighbors:
        where, on, rows = f"{WHERE}.search", self._device, self._rows
        candidates = candidates_of(self._source, self._known, asked, itself)
        if device_of(rows) != device_of(self._source):
            asked, itself, source = (None if x is None else to_device(x, on) for x in (asked, itself, source))
        asked, source = (None if x is None else _wide(native(x)) for x in (asked, source))
        if asked is None or itself is not None:
            key = metric, csls_k if metric == "csls" else 0
            if key not in self._corrections:
                self._corrections[key] = own_correction(where, metric, csls_k, rows, on, progress)
            own = self._corrections[key]
            correction = Correction(own, own if itself is None else own[native(itself)])
        else:
            correction = correction_between(where, metric, csls_k, rows, asked, source, on, progress)
        found = search_corrected(metric, rows, k, asked, itself, correction, on, progress)
        return neighbors_of(found, self._table, self._source, candidates, metric)

    def _search_many(
        self, k: int, asked: Array | None, itself: Array | None, progress: Progress
    ) -> Neighbors:
        """Ask the kernel that arranges the table: for many queries, or many neighbors, that pays."""
        candidates = candidates_of(self._source, self._known, asked, itself)
        rows, moved = self._source, device_of(self._rows) != device_of(self._source)
        if moved:  # the rows that were brought to the GPU are there already
            rows = self._rows
            asked, itself = (None if x is None else to_device(x, self._device) for x in (asked, itself))
            asked = None if asked is None else _wide(asked)
        found = cosine_topk.on(self._device)(rows, k, asked, itself, None, progress)
        return neighbors_of(found, self._table, self._source, candidates)


def _brought(rows: FloatMatrix, device: Device) -> FloatMatrix:
    """A copy of a host's rows on a GPU; where it does not fit, the rows themselves."""
    need = {"rows": buffer(rows.shape, wide(rows)), "a tile of scores": max(TILE_BYTES, 64 * len(rows))}
    blocks = plan_upload(rows.shape, rows.dtype, rows_per_block(rows.shape, rows.dtype))[1]
    if sum(need.values()) + blocks.bytes > budget(device):
        return rows

    def bring(count: int) -> FloatMatrix:
        return copied(rows, wide(rows)) if count == len(rows) else rows

    with cupy().cuda.Device(device.index):
        return retry_smaller(WHERE, bring, len(rows))


def _wide(rows: FloatMatrix) -> FloatMatrix:
    """Rows in native order, float16 widened, exactly."""
    return library_of(rows).ascontiguousarray(rows, wide(rows))
