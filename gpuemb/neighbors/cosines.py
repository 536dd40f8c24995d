"""Cosines of many pairs of words: a matrix that was asked for by name, or block after block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    namespace_of,
    native,
    to_host,
)
from gpuemb.core.checks import LARGEST_SQUARE, check_at_least, check_matrix, check_range, check_same_device
from gpuemb.core.cuda import cupy
from gpuemb.core.cuda.host_streaming import copied
from gpuemb.core.device import CPU, Device, DeviceName, require
from gpuemb.core.doors import door
from gpuemb.core.errors import DTypeError, MemoryBudgetError, ShapeError
from gpuemb.core.memory import TILE_BYTES, MemoryPlan, buffer, readable, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result, shown
from gpuemb.embeddings.model import Embedding, named_table, vectors_of, words_of
from gpuemb.kernels.cosine_scores import cosine_scores, panels_of

ROWS_AT_ONCE = 32  # at least, where a row has more than 64 MB of scores: a GPU reads y once for them


@result
class Cosines:
    """Cosines of some rows with all columns.

    Attributes:
        scores: ``(A, B)`` cosines, NaN where a row or a column is zero.
        start: which row of x the first one is.
        words: the ``A`` words of the rows, where they are known.
        columns: the ``B`` words of the columns, where they are known.
    """

    scores: Array
    start: int
    words: Sequence[str] | None
    columns: Sequence[str] | None


@door
def cosine_matrix(
    x: Any,
    y: Any = None,
    out: Any = None,
    *,
    words: Sequence[str] | None = None,
    device: DeviceName = None,
    progress: Progress = SILENT,
) -> Cosines:
    """Compute the cosine of every row of x with every row of y.

    The matrix of whole vocabularies is not made unasked: past 64 MB it needs ``words`` or ``out``.

    Args:
        x: an Embedding, or a ``(A, d)`` float16, float32 or float64 array.
        y: the same with ``B`` rows; x itself when left out.
        out: ``(A, B)`` float32 or float64 array on x's device, NumPy's (a memory map for instance) or CuPy's,
            that is filled; float32 holds the rounded scores.
        words: compare these words only, in this order; x and y must be Embeddings.
        device: where to compute: see :class:`gpuemb.Device`. Tables of the host, memory maps too, stream to
            the GPU, which keeps y; the scores come home.
        progress: told of every row.

    Returns:
        Scores bit for bit as those of :func:`nearest_neighbors`, float64 unless ``out`` says otherwise. A
        row with itself may be 1 − 2⁻⁵³.

    Raises:
        MemoryBudgetError: the matrix is larger than 64 MB and neither ``words`` nor ``out`` was given, or it
            does not fit.
        VocabularyError: a word is missing, with the closest spellings.
        ShapeError, DTypeError, NonFiniteError: x, y or out is not such a table.
        DeviceError: x and y are on different devices, or the device cannot be used.

    Cost: ``2·A·B·d`` flops in float64; a copy of y. Source: Definitions §3.

    Example:
        >>> matrix = ge.cosine_matrix(ge.Embedding(x, words), words=["w3", "w29", "w38"])
        >>> matrix.scores.round(3).tolist()
        [[1.0, 0.819, 0.738], [0.819, 1.0, 0.451], [0.738, 0.451, 1.0]]
    """
    where = "cosine_matrix"
    pair = _Pair.of(where, x, y, words, device)
    size = buffer(pair.shape, np.float64)
    if out is None and words is None and size > TILE_BYTES:
        raise MemoryBudgetError(
            f"{where}: {pair.shape[0]} × {pair.shape[1]} cosines are {readable(size)}",
            needed=f"Past {readable(TILE_BYTES)} a matrix must be asked for.",
            remedy="Name the words with words=[…], give out=, or take it in blocks from cosine_tiles.",
        )
    held = 0 if out is not None else size
    scores = _target(where, out, pair)
    step = rows_per_tile(8 * pair.shape[1], multiple=ROWS_AT_ONCE)
    pair.require(where, {"matrix": held}, step)
    scores = empty(pair.shape, np.float64, pair.home) if scores is None else scores
    panels = panels_of(pair.others, pair.device)
    with progress.phase("cosines", pair.shape[0]) as task:
        for start, stop in tiles(pair.shape[0], step):
            pair.score(panels, start, stop, scores[start:stop])
            task.advance(stop - start)
    return Cosines(like(scores, pair.source) if out is None else out, 0, pair.words, pair.columns)


@door
def cosine_tiles(
    x: Any,
    y: Any = None,
    *,
    words: Sequence[str] | None = None,
    tile_bytes: int = TILE_BYTES,
    device: DeviceName = None,
) -> Iterator[Cosines]:
    """Walk down the matrix of :func:`cosine_matrix` in blocks of whole rows; it never stands as a whole.

    Args:
        x: as for :func:`cosine_matrix`.
        y: as for :func:`cosine_matrix`.
        words: as for :func:`cosine_matrix`.
        tile_bytes: how large a block may be; it has one row at least. Scores do not depend on it.
        device: as for :func:`cosine_matrix`.

    Yields:
        Blocks from the first row to the last; each is an array of its own.

    Raises:
        ConfigError: ``tile_bytes`` is below 1. Otherwise as :func:`cosine_matrix`; all at the call, before
            the first block.

    Cost: ``2·A·B·d`` flops in float64; a copy of y and one block.

    Example:
        >>> [len(tile.scores) for tile in ge.cosine_tiles(x, tile_bytes=8000)]
        [20, 20, 10]
    """
    where = "cosine_tiles"
    check_at_least(where, "tile_bytes", tile_bytes, 1)
    pair = _Pair.of(where, x, y, words, device)
    step = min(pair.shape[0], rows_per_tile(8 * pair.shape[1], tile_bytes))
    pair.require(where, {"block": buffer((step, pair.shape[1]), np.float64)}, step)
    return _blocks(pair, step)


def _blocks(pair: _Pair, step: int) -> Iterator[Cosines]:
    panels = panels_of(pair.others, pair.device)
    for start, stop in tiles(pair.shape[0], step):
        scores = pair.score(panels, start, stop, empty((stop - start, pair.shape[1]), np.float64, pair.home))
        words = None if pair.words is None else pair.words[start:stop]
        yield Cosines(like(scores, pair.source), start, words, pair.columns)


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two checked tables of one d and place, in its own library; ``source`` is x as it came.

    ``device`` computes; where that is a GPU and the tables are on the host, they stream to it.
    """

    rows: FloatMatrix
    others: FloatMatrix
    words: Sequence[str] | None
    columns: Sequence[str] | None
    source: Array
    device: Device

    @classmethod
    def of(cls, where: str, x: Any, y: Any, words: Sequence[str] | None, device: DeviceName) -> _Pair:
        source, rows, names = _table(where, "x", x, words)
        on = computing_device(where, source, device, [cosine_scores])
        cosine_scores.implementation(on.kind)  # one that is missing is said before any work
        _, others, columns = (source, rows, names) if y is None else _table(where, "y", y, words)
        check_same_device(where, {"x": rows, "y": others})
        if rows.shape[1] != others.shape[1]:
            raise ShapeError(
                f"{where}: x has {rows.shape[1]} dimensions but y has {others.shape[1]}",
                needed="A cosine needs two vectors of the same length.",
                remedy=f"Cut both with embedding.truncate({min(rows.shape[1], others.shape[1])}).",
            )
        return cls(rows, others, names, columns, source, on)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.others)

    @property
    def home(self) -> Device:
        """Where the tables lie, and the scores go."""
        return device_of(self.rows)

    def require(self, where: str, scores: dict[str, int], step: int) -> None:
        """Make sure of the memory for ``scores`` at home, and what computing ``step`` rows at once takes."""
        copy = {"copy of y": self.others.size * max(4, self.others.dtype.itemsize)}
        if self.home == self.device:
            require(MemoryPlan(where, {**copy, **scores}), self.device)
            return
        require(MemoryPlan(where, scores), self.home)
        some = min(step, self.shape[0])
        row = self.shape[1] * 8 + self.rows.shape[1] * self.rows.itemsize
        passing = {"rows on their way": 4 * min(copy["copy of y"], TILE_BYTES), "scores": some * row}
        require(MemoryPlan(where, {**copy, **passing}), self.device)

    def score(self, panels: Any, start: int, stop: int, out: FloatMatrix) -> FloatMatrix:
        rows = self.rows[start:stop]
        score = cosine_scores.on(self.device)
        if self.home == self.device:
            score(rows, panels, out)
        else:
            with cupy().cuda.Device(self.device.index):
                rows = copied(rows, rows.dtype.newbyteorder("="))
            out[...] = to_host(score(rows, panels, empty(out.shape, out.dtype, self.device)))
        return library_of(out).clip(out, -1.0, 1.0, out=out)  # rounding may carry a cosine past an end


