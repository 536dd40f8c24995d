"""Sums of the products of all pairs of tables, in one pass over their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from gpuemb.core.arrays import Array, device_of, namespace_of
from gpuemb.core.checks import check_choice, dtype_name
from gpuemb.core.device import require
from gpuemb.core.memory import MemoryPlan, buffer
from gpuemb.embeddings.named_tables import PAIR, NamedTables
from gpuemb.geometry.grams.grams import Grams
from gpuemb.geometry.grams.pair_sums import PairSums, Preparation
from gpuemb.geometry.grams.row_blocks import Rows, check_first_row, total
from gpuemb.kernels.gram import BLOCK_ROWS, GramSums, Precision

Accumulation: TypeAlias = Literal["auto", "float32", "float64"]
PREPARATIONS: tuple[Preparation, ...] = ("raw", "unit", "centered")
NARROW = 128  # dimensions from which float32 is taken: 1.5 times as fast there, slower than float64 at 50
AT_ONCE = 4096  # columns that the CPU reads at once
G = TypeVar("G", bound=Grams)


def pair_grams(
    where: str,
    tables: Sequence[Any],
    preparation: Preparation = "raw",
    precision: Accumulation = "auto",
    names: Sequence[str] = PAIR,
) -> Grams:
    """Sum the products of the tables of one measure, as :func:`cross_grams`; messages have their names."""
    return summed(Grams, NamedTables.of(where, tables, names), preparation, precision)


def pair_sums(where: str, x: Any, y: Any, preparation: Preparation) -> PairSums:
    """Return the sums of two tables, of float64 accuracy."""
    return pair_grams(where, [x, y], preparation, "float64").pair(0, 1)


def summed(
    kind: type[G],
    given: NamedTables,
    preparation: Preparation,
    precision: Accumulation,
    first_row: int | None = None,
) -> G:
    """Sum the products of every pair of tables into one kind of Grams; see :func:`gpuemb.cross_grams`."""
    where, tables = given.where, given.tables
    check_choice(where, "preparation", preparation, PREPARATIONS)
    check_choice(where, "precision", precision, ("auto", "float32", "float64"))
    check_first_row(where, first_row)
    if first_row is not None:
        check_choice(f"{where} with first_row", "preparation", preparation, ("raw", "unit"))
    columns = sum(t.shape[1] for t in tables)
    plan = plan_cross_grams(columns, tables[0].shape[0], parts=first_row is not None)
    require(plan, device_of(tables[0]))
    chosen = _chosen(tables, precision)
    rows = Rows((tables,), "unit" if preparation == "unit" else "raw")
    nodes = {} if first_row is None else rows.nodes(first_row, chosen)
    sums = checked_sums(rows.sums(chosen) if first_row is None else rows.in_library(total(nodes)), given)
    grams = kind.of(
        sums,
        rows,
        "raw" if preparation == "centered" else preparation,
        forced=precision != "auto",
        first_row=first_row,
        nodes=nodes,
    )
    return grams.centered() if preparation == "centered" else grams


def _chosen(tables: list[Array], precision: Accumulation) -> Precision:
    if precision != "auto":
        return precision
    wide = any(dtype_name(table) == "float64" or table.shape[1] < NARROW for table in tables)
    return "float64" if wide else "float32"


def checked_sums(sums: GramSums, given: NamedTables) -> GramSums:
    """The sums, if all numbers were finite and of a size that keeps them so.

    Sums show whether some number is not finite; only then, and where rows were left out (a row with NaN has
    no length either), are tables read to name it. Numbers too small to be squared show in no sum: float64
    tables are read for them.

    Raises:
        NonFiniteError: the first table and word are named.
    """
    xp = namespace_of(sums.norms)
    finite = bool(xp.all(xp.isfinite(sums.norms))) and bool(xp.all(xp.isfinite(sums.sums)))
    if not finite or int(sums.left_out) > 0:
        given.check_finite()
    given.check_range()
    return sums


def plan_cross_grams(columns: int, rows: int = BLOCK_ROWS, *, parts: bool = False) -> MemoryPlan:
    """State the bytes of one pass over tables of so many columns in all, and rows.

    Args:
        columns: ``D``.
        rows: ``V``.
        parts: whether the sums are kept so that other parts can be added.
    """
    at_once = min(columns, AT_ONCE)
    partial = (-(-rows // BLOCK_ROWS)).bit_length() + 1
    return MemoryPlan(
        f"cross-Grams of {columns} columns",
        {
            "products": buffer((columns, columns), np.float64),
            "partial sums": partial * buffer((at_once, at_once), np.float64) // 2,
            "one block of rows": buffer((min(rows, BLOCK_ROWS), at_once), np.float64),
            "sums of parts": parts * partial * buffer((columns, columns), np.float64),
        },
    )
