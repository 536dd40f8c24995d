"""Columns of users, items and weights as codes, names and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuemb.core.arrays import Float64, Int32
from gpuemb.core.errors import FileFormatError
from gpuemb.core.memory import MemoryPlan

ROW_BYTES = 48  # of a row while the matrix is built: two codes, a weight, and copies of them in order
UNKNOWN = -1  # code of a missing name


@dataclass(frozen=True, eq=False)
class Named:
    """One column of names.

    Attributes:
        column: its name.
        codes: ``(R,)`` place in ``names`` of each row's name; -1 where it is missing.
        names: an Arrow array of the distinct names.
    """

    column: str
    codes: Int32
    names: Any


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table.

    Attributes:
        name: of the table, for messages.
        users: of each row.
        items: of each row.
        weight_column: its name; empty without one.
        weights: ``(R,)`` of each row, NaN where it is missing; None without a column.
    """

    name: str
    users: Named
    items: Named
    weight_column: str
    weights: Float64 | None


def rows_of_table(table: Any, places: tuple[int, ...], name: str) -> Rows:
    """Return the rows of an Arrow table.

    Args:
        table: the table.
        places: positions of the columns of users, of items and, if there is one, of weights.
        name: of the table, for messages.

    Raises:
        FileFormatError: there are no rows, or a column holds what names or weights cannot be.
    """
    titles = [table.column_names[place] for place in places]
    MemoryPlan(f"read_interactions: {name}", {"rows": ROW_BYTES * table.num_rows}).require()
    if not table.num_rows:
        raise without_rows(name)
    weights = None if len(places) == 2 else _numbers(table.column(places[2]), titles[2], name)
    users, items = (_named(table.column(place), titles[at], name) for at, place in enumerate(places[:2]))
    return Rows(name, users, items, titles[2] if weights is not None else "", weights)


def without_rows(name: str) -> FileFormatError:
    """Return the error for a table that has no rows."""
    return FileFormatError(
        f"read_interactions: {name} holds no rows",
        needed="A table has a row for each interaction.",
        remedy="Check how it was written.",
    )


def rows_of_batches(batches: Iterable[Any], schema: Any, name: str) -> Rows:
    """Return the rows of batches whose columns are users, items and weights."""
    import pyarrow

    kept, rows = [], 0
    for batch in batches:
        rows += batch.num_rows
        MemoryPlan(f"read_interactions: {name}", {"rows": ROW_BYTES * rows}).require()
        kept.append(batch)
    table = pyarrow.Table.from_batches(kept, schema)
    return rows_of_table(table, tuple(range(len(schema))), name)


def _named(column: Any, title: str, name: str) -> Named:
    """Number the distinct names of a column."""
    import pyarrow
    import pyarrow.compute as compute

    if not pyarrow.types.is_dictionary(column.type):
        _check_names(column.type, title, name)
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pyarrow.ChunkedArray):  # older Arrow, or no chunk
        column = column.chunk(0)
    names = _texts(column.dictionary, title, name)
    codes = compute.fill_null(column.indices.cast(pyarrow.int32()), UNKNOWN).to_numpy(zero_copy_only=False)
    lost = compute.or_kleene(compute.is_null(names), compute.equal(names, ""))
    lost = compute.fill_null(lost, True).to_numpy(zero_copy_only=False)
    distinct = names.dictionary_encode()  # texts of different numbers may be equal, as of 1 and 1.0
    number = compute.fill_null(distinct.indices, UNKNOWN).to_numpy(zero_copy_only=False)
    number = np.concatenate([np.where(lost, UNKNOWN, number), [UNKNOWN]]).astype(np.int32)
    codes = number[codes]
    if (codes == UNKNOWN).all():
        raise FileFormatError(
            f"read_interactions: the column {title!r} of {name} is empty",
            needed="Every row names a user and an item.",
            remedy="Give the column that holds the names.",
        )
    return Named(title, codes, distinct.dictionary)


def _check_names(kind: Any, title: str, name: str) -> None:
    from pyarrow import types

    if types.is_nested(kind):
        raise FileFormatError(
            f"read_interactions: the column {title!r} of {name} holds {kind}",
            needed="Users and items are texts or numbers.",
            remedy="Give another column, or flatten this one.",
        )


def _texts(names: Any, title: str, name: str) -> Any:
    """Return names of any type as texts; whole numbers without a decimal point."""
    import pyarrow

    if pyarrow.types.is_floating(names.type):  # pandas makes floats of integers where one is missing
        numbers = names.cast(pyarrow.float64()).to_numpy(zero_copy_only=False)
        whole = np.isfinite(numbers) & (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53)
        texts = [str(int(one)) if ok else str(one) for one, ok in zip(numbers, whole, strict=True)]
        return pyarrow.array([None if text == "nan" else text for text in texts], pyarrow.string())
    try:
        return names.cast(pyarrow.string())
    except pyarrow.ArrowException as error:
        raise FileFormatError(
            f"read_interactions: the column {title!r} of {name} holds {names.type}: {error}",
            needed="Users and items are texts in UTF-8, numbers or dates.",
            remedy="Give another column, or convert this one.",
        ) from error


def _numbers(column: Any, title: str, name: str) -> Float64:
    import pyarrow
    import pyarrow.compute as compute

    kind = column.type
    try:
        if pyarrow.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        if pyarrow.types.is_string(column.type) or pyarrow.types.is_large_string(column.type):
            column = compute.if_else(compute.equal(column, ""), None, column)
        numbers = column.cast(pyarrow.float64(), safe=False)
    except pyarrow.ArrowException as error:
        raise FileFormatError(
            f"read_interactions: the column {title!r} of {name} holds {kind}, not numbers: {error}",
            needed="A weight is a number of 0 or more.",
            remedy="Give another column as weight, or none: then every row counts 1.",
        ) from error
    found = np.asarray(compute.fill_null(numbers, float("nan")).to_numpy(), np.float64)
    if np.isnan(found).all():
        raise FileFormatError(
            f"read_interactions: the column {title!r} of {name} is empty",
            needed="A weight is a number of 0 or more.",
            remedy="Give the column that holds the weights, or none: then every row counts 1.",
        )
    return found