def _table(
    where: str, name: str, x: Any, words: Sequence[str] | None
) -> tuple[Array, FloatMatrix, Sequence[str] | None]:
    """Return the table as it came, its wanted rows, and their words."""
    x = named_table(x)
    table = check_matrix(where, name, vectors_of(x), words_of(x))
    check_range(where, name, table, LARGEST_SQUARE)
    if words is None:
        return table, native(table), words_of(x)
    if not isinstance(x, Embedding):
        raise DTypeError(
            f"{where}: words were named, but {name} is an array",
            needed="Words can be asked of an Embedding.",
            remedy="Embedding(array, words), or take the rows from the array.",
        )
    if not len(words):
        raise ShapeError(
            f"{where}: words = {words!r}",
            needed="A list of at least one word is needed.",
            remedy="One word is words=[word].",
        )
    xp = namespace_of(table)
    rows = xp.take(table, xp.asarray(x.rows(words)), axis=0)
    return table, native(rows), list(words)


def _target(where: str, out: Any, pair: _Pair) -> FloatMatrix | None:
    if out is None:
        return None
    shape, library = pair.shape, library_of(pair.rows)
    of_the_device = isinstance(out, library.ndarray) and device_of(out) == pair.home
    if not of_the_device or out.shape != shape or not getattr(out.flags, "writeable", True):
        raise ShapeError(
            f"{where}: out is {type(out).__name__} {shown(out)}",
            needed=f"A {library.__name__} array {shape} on {pair.home} that may be written is needed.",
            remedy=f"{library.__name__}.empty({shape}), or for a file numpy.lib.format.open_memmap.",
        )
    if out.dtype not in (np.float32, np.float64):
        raise DTypeError(
            f"{where}: out holds {out.dtype}",
            needed="Scores go into float64, or rounded into float32.",
            remedy=f"{library.__name__}.empty({shape}, 'float32')",
        )
    return np.asarray(out) if pair.home == CPU else out
