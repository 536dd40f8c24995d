"""The common mean of many runs, each rotated onto it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Array, Float64, FloatMatrix, FloatStack, Int64, device_of, like, namespace_of
from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import door
from gpuemb.core.errors import ShapeError
from gpuemb.core.memory import MemoryPlan, buffer, rows_per_tile
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result
from gpuemb.embeddings.named_tables import NamedTables, check_same_dimensions
from gpuemb.geometry.grams.digits import NEARLY_EQUAL
from gpuemb.geometry.grams.thin_qr import over_tiles
from gpuemb.geometry.rotations.polar_factors import polar_factors
from gpuemb.kernels.gram import BLOCK_ROWS, gram

EPS = float(np.finfo(np.float64).eps)


@result
class Consensus:
    """Every run's rotation onto the common mean, and the spread around it.

    Attributes:
        rotation: ``(S, d, d)`` float64, orthogonal within ``8·d·eps``; that of the first run is 1, so the
            mean lies where the first run does.
        mean: ``(V, d)`` average of the rotated runs, in the runs' own kind of number.
        spread: ``(V,)`` float64, root mean square distance of a word's rotated vectors to their mean, in
            the embedding's own length unit.
        losses: ``(sweeps + 1,)`` sum of all squared distances to the mean, before the first sweep and after
            each; none is larger than the one before.
        sweeps: how many times every run was rotated onto the others.
        converged: whether the last sweep lowered the loss by less than the tolerance.
        rank: ``(S,)`` numerical rank of each run's products with the sum of the others; below ``d``, that
            run's rotation is one of many.
        recomputed: whether the runs were so nearly equal that the loss was taken from their rows.
        words: the ``V`` words, where the runs came with them.
    """

    rotation: Array
    mean: FloatMatrix
    spread: Array
    losses: Float64
    sweeps: int
    converged: bool
    rank: Int64
    recomputed: bool
    words: Sequence[str] | None

    @property
    def loss(self) -> float:
        """``Σ_s ‖X_s Q_s − M‖²``, the sum of all squared spreads times ``S``."""
        return float(self.losses[-1])

    @property
    def value(self) -> float:
        """Root mean square of the spread over all words."""
        runs, words = self.rotation.shape[0], self.spread.shape[0]
        return float(np.sqrt(self.loss / (runs * words)))

    def __float__(self) -> float:
        return self.value

    @property
    def reason(self) -> str:
        """Why rotations are not unique; empty where they are."""
        dim = int(self.rotation.shape[1])
        short = [f"{rank} in run {run}" for run, rank in enumerate(self.rank.tolist()) if rank < dim]
        return f"the rank is below {dim}: {', '.join(short)}" if short else ""

    @property
    def unique(self) -> bool:
        """Whether every run's rotation is unique, given the others."""
        return not self.reason


