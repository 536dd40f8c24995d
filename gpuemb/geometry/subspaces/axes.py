"""The principal axes of tables, and how the spaces they span lie to each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from gpuemb.core import threads
from gpuemb.core.arrays import Array, FloatMatrix, namespace_of
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.thin_qr import triangles

# A Gram has the square of its table's condition: its axes err by c·eps·cond², by 7e-9 at condition 1e6 and by
# 3e-5 at 1e8 (measured). Past this condition the axes come from the thin QR of the rows, at c·eps·cond.
CONDITION = 1e5


@dataclass(frozen=True, eq=False)
class Axes:
    """A table's rows as ``X = U diag(singular) directionsᵀ``, ``U`` orthonormal.

    Attributes:
        singular: ``(r,)`` descending, in the table's length unit.
        directions: ``(d, r)``.
        length: the largest, with what the mean's length had to it before it was subtracted from a Gram.
        left: ``(m, r)`` U in the basis of a thin QR; None where it is ``X directions / singular``.
    """

    singular: Array
    directions: Array
    length: float
    left: Array | None = None

    @property
    def rank(self) -> int:
        """How many axes are kept."""
        return int(self.singular.shape[0])

    @property
    def condition(self) -> float:
        """By how much the length exceeds the last axis; infinite without one."""
        last = float(self.singular[-1]) if self.rank else 0.0
        return self.length / last if last > 0 else math.inf

    def first(self, rank: int) -> Axes:
        """Return the first axes alone."""
        left = None if self.left is None else self.left[:, :rank]
        return Axes(self.singular[:rank], self.directions[:, :rank], self.length, left)


@dataclass(frozen=True, eq=False)
class Subspaces:
    """The axes of a few tables over the same words.

    Attributes:
        axes: one for each table.
        cosines: ``cosines[s][t]`` is ``(r_s, r_t)`` ``U_sᵀ U_t``.
        recomputed: whether they were taken from the rows.
    """

    axes: Sequence[Axes]
    cosines: Sequence[Sequence[Array]]
    recomputed: bool

    @property
    def exist(self) -> bool:
        """Whether every table has an axis."""
        return all(axes.rank > 0 for axes in self.axes)

    def exchanged(self) -> Subspaces:
        """The same two tables in the other order."""
        turned = [[row[t] for t in (1, 0)] for row in (self.cosines[1], self.cosines[0])]
        return Subspaces([self.axes[1], self.axes[0]], turned, self.recomputed)


@threads.single_threaded_blas()
def axes_of_gram(gram: Array, mean_length: float = 0.0) -> Axes:
    """Return all axes of a table from its Gram; none of a Gram of zeros.

    Args:
        gram: ``(d, d)`` float64.
        mean_length: squared length that centering has taken away, whose rounding is left behind.
    """
    xp = namespace_of(gram)
    values, vectors = xp.linalg.eigh(gram)
    values, vectors = xp.flip(values), xp.flip(vectors, axis=1)
    if float(values[0]) <= 0:
        return Axes(values[:0], vectors[:, :0], 0.0)
    singular = xp.sqrt(xp.where(values > 0, values, xp.zeros_like(values)))
    return Axes(singular, vectors, math.sqrt(float(values[0]) + mean_length))


def leading(axes: Axes, share: float | None) -> Axes:
    """Return the fewest first axes that hold ``share`` of ``Σλ = Σσ²``, to the rounding of the sum."""
    if share is None or axes.rank == 0:
        return axes
    xp = namespace_of(axes.singular)
    held = xp.cumulative_sum(axes.singular**2)
    enough = held >= share * held[-1] * (1 - axes.rank * 2.0**-52)
    return axes.first(int(xp.argmax(xp.astype(enough, xp.int8))) + 1)


def axes_of_runs(grams: Grams) -> list[Axes]:
    """Return the axes of every run from its Gram as it was found."""
    runs = range(grams.runs)
    return list(threads.stream(lambda s: axes_of_gram(grams.found(s, s), _mean_length(grams, s)), runs))


def _mean_length(grams: Grams, s: int) -> float:
    """At most ``√(V Σκ²) ≥ Σκ`` is the raw squared length; the centered Gram has less by the mean's."""
    if grams.preparation != "centered":
        return 0.0
    raw = math.sqrt(grams.rows * float(grams.norms[s, s]))
    return max(0.0, raw - float(namespace_of(grams.products).linalg.trace(grams.found(s, s))))


@threads.single_threaded_blas()
def subspaces_of_grams(grams: Grams, axes: Sequence[Axes], members: Sequence[int]) -> Subspaces:
    """Return the subspaces of some runs from their cross-Grams as they were found, and from their axes."""
    xp = namespace_of(grams.products)

    def cosines(a: int, b: int) -> Array:
        first, second = axes[a], axes[b]
        if a == b:
            return xp.eye(first.rank, dtype=xp.float64)
        cross = xp.matrix_transpose(first.directions) @ grams.found(a, b) @ second.directions
        return cross / first.singular[:, None] / second.singular[None, :]

    known = {(a, b): cosines(a, b) for a, b in combinations_with_replacement(sorted(set(members)), 2)}
    known |= {(b, a): xp.matrix_transpose(found) for (a, b), found in known.items() if a != b}
    return Subspaces([axes[m] for m in members], [[known[a, b] for b in members] for a in members], False)


@threads.single_threaded_blas()
def subspaces_of_rows(
    tables: Sequence[FloatMatrix], *, centered: bool, share: float | None = None
) -> Subspaces:
    """Return the subspaces of tables from their thin QR, over the numerical rank.

    That counts singular values above ``max(V, d)·eps`` of the largest. Cost: as :func:`triangles`.
    """
    xp = namespace_of(*tables)
    axes: list[Axes] = []
    for triangle in triangles(list(tables), centered=centered):
        left, singular, right = xp.linalg.svd(triangle, full_matrices=False)
        least = max(tables[0].shape[0], triangle.shape[1]) * 2.0**-52 * float(singular[0])
        rank = int(xp.sum(xp.astype(singular > least, xp.int64)))
        directions = xp.matrix_transpose(right[:rank, :])
        found = Axes(singular[:rank], directions, float(singular[0]), left[:, :rank])
        axes.append(leading(found, share))
    cosines = [[xp.matrix_transpose(first.left) @ second.left for second in axes] for first in axes]
    return Subspaces(axes, cosines, True)


def subspaces_of_all(grams: Grams, share: float | None) -> Subspaces:
    """Return the subspaces of all runs from float64 products, or past condition 1e5 from a thin QR.

    Args:
        grams: the products.
        share: of ``Σλ`` that the axes kept must hold; all axes when None.
    """
    axes = [leading(run, share) for run in axes_of_runs(grams)]
    if all(run.condition <= CONDITION for run in axes):
        return subspaces_of_grams(grams, axes, range(grams.runs))
    return subspaces_of_runs(grams, range(grams.runs), share)


def subspaces_of_runs(grams: Grams, runs: Sequence[int], share: float | None) -> Subspaces:
    """Return the subspaces of some runs from their rows."""
    return subspaces_of_rows(
        grams.source_rows().of(runs).tables(), centered=grams.preparation == "centered", share=share
    )
