"""Maps of one space of vectors onto another: rows prepared, maps fitted on pairs of rows, maps applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, FloatMatrix, namespace_of, native, to_host
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.geometry.grams.thin_qr import over_tiles
from gpuemb.geometry.procrustes import procrustes
from gpuemb.geometry.rotations.alignment import Alignment
from gpuemb.kernels.gram import BLOCK_ROWS

Step: TypeAlias = Literal["unit", "center"]
STEPS: tuple[Step, ...] = ("unit", "center")
Method: TypeAlias = Literal["orthogonal", "whitened"]
METHODS: tuple[Method, ...] = ("orthogonal", "whitened")
REWEIGHT = 0.5  # power of the correlations of both sides, as in vecmap's supervised setting


@dataclass(frozen=True, eq=False)
class Preparation:
    """What is done to rows before they are mapped; rows of zeros stay zeros, and are in no mean.

    Attributes:
        steps: in their order: ``unit`` scales rows to length 1, ``center`` subtracts the mean row.
        means: ``(d,)`` float64 that each ``center`` subtracts.
    """

    steps: tuple[Step, ...]
    means: tuple[Array, ...]

    @classmethod
    def of(cls, table: FloatMatrix, steps: Sequence[Step]) -> Preparation:
        """Find the means of a table; one pass for each ``center``."""
        found = cls((), ())
        rows = native(table)
        xp = namespace_of(rows)
        for step in steps:
            means = found.means
            if step == "center":
                total, count = 0.0, 0
                for part in over_tiles(found.summed(rows), rows, BLOCK_ROWS):
                    total, count = total + part[0], count + part[1]
                means = (*means, total / max(count, 1))
            found = cls((*found.steps, step), means)
        return cls(found.steps, tuple(xp.asarray(mean) for mean in found.means))

    def summed(self, rows: FloatMatrix) -> Any:
        """Return a function of a tile: the sum of its prepared rows, and how many have a length."""

        def add(part: tuple[int, int]) -> tuple[Array, int]:
            xp, known = namespace_of(rows), self._known(rows[part[0] : part[1]])
            prepared = self.applied(rows[part[0] : part[1]])
            return xp.sum(prepared, axis=0), int(xp.sum(xp.astype(known, xp.int64)))

        return add

    def applied(self, rows: FloatMatrix) -> Array:
        """Return prepared rows, float64."""
        xp = namespace_of(rows)
        known, wide = self._known(rows)[:, None], xp.astype(rows, xp.float64)
        means = iter(self.means)
        for step in self.steps:
            if step == "unit":
                lengths = xp.sqrt(xp.vecdot(wide, wide))[:, None]
                wide = wide / xp.where(lengths > 0, lengths, xp.ones_like(lengths))
            else:
                wide = xp.where(known, wide - next(means), wide)
        return wide

    def _known(self, rows: FloatMatrix) -> Array:
        xp = namespace_of(rows)
        return xp.any(rows != 0, axis=1)


class Maps(NamedTuple):
    """Linear maps that bring prepared rows of both tables into one space.

    Attributes:
        source: ``(d, m)`` float64.
        target: ``(e, m)`` float64, or None where the target stays where it is.
        reason: why the maps are some of many; empty where they are unique.
    """

    source: Array
    target: Array | None
    reason: str


def mapped(table: FloatMatrix, preparation: Preparation, mapping: Array | None, dtype: Any) -> FloatMatrix:
    """Return ``(V, m)`` prepared and mapped rows of a table, in a tile's float64 before they are rounded.

    Cost: ``2·V·d·m`` flops, one pass; tiles of 8,192 rows whatever the memory, so that bits are the same.
    """
    rows = native(table)
    xp = namespace_of(rows)

    def move(part: tuple[int, int]) -> Array:
        some = preparation.applied(rows[part[0] : part[1]])
        return xp.astype(some if mapping is None else some @ mapping, dtype)

    return xp.concat(list(over_tiles(move, rows, BLOCK_ROWS)), axis=0)


def fit(where: str, method: Method, source: FloatMatrix, target: FloatMatrix) -> Maps:
    """Fit the maps on prepared rows ``(P, d)`` and ``(P, e)``, row ``i`` of the one the pair of row ``i``.

    ``orthogonal``: the ``Q`` of least ``‖XQ − Z‖``. ``whitened``: both sides are whitened, turned onto the
    axes of their correlations ``c``, scaled along these by ``c^½``, and dewhitened, each by its own.

    Raises:
        ShapeError: ``whitened`` of tables of different dimensions.
        ConfigError: ``whitened`` of pairs that do not span the dimensions.

    Source: Schönemann (1966); Artetxe, Labaka and Agirre (2018), AAAI.
    """
    if method == "orthogonal":
        alignment = cast(Alignment, procrustes(source, target, blocks=0))
        return Maps(alignment.rotation, None, alignment.reason)
    if source.shape[1] != target.shape[1]:
        raise ShapeError(
            f"{where}: method='whitened' of {source.shape[1]} and {target.shape[1]} dimensions",
            needed="Both tables need the same number of dimensions.",
            remedy="method='orthogonal' maps any number of dimensions onto any other.",
        )
    return _whitened(where, source, target)


@threads.single_threaded_blas()
def _whitened(where: str, source: FloatMatrix, target: FloatMatrix) -> Maps:
    xp = namespace_of(source)
    sides = [_whitening(where, name, rows) for name, rows in (("source", source), ("target", target))]
    (white_x, (to_x, back_x)), (white_z, (to_z, back_z)) = sides
    left, correlations, right = xp.linalg.svd(xp.matrix_transpose(white_x) @ white_z)
    scale = correlations**REWEIGHT
    axes = (to_x, left, back_x), (to_z, xp.matrix_transpose(right), back_z)
    maps = [to @ turn * scale @ (xp.matrix_transpose(turn) @ back @ turn) for to, turn, back in axes]
    return Maps(maps[0], maps[1], "")


def _whitening(where: str, name: str, rows: FloatMatrix) -> tuple[Array, tuple[Array, Array]]:
    """Return whitened rows, and the matrices that whiten and dewhiten; ``XW`` has orthonormal columns."""
    xp = namespace_of(rows)
    wide = xp.astype(rows, xp.float64)
    _, sizes, axes = xp.linalg.svd(wide, full_matrices=False)
    known = to_host(sizes)
    rank = int((known > known[0] * max(wide.shape) * np.finfo(np.float64).eps).sum())
    if rank < wide.shape[1]:
        raise ConfigError(
            f"{where}: method='whitened': {wide.shape[0]:,} pairs span {rank} of the {wide.shape[1]} "
            f"dimensions of the {name}",
            needed="Whitening needs pairs that span all dimensions; ten times as many pairs are better.",
            remedy="Give more pairs, or method='orthogonal'.",
        )
    across = xp.matrix_transpose(axes)
    to, back = across / sizes @ axes, across * sizes @ axes
    return wide @ to, (to, back)