@door
def consensus(
    stack: FloatStack, *, tolerance: float = 1e-6, most_sweeps: int = 100, progress: Progress = SILENT
) -> Consensus:
    """Rotate every run onto their common mean (generalized Procrustes; rows as they are).

    Run after run takes the rotation of smallest ``Σ_t ‖X_s Q_s − X_t Q_t‖²``, the others being what they
    are, until a sweep over all runs no longer lowers the loss ``Σ_s ‖X_s Q_s − M‖²``, ``M`` the mean. The
    products of the runs decide all of that: a sweep reads no row. Runs begin where each is nearest to the
    mean of those before it.

    Args:
        stack: an EmbeddingStack, a sequence of at least two tables ``(V, d)``, or an ``(S, V, d)`` array,
            also memory-mapped; row ``i`` is the same word in every run.
        tolerance: stop when a sweep lowers the loss by less than this fraction.
        most_sweeps: stop after so many sweeps; ``converged`` is then false.
        progress: reports every sweep.

    Returns:
        Rotations, mean and spread; the same bits for any number of threads. A run that is rotated
        leaves the spread as it is. In another order, runs may come to another optimum of the loss where
        they have little in common; those of one model come to the same.

    Raises:
        ShapeError: fewer than two runs, or unequal numbers of words or dimensions.
        VocabularyError: the runs list other words; the first is named.
        DTypeError: a table of no floating numbers.
        NonFiniteError: an input holds NaN or infinity; the first run and word are named.
        ConfigError: a negative tolerance, or less than one sweep.
        MemoryBudgetError: the products of all pairs and the mean would not fit.

    Cost: ``V·(S·d)²`` flops once; ``2·S²·d³`` and ``S`` polar factors a sweep; one pass for the mean and
        spread, also after each sweep where runs are nearly equal. ``8·(S·d)²`` bytes beside the mean.
    Source: Gower (1975), Psychometrika 40, 33-51; ten Berge (1977), Psychometrika 42, 267-276.

    Example:
        >>> found = ge.consensus([x, x @ q, y])
        >>> found.mean.shape, found.converged
        ((50, 8), True)
        >>> round(float(ge.consensus([x, x @ q]).spread.max()), 6)
        0.0
    """
    check_at_least("consensus", "tolerance", tolerance, 0)
    check_at_least("consensus", "most_sweeps", most_sweeps, 1)
    given = _checked(stack)
    tables = given.tables
    products = like(gram.on(device_of(tables[0]))(tables, "raw").products, tables[0])
    return consensus_of(tables, products, given.words, tolerance, most_sweeps, progress)


def consensus_of(
    tables: list[FloatMatrix],
    products: Array,
    words: Sequence[str] | None,
    tolerance: float = 1e-6,
    most_sweeps: int = 100,
    progress: Progress = SILENT,
) -> Consensus:
    """Return :func:`consensus` of checked runs from their raw products ``(S·d, S·d)``."""
    search = _Search(tables, products)
    falls: list[float] = []
    converged = False
    with progress.phase("consensus") as task:
        while not converged and len(falls) < most_sweeps:
            falls.append(search.sweep())
            loss = search.loss()
            converged = falls[-1] <= tolerance * loss or loss <= search.rounding
            task.advance()
    rotations = search.relative_to_the_first()
    mean, squared, loss = _around_mean(tables, rotations)
    losses = loss + np.concatenate([np.cumsum(falls[::-1])[::-1], [0.0]])
    xp = namespace_of(mean)
    return Consensus(
        xp.stack(rotations),
        mean,
        xp.sqrt(squared / len(tables)),
        losses,
        len(falls),
        converged,
        search.rank,
        search.recomputed,
        words,
    )


def _checked(stack: Any) -> NamedTables:
    given = NamedTables.checked("consensus", stack)
    tables = given.tables
    if len(tables) < 2:
        raise ShapeError(
            "consensus: 1 run",
            needed="A consensus is one of at least two runs.",
            remedy="Stack several runs: consensus(stack([a, b])).",
        )
    check_same_dimensions("consensus", given.tables, given.names)
    plan_consensus(len(tables), *tables[0].shape).require()
    return given


def plan_consensus(runs: int, words: int, dim: int) -> MemoryPlan:
    """State the bytes of a consensus beside the runs themselves."""
    width = runs * dim
    return MemoryPlan(
        f"the consensus of {runs} runs",
        {
            "products": buffer((width, width), np.float64),
            "one block of rows": buffer((2, min(words, BLOCK_ROWS), width), np.float64),
            "mean": buffer((words, dim), np.float64),
            "spread": buffer((words,), np.float64),
        },
    )


