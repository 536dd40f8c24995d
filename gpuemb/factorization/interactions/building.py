"""From rows of users and items to one sparse matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.errors import FileFormatError, GpuembError
from gpuemb.factorization.interactions import Interactions, narrowed
from gpuemb.factorization.interactions.columns import UNKNOWN, Named, Rows


@dataclass(frozen=True)
class Rules:
    """What happens to rows that repeat or lack something, and to rare users and items."""

    repeats: str
    missing: str
    min_users: int
    min_items: int


def build(rows: Rows, rules: Rules) -> Interactions:
    """Return the interactions of a table.

    Raises:
        FileFormatError: a weight is negative or infinite, a row repeats or lacks something and the rules
            refuse that, or nothing is left.
    """
    read = len(rows.users.codes)
    rows, missing = _without_missing(rows, rules.missing)
    _check_weights(rows)
    rows, weightless = _without_weightless(rows)
    matrix, repeated = _summed(rows, rules.repeats)
    users, items = np.arange(matrix.shape[0]), np.arange(matrix.shape[1])
    seen_users, seen_items = _present(matrix)  # names of rows that were left out have no interaction
    users, items, matrix = users[seen_users], items[seen_items], matrix[seen_users][:, seen_items]
    before = matrix.shape
    kept_users, kept_items = _core(matrix, rules.min_users, rules.min_items)
    matrix = matrix[kept_users][:, kept_items]
    if not matrix.nnz:
        raise _nothing(rows.name, rules, read, weightless, missing)
    row_order = _order(rows.users, users[kept_users], np.diff(matrix.indptr))
    column_order = _order(
        rows.items, items[kept_items], np.bincount(matrix.indices, minlength=matrix.shape[1])
    )
    matrix = matrix[row_order[1]][:, column_order[1]].tocsr()
    matrix.sort_indices()
    return Interactions(
        users=row_order[0],
        items=column_order[0],
        starts=matrix.indptr.astype(np.int64),
        columns=matrix.indices.astype(np.int32),
        values=narrowed(matrix.data),
        rows=read,
        repeated=repeated,
        weightless=weightless,
        missing=missing,
        dropped_users=before[0] - matrix.shape[0],
        dropped_items=before[1] - matrix.shape[1],
    )


def _chosen(rows: Rows, kept: Any) -> Rows:
    """Some of the rows, with the names of all."""
    return replace(
        rows,
        users=replace(rows.users, codes=rows.users.codes[kept]),
        items=replace(rows.items, codes=rows.items.codes[kept]),
        weights=None if rows.weights is None else rows.weights[kept],
    )


def _without_missing(rows: Rows, rule: str) -> tuple[Rows, int]:
    parts = [
        (rows.users.column, rows.users.codes == UNKNOWN),
        (rows.items.column, rows.items.codes == UNKNOWN),
    ]
    if rows.weights is not None:
        parts.append((rows.weight_column, np.isnan(rows.weights)))
    lost = np.logical_or.reduce([empty for _, empty in parts])
    count = int(np.count_nonzero(lost))
    if not count:
        return rows, 0
    if rule == "raise":
        row = int(np.argmax(lost))
        column = next(name for name, empty in parts if empty[row])
        raise FileFormatError(
            f"read_interactions: {rows.name}: {count:,} of {len(lost):,} rows lack something,"
            f" first row {row + 1:,}: {column!r} is empty or NaN",
            needed="Every row has a user, an item and, where weights are read, a weight.",
            remedy="Give missing='drop' to leave such rows out.",
        )
    return _chosen(rows, ~lost), count


def _check_weights(rows: Rows) -> None:
    if rows.weights is None:
        return
    wrong = ~((rows.weights >= 0) & np.isfinite(rows.weights))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise FileFormatError(
            f"read_interactions: {rows.name}: the column {rows.weight_column!r} holds {rows.weights[row]:g}"
            f" (user {rows.users.names[rows.users.codes[row]].as_py()!r},"
            f" item {rows.items.names[rows.items.codes[row]].as_py()!r})",
            needed="A weight is a finite number of 0 or more.",
            remedy="Leave the weights out, so that every row counts 1, or shift them first.",
        )


def _without_weightless(rows: Rows) -> tuple[Rows, int]:
    if rows.weights is None or rows.weights.all():
        return rows, 0
    kept = rows.weights != 0
    return _chosen(rows, kept), int(len(kept) - np.count_nonzero(kept))


def _summed(rows: Rows, rule: str) -> tuple[Any, int]:
    """The matrix of all names, and how many rows repeat an earlier pair."""
    from scipy.sparse import coo_matrix

    shape = (len(rows.users.names), len(rows.items.names))
    users, items = rows.users.codes, rows.items.codes
    weights: Float64 = np.ones(len(users)) if rows.weights is None else rows.weights
    matrix = coo_matrix((weights, (users, items)), shape=shape).tocsr()
    repeated = len(users) - matrix.nnz
    if not repeated or rule == "sum":
        return matrix, repeated
    keys = users.astype(np.int64) * shape[1] + items
    if rule == "raise":
        raise _repeated(rows, keys, repeated)
    _, last = np.unique(keys[::-1], return_index=True)
    kept = len(keys) - 1 - last
    return coo_matrix((weights[kept], (users[kept], items[kept])), shape=shape).tocsr(), repeated


def _repeated(rows: Rows, keys: Int64, count: int) -> GpuembError:
    _, first = np.unique(keys, return_index=True)
    again = np.ones(len(keys), bool)
    again[first] = False
    row = int(np.argmax(again))
    user, item = rows.users.names[rows.users.codes[row]], rows.items.names[rows.items.codes[row]]
    return FileFormatError(
        f"read_interactions: {rows.name}: of {len(keys):,} rows {count:,} repeat an earlier user and item,"
        f" first {user.as_py()!r} with {item.as_py()!r}",
        needed="With repeats='raise' a pair of a user and an item stands once.",
        remedy="Give repeats='sum' to add their weights, or repeats='last'.",
    )


def _present(matrix: Any) -> tuple[Any, Any]:
    return np.diff(matrix.indptr) > 0, np.bincount(matrix.indices, minlength=matrix.shape[1]) > 0


def _core(matrix: Any, min_users: int, min_items: int) -> tuple[Any, Any]:
    """Users with enough items and items with enough users, among each other."""
    users, items = np.arange(matrix.shape[0]), np.arange(matrix.shape[1])
    while True:
        wide = np.bincount(matrix.indices, minlength=len(items)) >= min_users
        matrix, items = matrix[:, wide], items[wide]
        long = np.diff(matrix.indptr) >= min_items
        matrix, users = matrix[long], users[long]
        if wide.all() and long.all():
            return users, items


def _order(names: Named, kept: Int64, counts: Any) -> tuple[tuple[str, ...], Int64]:
    """Names and places by count, largest first, equal ones by name."""
    import pyarrow
    import pyarrow.compute as compute

    table = pyarrow.table({"count": pyarrow.array(counts), "name": names.names.take(pyarrow.array(kept))})
    order = compute.sort_indices(table, sort_keys=[("count", "descending"), ("name", "ascending")])
    return tuple(table.column("name").take(order).to_pylist()), order.to_numpy().astype(np.int64)


def _nothing(name: str, rules: Rules, read: int, weightless: int, missing: int) -> GpuembError:
    return FileFormatError(
        f"read_interactions: nothing is left of the {read:,} rows of {name}",
        needed=f"{weightless:,} rows weigh 0, {missing:,} lack something; items need {rules.min_users:,}"
        f" users and users {rules.min_items:,} items.",
        remedy="Lower min_users and min_items.",
    )
