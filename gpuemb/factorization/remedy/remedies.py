"""What may be done about arbitrary cosines, side by side against known clusters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from gpuemb.core.arrays import Array, Float64, library_of, like, native
from gpuemb.core.checks import check_at_least, check_choice
from gpuemb.core.device import require
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result
from gpuemb.factorization.clusters import scores_of_clusters
from gpuemb.factorization.cosines import cosines_between
from gpuemb.factorization.factors import check_problem, shrinkage_of
from gpuemb.factorization.matrix import UserItems, user_items
from gpuemb.factorization.remedy.preprocessing import PREPARED
from gpuemb.factorization.rescaling import NAMED, scale_of
from gpuemb.factorization.spectrum import eigen

if TYPE_CHECKING:
    import pyarrow

Preprocessing: TypeAlias = Literal[
    "none", "standardized-columns", "layer-normalization", "negative-sampling", "inverse-propensity"
]
SCORES = ("within", "between", "adjusted_rand", "nearest_in_own", "nearest_by_chance", "undefined")


@result
class Remedy:
    """Item vectors of a factorization after a change of X.

    Attributes:
        items: ``(p, k)`` float64; 0 for items without a vector.
        preprocessing: what was done to X.
        rescaling: D, by name.
        objective: 1 or 2.
        penalty: ``λ`` as it was used, in the unit of the changed X.
        singular_values: ``(k,)`` of the changed X.
        effective_rank: how many axes are kept.
    """

    items: Array
    preprocessing: str
    rescaling: str
    objective: int
    penalty: float
    singular_values: Float64
    effective_rank: int

    def item_cosine(self) -> Array:
        """Cosines of all items with all items, ``(p, p)`` float64; NaN for an item without a vector.

        Raises:
            MemoryBudgetError: they do not fit.
        """
        items = native(self.items)
        return like(cosines_between("Remedy.item_cosine", items, items, asked=True), self.items)


@result
class Remedies:
    """Remedies side by side against known clusters.

    Attributes:
        table: a pyarrow table, one row a remedy: ``preprocessing``, ``rescaling``, ``objective``,
            ``penalty``, ``effective_rank``; the scores of :class:`ClusterScores` ``within``, ``between``,
            ``adjusted_rand``, ``nearest_in_own``, ``nearest_by_chance`` and ``undefined``; NaN with the
            ``reason`` where a remedy has no vectors for this X.
    """

    table: pyarrow.Table


@door
def remedy(
    X: Any,
    preprocessing: Preprocessing,
    rank: int,
    penalty: float,
    *,
    objective: int = 1,
    rescale: Any = "identity",
) -> Remedy:
    """Change X, factorize it in closed form, and return the vectors of its items.

    Nothing is made dense: the Gram matrix of the changed X follows from that of X. The penalty is multiplied
    by how much the sum of squares grew (objective 1), or by its root (objective 2), so that it shrinks alike.

    Layer normalization has a closed form where it comes first, of the rows of X. Of the vectors of a hidden
    layer it has none: it subtracts the mean over their axes, which depends on a rotation that the objective
    leaves open.

    Args:
        X: users × items, as for :func:`factorize`.
        preprocessing: what is done before:

            - ``none``: nothing.
            - ``standardized-columns``: each item less its mean, over its standard deviation.
            - ``layer-normalization``: each user less the mean over all items, over the standard deviation.
            - ``negative-sampling``: what negative sampling of items in proportion to ``count^¾`` factorizes,
              with one negative: the positive mutual information of user and item.
            - ``inverse-propensity``: each choice over how likely its item is seen, ``(count / largest)^½``.
        rank: ``k``, at most the number of items.
        penalty: ``λ`` for X as it is.
        objective: 1 or 2.
        rescale: D of objective 1, as for :meth:`Factors.rescale`; ``original-space`` is itself a remedy.

    Raises:
        ShapeError, DTypeError, NonFiniteError, ConfigError, MemoryBudgetError: as :func:`factorize`, and for
            negative sampling of entries below 0.

    Cost: that of ``XᵀX`` and its eigenvalues, also beyond 5,000 items: ``n·p²`` and ``9·p³`` flops.
    Source: Steck, Ekanadham and Kallus (2024), arXiv 2403.05440; Levy and Goldberg (2014), NeurIPS 27;
    Saito et al. (2020), WSDM, 501-509; Definitions §6.

    Example:
        >>> chosen = np.array([[1, 1, 0, 0], [2, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 2]])
        >>> found = ge.remedy(chosen, "standardized-columns", rank=2, penalty=1.0, rescale="original-space")
        >>> found.item_cosine().round(2).tolist()[0]
        [1.0, 0.65, -1.0, -0.93]
    """
    where = "remedy"
    data = user_items(where, X)
    check_problem(where, rank, data.shape[1], penalty, objective)
    check_choice(where, "preprocessing", preprocessing, tuple(PREPARED))
    spectrum = _Spectrum(where, data, preprocessing, rank)
    return spectrum.solution(where, penalty, objective, rescale)


@door
def remedies(
    X: Any,
    labels: Any,
    rank: int,
    penalty: float,
    *,
    second_penalty: float | None = None,
    progress: Progress = SILENT,
) -> Remedies:
    """Score every remedy against known clusters of the items.

    Rows are objective 1 with every named D and no change of X, objective 2, and each change of X with D the
    identity and the original space; no step has a seed.

    Args:
        X: users × items, as for :func:`factorize`.
        labels: ``(p,)`` cluster of each item, as for :func:`scores_of_clusters`.
        rank: ``k``, at most the number of items.
        penalty: ``λ`` of objective 1.
        second_penalty: ``λ`` of objective 2; None: ``√penalty``, which keeps the axes that objective 1
            shrinks by less than half.
        progress: told of every change of X.

    Returns:
        Scores of each, as a table; chance is 0 for ``adjusted_rand`` and ``nearest_by_chance`` for
        ``nearest_in_own``.

    Raises:
        ShapeError, DTypeError, NonFiniteError, ConfigError, MemoryBudgetError: as :func:`factorize` and
            :func:`scores_of_clusters`.

    Cost: five times that of :func:`remedy`, and ``O(p²)`` of each row.
    Source: Steck, Ekanadham and Kallus (2024), arXiv 2403.05440.

    Example:
        >>> random = np.random.default_rng(0)
        >>> clusters = np.arange(12) % 3
        >>> own = clusters == np.arange(200)[:, None] % 3  # of a user
        >>> table = ge.remedies(random.random((200, 12)) < np.where(own, 0.6, 0.1), clusters, 6, 50.0).table
        >>> table.num_rows, [round(one, 2) for one in table["adjusted_rand"].to_pylist()[:3]]
        (14, [0.74, 0.74, 1.0])
    """
    import pyarrow

    where = "remedies"
    data = user_items(where, X)
    check_problem(where, rank, data.shape[1], penalty, 1)
    second = math.sqrt(penalty) if second_penalty is None else second_penalty
    check_at_least(where, "second_penalty", second, 0)
    found = []
    with progress.phase("remedies", len(PREPARED)) as task:
        for name in PREPARED:
            scales = tuple(NAMED) if name == "none" else ("identity", "original-space")
            cases = [(1, penalty, scale) for scale in scales]
            cases += [(2, second, "identity")] if name == "none" else []
            found += _scored(where, data, name, rank, cases, labels)
            task.advance()
    return Remedies(pyarrow.Table.from_pylist(found))


def _scored(
    where: str,
    data: UserItems,
    name: str,
    rank: int,
    cases: list[tuple[int, float, str]],
    labels: Any,
) -> list[dict[str, Any]]:
    """One row of the table for each case of one change of X."""
    rows = []
    spectrum: _Spectrum | ConfigError
    try:
        spectrum = _Spectrum(where, data, name, rank)
    except ConfigError as error:
        spectrum = error
    for objective, penalty, scale in cases:
        row: dict[str, Any] = {"preprocessing": name, "rescaling": scale, "objective": objective}
        reason, solution, scores = str(spectrum), None, None
        if isinstance(spectrum, _Spectrum):
            solution = spectrum.solution(where, penalty, objective, scale)
            reason = "" if solution.effective_rank else "no axis is kept"
        if solution is not None and not reason:
            scores = scores_of_clusters(solution.item_cosine(), labels)
        row["penalty"] = math.nan if solution is None else solution.penalty
        row["effective_rank"] = 0 if solution is None else solution.effective_rank
        row |= {one: math.nan if scores is None else float(getattr(scores, one)) for one in SCORES}
        rows.append(row | {"reason": reason.partition("\n")[0]})
    return rows


class _Spectrum:
    """Singular values and right vectors of a changed X."""

    def __init__(self, where: str, data: UserItems, name: str, rank: int) -> None:
        users, items = data.shape
        dense = 0 if data.sparse else 3 * buffer((users, items), np.float64)
        plan = {
            "XᵀX and its eigenvectors": 4 * buffer((items, items), np.float64),
            "X, changed": dense or 3 * data.bytes,
        }
        require(MemoryPlan(f"{where} of {users} users, {items} items", plan), data.device)
        self.data, self.name = data, name
        xp = library_of(data.values)
        gram = PREPARED[name](data)
        lengths = xp.diagonal(gram).copy()
        self.growth = float(lengths.sum()) / float(self._squares())
        self.values, vectors = eigen(gram, rank)
        rounding = items * float(np.finfo(np.float64).eps)
        short = xp.sqrt((vectors[:, xp.asarray(self.values > 0)] ** 2).sum(axis=1)) <= rounding
        vectors[short | (lengths <= 0)] = 0.0
        vectors[:, xp.asarray(self.values == 0)] = 0.0
        self.vectors = vectors

    def _squares(self) -> Any:
        return (self.data.values.astype(np.float64) ** 2).sum()

    def solution(self, where: str, penalty: float, objective: int, rescale: Any) -> Remedy:
        """Return the items of one penalty, objective and D."""
        penalty *= self.growth if objective == 1 else math.sqrt(self.growth)
        shrinkage = shrinkage_of(self.values, penalty, objective)
        name, scale = scale_of(where, rescale, self.values, shrinkage)
        if objective == 2 and name != "identity":
            raise ConfigError(
                f"{where}: D = {name} of objective 2",
                needed="Objective 2 is unique up to rotation: another D is no solution.",
                remedy="Use objective=1, or leave rescale out.",
            )
        balance = np.sqrt(self.values) if objective == 2 else 1.0
        weights = library_of(self.vectors).asarray(np.sqrt(shrinkage) * balance / scale)
        return Remedy(
            items=like(self.vectors * weights, self.data.source),
            preprocessing=self.name,
            rescaling=name,
            objective=objective,
            penalty=penalty,
            singular_values=self.values,
            effective_rank=int((shrinkage > 0).sum()),
        )
