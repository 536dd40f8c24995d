"""How far the cosines of an embedding depend on a choice that its objective leaves open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gpuemb.core.arrays import Array, Float64, Int64, device_of, library_of, to_device, to_host
from gpuemb.core.checks import check_at_least, check_neighbors
from gpuemb.core.device import require
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, ShapeError
from gpuemb.core.memory import MemoryPlan, buffer, rows_per_tile, tiles
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import result, shown
from gpuemb.embeddings.model import Embedding
from gpuemb.factorization.cosines import nearest_rows, positions, scaled
from gpuemb.factorization.open_choice.families import Families, Family, families_of, grid
from gpuemb.factorization.open_choice.tables import (
    Seen,
    along_table,
    mean,
    pair_table,
    row_table,
    summary_table,
)
from gpuemb.kernels.neighbor_overlap import LARGEST_K, neighbor_overlap

if TYPE_CHECKING:
    import pyarrow

MOST_STEPS = 99  # with the given table, what one count of shared neighbors takes


@result
class Ambiguity:
    """How far cosines and nearest neighbors depend on a choice that the objective leaves open.

    Attributes:
        value: mean share of each row's ``k`` nearest that are among its nearest in the tables of the families
            whose cosines are not those of the given table; rows without a cosine are left out.
        chance: what that share is on average for unrelated tables: ``k / (p − 1)``.
        k: neighbors of a row.
        summary: a pyarrow table, one row a family: ``family``; ``parameter`` with ``from`` and ``to``;
            ``survive``, the share as above, of this family; ``survive_least``, the same at the value where
            least survive; ``survive_all``, the share that is among the nearest everywhere; ``chance``;
            ``range``, mean over rows of (largest − smallest cosine to a neighbor); ``rows``, how many have
            a cosine.
        along: a pyarrow table, one row a family and value: ``survive``, ``cosine`` (mean cosine to the
            neighbors in the given table), and one column for each of the given scores.
        rows: a pyarrow table, one row a row and family: ``row``, ``family``, ``survive``, ``survive_all``,
            ``lowest`` and ``highest`` cosine to one of its neighbors, mean ``range`` over them. NaN without
            a cosine.
        pairs: a pyarrow table, one row a given pair and family: the cosine as given, ``lowest`` and
            ``highest`` with the values ``lowest_at`` and ``highest_at``.
    """

    value: float
    chance: float
    k: int
    summary: pyarrow.Table
    along: pyarrow.Table
    rows: pyarrow.Table
    pairs: pyarrow.Table

    def __float__(self) -> float:
        return self.value


@door
def ambiguity(
    x: Any,
    other: Any = None,
    *,
    k: int = 10,
    steps: int = 9,
    pairs: Any = None,
    scores: Any = None,
    power: float = 0.5,
    progress: Progress = SILENT,
) -> Ambiguity:
    """Measure how far cosines and neighbors depend on a choice that an embedding's objective leaves open.

    What was fitted is a product of two factors; an axis of one multiplied and the same axis of the other
    divided by a number changes the cosines and not the product. Any cosine can be moved so, up to the ends
    −1 and 1 where its axes differ in sign; therefore families of one number are stated:

    - :class:`Factors` of objective 1: ``D = s^t`` and ``D = σ^t``, t from −1 to 1.
    - two factors, as of other matrix factorizations, or word and context vectors: with ``x otherᵀ = UΣVᵀ``,
      ``x`` becomes ``U Σ^½ D⁻¹``, ``D = σ^t``, t from −1 to 1: ``UΣ`` at −½, ``U`` at ½.
    - a table alone, as of a truncated SVD: ``x = UΣ^power`` becomes ``UΣ^p``, p from 0 to 1.

    Args:
        x: :class:`Factors`, or the table whose rows are compared: an Embedding, a data frame, or a ``(p, d)``
            array of any library.
        other: the other factor ``(n, d)``, such as the users' or the contexts'. None: x is a table alone.
        k: neighbors of a row, up to 256.
        steps: values along each family, both ends included.
        pairs: pairs of names or row numbers whose cosines are followed; None: none.
        scores: name and function of each score that is followed: it gets the table, as an Embedding if its
            rows have names, and returns a number, for example
            ``{"men": lambda table: ge.similarity_correlation(table, men)}``.
        power: of a table alone.
        progress: told of every table.

    Returns:
        Shares of neighbors that survive, with what chance gives, ranges of cosines, and scores; the neighbors
        are those of the table as it is given.

    Raises:
        ConfigError: factors of objective 2, which leaves nothing open; ``k``, ``steps`` or ``power`` out of
            range; scores that are no functions.
        VocabularyError, ShapeError, DTypeError, NonFiniteError: no such table, or pairs that are none of it.
        MemoryBudgetError: it does not fit.

    Cost: for each family and value the exact nearest neighbors, ``2·p²·d`` flops.
    Source: Steck, Ekanadham and Kallus (2024), arXiv 2403.05440; Levy, Goldberg and Dagan (2015), TACL 3.

    Example:
        >>> found = ge.ambiguity(ge.factorize(np.abs(x), rank=6, penalty=50), k=2)
        >>> round(found.value, 2), round(found.chance, 2)
        (0.82, 0.29)
        >>> found.summary.column_names[:4]
        ['family', 'parameter', 'from', 'to']
        >>> ge.ambiguity(x, y, k=5, pairs=[(0, 1)]).pairs["highest"].to_pylist()  # x yᵀ was fitted
        [-0.011...]
    """
    import pyarrow

    where = "ambiguity"
    check_at_least(where, "steps", steps, 2)
    if steps > MOST_STEPS or k > LARGEST_K:
        raise ConfigError(
            f"{where}: steps = {steps}, k = {k}",
            needed=f"At most {MOST_STEPS} steps and {LARGEST_K} neighbors are compared at once.",
            remedy="steps=9 and k=10 are the defaults.",
        )
    followed = _scores(where, scores)
    families = families_of(where, x, other, power)
    count = len(families.given)
    check_neighbors(where, k, count - 1)
    chosen = _pairs(where, pairs, families)
    device = device_of(families.given)
    ids = (steps + 1) * buffer((count, k), np.int32) + steps * buffer((count, k), np.float64)
    require(MemoryPlan(where, {"neighbors and their cosines": 2 * ids}), device)
    given = nearest_rows(families.given, None, k, None).ids
    with progress.phase("tables of the families", steps * len(families.every)) as task:
        seen = [_follow(families, one, given, chosen, followed, steps, task) for one in families.every]
    candidates = max(1, int((given >= 0).any(axis=1).sum()) - 1)
    chance = min(k, candidates) / candidates
    cosines = _of_pairs(_unit(scaled(families.given)), chosen)
    return Ambiguity(
        value=float(np.mean([mean(one.others) for one in seen])),
        chance=chance,
        k=k,
        summary=summary_table(seen, chance),
        along=pyarrow.concat_tables([along_table(one) for one in seen]),
        rows=pyarrow.concat_tables([row_table(one, families.names) for one in seen]),
        pairs=pyarrow.concat_tables([pair_table(one, cosines, chosen, families.names) for one in seen]),
    )


def _follow(
    families: Families,
    family: Family,
    given: Array,
    pairs: Int64,
    scores: Mapping[str, Callable[[Any], Any]],
    steps: int,
    task: Any,
) -> Seen:
    reference = _to_neighbors(_unit(scaled(families.given)), given)
    seen = Seen(family, grid(family, steps), reference, len(pairs))
    xp, lists = library_of(given), [given]
    for step, value in enumerate(seen.values):
        table = scaled(families.table(family, float(value)))
        lists.append(nearest_rows(table, None, given.shape[1], None).ids)
        unit = _unit(table)
        seen.add(step, _to_neighbors(unit, given))
        seen.pairs[step] = _of_pairs(unit, pairs)
        for name, score in scores.items():
            seen.scores.setdefault(name, []).append(float(score(_as_given(table, families.names))))
        task.advance()
    counts = neighbor_overlap.on(device_of(given))(xp.stack(lists))
    lengths = to_host(counts.filled[0]).astype(np.float64)
    with np.errstate(invalid="ignore"):  # rows without a neighbor have no share
        seen.survive[:] = to_host(counts.shared[:steps]) / np.where(lengths > 0, lengths, np.nan)
        seen.survive_all[:] = to_host(counts.common) / np.where(lengths > 0, lengths, np.nan)
    return seen


def _as_given(table: Array, names: Sequence[str] | None) -> Any:
    return table if names is None else Embedding(table, list(names))


def _unit(table: Array) -> Array:
    """Rows of length 1; NaN for a row of zeros."""
    xp = library_of(table)
    lengths = xp.sqrt((table**2).sum(axis=1, keepdims=True))
    return table / xp.where(lengths > 0, lengths, np.nan)


def _to_neighbors(unit: Array, ids: Array) -> Float64:
    """``(p, k)`` cosine of each row with each of its neighbors; NaN for padding."""
    xp = library_of(unit)
    found = np.empty(ids.shape)
    for start, stop in tiles(len(ids), rows_per_tile(8 * ids.shape[1] * unit.shape[1])):
        near = unit[ids[start:stop]]
        cosines = (near * unit[start:stop, None, :]).sum(axis=2)
        found[start:stop] = to_host(xp.where(ids[start:stop] >= 0, cosines, np.nan))
    return np.clip(found, -1.0, 1.0)


def _of_pairs(unit: Array, pairs: Int64) -> Float64:
    first, second = (unit[to_device(side, device_of(unit))] for side in pairs.T)
    cosines: Float64 = np.clip(to_host((first * second).sum(axis=1)), -1.0, 1.0)
    return cosines


def _scores(where: str, scores: Any) -> Mapping[str, Callable[[Any], Any]]:
    if scores is None:
        return {}
    known = isinstance(scores, Mapping) and all(
        isinstance(name, str) and callable(score) for name, score in scores.items()
    )
    if not known or {"family", "value", "survive", "cosine"} & {*scores}:
        raise ConfigError(
            f"{where}: scores = {shown(scores)}",
            needed="Scores are a mapping of a name to a function of the table that returns a number.",
            remedy="scores={'men': lambda table: ge.similarity_correlation(table, men)}, for example.",
        )
    return dict(scores)


def _pairs(where: str, pairs: Any, families: Families) -> Int64:
    if pairs is None:
        return np.empty((0, 2), np.int64)
    try:
        sides = list(zip(*(tuple(pair) for pair in pairs), strict=True))
    except (TypeError, ValueError):
        sides = []
    if len(sides) != 2:
        raise ShapeError(
            f"{where}: pairs = {shown(pairs)}",
            needed="A pair is two names or two row numbers.",
            remedy="pairs=[(0, 1)], for example.",
        )
    found = [positions(where, "pairs", list(side), families.names, len(families.given)) for side in sides]
    return np.stack(found, axis=1)  # type: ignore[arg-type]  # a list is never None
