"""Closed-form solutions of linear matrix factorization, and the cosines of their rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from gpuemb.core.arrays import Array, Float64, library_of, like
from gpuemb.core.checks import check_at_least, check_at_most, check_choice
from gpuemb.core.device import require
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.results import result
from gpuemb.factorization.factor_cosines import FactorCosines
from gpuemb.factorization.matrix import UserItems, user_items
from gpuemb.factorization.rescaling import NAMED, scale_of
from gpuemb.factorization.spectrum import InteractionSpectrum, interaction_spectrum

LARGEST_PENALTY = 1e140


@result
class Factors(FactorCosines):
    """A solution of linear matrix factorization in closed form.

    Another penalty, objective, rank or D is free: :meth:`at` and :meth:`rescale` share the spectrum.

    Attributes:
        spectrum: the singular values and right vectors of X.
        penalty: ``λ``.
        objective: 1: ``‖X − XABᵀ‖² + λ‖ABᵀ‖²``; 2: ``‖X − XABᵀ‖² + λ(‖XA‖² + ‖B‖²)``.
        rank: ``k``, axes that were asked for.
        shrinkage: ``(k,)`` by what each axis of X is multiplied in ``XÂB̂ᵀ``: ``1/(1 + λ/σ²)`` of
            objective 1, ``(1 − λ/σ)₊`` of objective 2; 0 of an axis that is not kept.
        scale: ``(k,)`` the diagonal D of objective 1.
        rescaling: its name: that of :meth:`rescale`, ``given``, or the function's.
        matrix: X, checked.
    """

    spectrum: InteractionSpectrum
    penalty: float
    objective: int
    rank: int
    shrinkage: Float64
    scale: Float64
    rescaling: str
    matrix: UserItems

    @property
    def singular_values(self) -> Float64:
        """``(k,)`` singular values ``σ`` of X, descending."""
        return self.spectrum.singular_values[: self.rank]

    @property
    def effective_rank(self) -> int:
        """How many axes are kept: of objective 2 only those with ``σ > λ``."""
        return int((self.shrinkage > 0).sum())

    @property
    def user_names(self) -> Sequence[str] | None:
        """Names of the users, where they are known."""
        return self.matrix.users

    @property
    def item_names(self) -> Sequence[str] | None:
        """Names of the items, where they are known."""
        return self.matrix.items

    @cached_property
    def items(self) -> Array:
        """``(p, k)`` float64 ``B̂(D)``; a row is 0 where nobody chose the item, or no kept axis has it."""
        return like(self._items, self.matrix.source)

    @cached_property
    def maps(self) -> Array:
        """``(p, k)`` float64 ``Â(D)``: a user's row of X times it is the user's vector."""
        return like(self._maps, self.matrix.source)

    @cached_property
    def users(self) -> Array:
        """``(n, k)`` float64 ``XÂ(D)``, computed on first use.

        Raises:
            MemoryBudgetError: it does not fit.
        """
        return like(self._users, self.matrix.source)

    @property
    def items_without_cosine(self) -> int:
        """How many items have a zero vector: nobody chose them, or no kept axis has them."""
        return int((~(self._items != 0).any(axis=1)).sum())

    @property
    def users_without_cosine(self) -> int:
        """How many users have a zero vector."""
        return int((~(self._users != 0).any(axis=1)).sum())

    @door
    def at(
        self,
        penalty: float | None = None,
        *,
        objective: int | None = None,
        rank: int | None = None,
        rescale: Any = None,
    ) -> Factors:
        """Return the solution for another penalty, objective, rank or D; X is not factorized again.

        Args:
            penalty: ``λ``, from 0; None: the same.
            objective: 1 or 2; None: the same.
            rank: at most that of the spectrum; None: the same.
            rescale: as for :meth:`rescale`; None: as it was where it has a name and the objective is the
                same, else the identity.

        Raises:
            ConfigError: as :func:`factorize`.

        Cost: ``p·k`` products when the vectors are first used.
        """
        chosen = self.objective if objective is None else objective
        kept = self.rescaling if chosen == self.objective and self.rescaling in NAMED else "identity"
        return _solution(
            "Factors.at",
            self.spectrum,
            self.matrix,
            self.rank if rank is None else rank,
            self.penalty if penalty is None else penalty,
            chosen,
            kept if rescale is None else rescale,
        )

    @door
    def rescale(self, D: Any) -> Factors:
        """Return the equally good solution ``Â(D), B̂(D)`` of objective 1.

        ``Â(D) = V √s D`` and ``B̂(D) = V √s D⁻¹`` have the same product, loss and predictions for every
        invertible diagonal D, and other cosines. Signs of D change no cosine: an axis is turned round in
        both of the compared vectors.

        Args:
            D: ``(k,)`` numbers, none of them 0; a function of the kept singular values that returns them; or

                - ``identity``: 1.
                - ``shrinkage``: ``√s``. Items are rows of ``V``: at full rank the cosine of two different
                  items is 0, and a user's cosines with the items rank as the predictions.
                - ``inverse-shrinkage``: ``1/√s``. Users are rows of ``XV``: at full rank user-user cosines
                  are those of the rows of X.
                - ``root-sigma``: ``1/√σ``. Items are ``V √(sσ)``, users ``U √(sσ)``: balanced, as objective
                  2 and a spectral embedding with power 1/2 are.
                - ``original-space``: ``1/(σ√s)``. Items are rows of ``V σs``: their cosines are those of
                  the columns of the predictions ``XÂB̂ᵀ``. This remedy needs no ``n × p`` matrix; it is one
                  more D.

        Raises:
            ConfigError: an unknown name, a D with zeros, or objective 2, whose solution leaves no D free.
            ShapeError: D has another number of entries than there are axes.

        Source: Steck, Ekanadham and Kallus (2024), arXiv 2403.05440; Definitions §6.

        Example:
            >>> factors = ge.factorize(np.abs(x), rank=8, penalty=10)
            >>> items = factors.rescale("shrinkage").item_cosine()
            >>> bool(np.allclose(items, np.eye(8)))
            True
        """
        return _solution(
            "Factors.rescale", self.spectrum, self.matrix, self.rank, self.penalty, self.objective, D
        )

    @cached_property
    def _items(self) -> Array:
        return self._weighted(np.sqrt(self.shrinkage) / self.scale * self._balance)

    @cached_property
    def _maps(self) -> Array:
        return self._weighted(np.sqrt(self.shrinkage) * self.scale / self._balance)

    @cached_property
    def _users(self) -> Array:
        size = buffer((self.matrix.shape[0], self.rank), np.float64)
        require(MemoryPlan("Factors.users", {"vectors of users": 2 * size}), self.matrix.device)
        return self.matrix.times(self._maps)

    @property
    def _balance(self) -> Float64:
        """``√σ`` on the kept axes of objective 2, which fixes the lengths of both factors."""
        if self.objective == 1:
            return np.ones(self.rank)
        return np.sqrt(np.where(self.shrinkage > 0, self.singular_values, 1.0))

    def _weighted(self, weights: Float64) -> Array:
        vectors = self.spectrum.vectors[:, : self.rank]
        xp = library_of(vectors)
        lengths = xp.sqrt((vectors[:, xp.asarray(self.shrinkage > 0)] ** 2).sum(axis=1))
        weighted = vectors * xp.asarray(weights)
        weighted[lengths <= self.spectrum.rounding] = 0.0
        return weighted


@door
def factorize(X: Any, rank: int, penalty: float, *, objective: int = 1, rescale: Any = "identity") -> Factors:
    """Factorize users × items linearly, in closed form.

    Objective 1, ``min ‖X − XABᵀ‖² + λ‖ABᵀ‖²``, has the solutions ``Â(D) = V √s D``, ``B̂(D) = V √s D⁻¹`` with
    ``s = 1/(1 + λ/σ²)`` for **any** invertible diagonal D: the product is unique, the cosines of the factors
    are not. Objective 2, ``min ‖X − XABᵀ‖² + λ(‖XA‖² + ‖B‖²)``, is unique up to rotation, on which cosines do
    not depend.

    Args:
        X: ``(n, p)`` users × items: an array of any library, where it lies; a SciPy sparse matrix; a data
            frame with users as index and items as columns; or an object with ``matrix``, ``users`` and
            ``items``, the names of both. Cells stored twice in a sparse matrix are added.
        rank: ``k``, at most the number of items.
        penalty: ``λ``, from 0, in the unit of X squared (objective 1) or of X (objective 2).
        objective: 1 or 2.
        rescale: D, as for :meth:`Factors.rescale`.

    Returns:
        Both factors, with their cosines. Users who chose nothing and items that nobody chose have no cosine:
        NaN, and counted.

    Raises:
        ShapeError, DTypeError: X is no such matrix.
        NonFiniteError: X holds NaN or infinity, or its entries are so large or small that powers leave
            float64.
        ConfigError: every entry is 0, the rank is not from 1 to the number of items, the penalty is below 0,
            an unknown objective, or a D that is not invertible.
        MemoryBudgetError: the work does not fit.

    Cost: up to 5,000 items ``XᵀX`` whole, ``n·p²`` flops in float32 where its sums of integers are exact,
    else in float64, and ``9·p³``; beyond, block Lanczos, some ``10·k`` products with X.
    Source: Steck, Ekanadham and Kallus (2024), arXiv 2403.05440; Definitions §6.

    Example:
        >>> chosen = np.array([[1, 1, 0, 0], [2, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 2]])
        >>> factors = ge.factorize(chosen, rank=2, penalty=1.0)
        >>> factors.item_cosine(rows=[0]).round(2).tolist()
        [[1.0, 0.84, -0.18, -0.14]]
        >>> factors.rescale("original-space").item_cosine(rows=[0]).round(2).tolist()
        [[1.0, 0.85, 0.01, 0.04]]
        >>> factors.at(penalty=2.5, objective=2).effective_rank
        1
    """
    where = "factorize"
    data = user_items(where, X)
    check_problem(where, rank, data.shape[1], penalty, objective)
    spectrum = interaction_spectrum(where, data, rank)
    return _solution(where, spectrum, data, rank, penalty, objective, rescale)


def check_problem(where: str, rank: int, most: int, penalty: float, objective: int) -> None:
    """Check what a factorization is asked for.

    Raises:
        ConfigError: a rank that is not from 1 to ``most``, a penalty below 0, or an unknown objective.
    """
    check_at_least(where, "rank", rank, 1)
    check_at_most(where, "rank", rank, most)
    check_at_least(where, "penalty", penalty, 0)
    check_at_most(where, "penalty", penalty, LARGEST_PENALTY)
    check_choice(where, "objective", str(objective), ("1", "2"))


def _solution(
    where: str,
    spectrum: InteractionSpectrum,
    data: UserItems,
    rank: int,
    penalty: float,
    objective: int,
    rescale: Any,
) -> Factors:
    check_problem(where, rank, spectrum.rank, penalty, objective)
    values = spectrum.singular_values[:rank]
    shrinkage = shrinkage_of(values, penalty, objective)
    name, scale = scale_of(where, rescale, values, shrinkage)
    if objective == 2 and name != "identity":
        raise ConfigError(
            f"{where}: D = {name} of objective 2",
            needed="Objective 2 is unique up to rotation: another D is no solution.",
            remedy="Use objective=1, or leave D out.",
        )
    return Factors(spectrum, penalty, objective, rank, shrinkage, scale, name, data)


def shrinkage_of(values: Float64, penalty: float, objective: int) -> Float64:
    """By what each axis of X is multiplied in the predictions; 0 where it is not kept."""
    safe = np.where(values > 0, values, 1.0)
    kept = 1 / (1 + penalty / safe**2) if objective == 1 else np.maximum(1 - penalty / safe, 0.0)
    found: Float64 = np.where(values > 0, kept, 0.0)
    return found