class _Search:
    """The runs' products, and their rotations so far, one below the other ``(S·d, d)``."""

    def __init__(self, tables: list[FloatMatrix], products: Array) -> None:
        self.tables, self.products, self.recomputed = tables, products, False
        runs, dim = len(tables), int(tables[0].shape[1])
        xp = namespace_of(self.products)
        self.parts = [slice(s * dim, (s + 1) * dim) for s in range(runs)]
        self.rank = np.zeros(runs, np.int64)
        self.total = float(xp.sum(xp.linalg.diagonal(self.products)))
        # What is left of a loss of 0: rounding of rotated rows, and rotations orthogonal to d·eps.
        self.rounding = (8 * dim * EPS) ** 2 * self.total
        self.rotated = xp.zeros_like(self.products[:, :dim])
        self.rotated[self.parts[0], :] = xp.eye(dim, dtype=xp.float64)
        for s in range(1, runs):
            before = slice(0, s * dim)
            self._rotate(s, _product(self.products[self.parts[s], before], self.rotated[before, :]))
        self.estimate = self._loss_of_products()

    @threads.single_threaded_blas()
    def _loss_of_products(self) -> float:
        """``Σ‖X_s‖² − S‖M‖²``, which cancels where the runs are nearly equal."""
        xp = namespace_of(self.products)
        common = float(xp.sum(self.rotated * (self.products @ self.rotated)))
        return self.total - common / len(self.parts)

    def sweep(self) -> float:
        """Rotate every run onto the sum of the others; return by how much the loss fell."""
        fallen = 0.0
        for s, part in enumerate(self.parts):
            rows = self.products[part, :]
            after = slice(part.stop, None)
            others = _product(rows[:, : part.start], self.rotated[: part.start, :])
            others = others + _product(rows[:, after], self.rotated[after, :])
            fallen += self._rotate(s, others)
        fall = fallen / len(self.parts)
        self.estimate -= fall
        return fall

    def loss(self) -> float:
        """Return the loss; from the rows where the products' own rounding would hide it."""
        if self.estimate >= NEARLY_EQUAL * self.total:
            return self.estimate
        self.recomputed = True
        return _around_mean(self.tables, [self.rotated[part, :] for part in self.parts])[2]

    def relative_to_the_first(self) -> list[Array]:
        """Return all rotations followed by the inverse of the first."""
        first = self.rotated[self.parts[0], :]
        xp = namespace_of(first)
        back = xp.matrix_transpose(first)
        others = [_product(self.rotated[part, :], back) for part in self.parts[1:]]
        return [xp.eye(first.shape[0], dtype=xp.float64), *others]

    def _rotate(self, s: int, others: Array) -> float:
        """Give run ``s`` the rotation ``Q`` of largest ``tr(QᵀB)``, ``B = X_sᵀ Σ X_tQ_t = QH``.

        Returns:
            by how much ``Σ_{s,t} tr(Q_sᵀ X_sᵀX_t Q_t)`` grew, ``tr(ΔHΔᵀ)`` with the step ``Δ``: what is
            squared keeps its digits where the difference of two traces would not.
        """
        xp = namespace_of(others)
        factor = polar_factors([others])[0]
        rotation, self.rank[s] = factor.rotation, factor.rank
        step = rotation - self.rotated[self.parts[s], :]
        stretch = _product(xp.matrix_transpose(rotation), others)
        self.rotated[self.parts[s], :] = rotation
        return max(0.0, float(xp.sum(_product(step, stretch) * step)))


@threads.single_threaded_blas()
def _product(left: Array, right: Array) -> Array:
    return left @ right


def _around_mean(tables: list[FloatMatrix], rotations: list[Array]) -> tuple[FloatMatrix, Array, float]:
    """Mean of the rotated runs, each word's summed squared distance to it, and their sum: one pass."""
    xp = namespace_of(*tables)
    dim = tables[0].shape[1]
    kind = xp.result_type(*(table.dtype for table in tables))

    def around(cut: tuple[int, int]) -> tuple[Array, Array, float]:
        rows = [xp.astype(table[cut[0] : cut[1], :], xp.float64) for table in tables]
        rotated = [own @ rotation for own, rotation in zip(rows, rotations, strict=True)]
        mean = sum(rotated[1:], rotated[0]) / len(tables)
        gaps = [xp.sum((own - mean) ** 2, axis=1) for own in rotated]
        squared = sum(gaps[1:], gaps[0])
        return xp.astype(mean, kind), squared, float(xp.sum(squared))

    step = rows_per_tile(8 * dim * (2 * len(tables) + 2))
    means, squares, sums = zip(*over_tiles(around, tables[0], step), strict=True)
    return xp.concat(means), xp.concat(squares), float(sum(sums))
