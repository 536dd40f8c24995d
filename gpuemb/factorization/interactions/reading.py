"""Interactions out of CSV and Parquet files, as users have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import door
from gpuemb.core.errors import ConfigError, DTypeError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import shown
from gpuemb.factorization.interactions import Interactions
from gpuemb.factorization.interactions.building import Rules, build
from gpuemb.factorization.interactions.columns import Rows, rows_of_table
from gpuemb.factorization.interactions.rating_files import Columns, Layout, read_file

Repeats = Literal["sum", "last", "raise"]
Missing = Literal["raise", "drop"]


@door
def read_interactions(
    source: Any,
    user: str | int,
    item: str | int,
    weight: str | int | None = None,
    *,
    separator: str | None = None,
    header: bool | None = None,
    encoding: str = "utf-8",
    repeats: Repeats = "sum",
    missing: Missing = "raise",
    min_users: int = 1,
    min_items: int = 1,
    progress: Progress = SILENT,
) -> Interactions:
    r"""Read who chose what from a table of users and items.

    Args:
        source: a CSV or Parquet file, packed by gzip, bzip2 or zstd or not, or ``archive.zip:member``; or a
            data frame in memory (pandas, Polars, Arrow).
        user: the column of users: its name, or its position from 0.
        item: the column of items. Users and items of any type are kept as texts.
        weight: the column of weights, numbers of 0 or more; without one every row counts 1.
        separator: of a CSV file: by default a comma, tab, semicolon, ``|``, ``::`` or space, whichever cuts
            the first lines evenly.
        header: whether the first line of a CSV file names the columns; by default it does where a column is
            given by its name.
        encoding: of a CSV file.
        repeats: of rows with a user and an item that stood there before: ``sum`` adds the weights, ``last``
            keeps the last one, ``raise`` refuses them.
        missing: of rows without a user, an item or a weight: ``raise`` refuses, ``drop`` leaves them out.
        min_users: items with fewer users are left out,
        min_items: and users with fewer items, until neither is left.
        progress: reports the rows.

    Returns:
        Users and items, those with most interactions first and equal ones by name; how many rows repeat,
        weigh 0, or were left out.

    Raises:
        StorageError: the file cannot be read.
        FileFormatError: it is empty or damaged, or a weight is not a number of 0 or more, or nothing is left.
        ConfigError: there is no such column; the nearest is named.
        MemoryBudgetError: the rows do not fit the memory.

    Cost: one pass over the file; 16 bytes of memory a row, and the names.

    Example:
        >>> with open("ratings.csv", "w") as file:
        ...     _ = file.write("who,what,stars\nann,tea,5\nbob,tea,3\nann,jam,4\n")
        >>> data = ge.read_interactions("ratings.csv", "who", "what", "stars")
        >>> data.items, data.matrix.toarray().tolist()
        (('tea', 'jam'), [[5.0, 4.0], [3.0, 0.0]])
    """
    where = "read_interactions"
    check_at_least(where, "min_users", min_users, 1)
    check_at_least(where, "min_items", min_items, 1)
    columns = _columns(user, item, weight)
    layout = Layout(separator, header, encoding)
    return build(_rows(source, columns, layout, progress), Rules(repeats, missing, min_users, min_items))


def _columns(user: str | int, item: str | int, weight: str | int | None) -> Columns:
    named = Columns(user, item, weight)
    for name, column in named.given():
        if isinstance(column, int) and column < 0:
            raise ConfigError(
                f"read_interactions: {name} = {column}",
                needed="A column is given by its name, or by its position: 0 is the first one.",
                remedy=f"Give {name}='name of the column'.",
            )
    return named


def _rows(source: Any, columns: Columns, layout: Layout, progress: Progress) -> Rows:
    if isinstance(source, (str, Path)):
        return read_file(source, columns, layout, progress)
    if hasattr(source, "__arrow_c_stream__") and not isinstance(source, type):
        import pyarrow

        table = pyarrow.table(source)
        return rows_of_table(table, columns.places("the data frame", table.column_names), "the data frame")
    raise DTypeError(
        f"read_interactions: source = {shown(source)}",
        needed="A source is the path of a file, or a data frame that Arrow reads (pandas, Polars).",
        remedy="Write it as CSV or Parquet, and give the path.",
    )
