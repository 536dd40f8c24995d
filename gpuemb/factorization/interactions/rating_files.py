"""CSV and Parquet files of users and items."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gpuemb.core.checks import nearest_hint
from gpuemb.core.errors import ConfigError, FileFormatError, GpuembError
from gpuemb.core.progress import Progress
from gpuemb.embeddings.files.source import Source, bounded, find
from gpuemb.factorization.interactions.columns import Rows, rows_of_batches, without_rows

WHERE = "read_interactions"
SEPARATORS = ("::", "\t", ",", ";", "|", " ")
BZIP2, ZSTD = (
    b"BZh9",
    b"\x28\xb5\x2f\xfd",
)  # how files begin; gzip and zip are those of embeddings.files.source
PARQUET = b"PAR1"
HEAD = 1 << 16  # bytes that show separator and header
LINES = 20  # of them
BLOCK = 4 << 20  # bytes of CSV parsed at once
CELLS = 1 << 20  # rows of Parquet read at once


@dataclass(frozen=True)
class Columns:
    """Where users, items and weights stand: by name, or position from 0."""

    user: str | int
    item: str | int
    weight: str | int | None

    def given(self) -> list[tuple[str, str | int]]:
        """Argument and column of each."""
        all_ = (("user", self.user), ("item", self.item), ("weight", self.weight))
        return [(name, column) for name, column in all_ if column is not None]

    def places(self, source: str, names: Sequence[str]) -> tuple[int, ...]:
        """Return the positions of the columns.

        Raises:
            ConfigError: there is none of that name or position, or two columns are one.
        """
        found = [_place(source, argument, column, names) for argument, column in self.given()]
        if len({*found}) < len(found):
            raise ConfigError(
                f"{WHERE}: {', '.join(f'{argument}={column!r}' for argument, column in self.given())}",
                needed="User, item and weight stand in different columns.",
                remedy=f"The columns are {', '.join(names)}.",
            )
        return tuple(found)


@dataclass(frozen=True)
class Layout:
    """How a CSV file is written; None is found out."""

    separator: str | None
    header: bool | None
    encoding: str


def read_file(path: str | Path, columns: Columns, layout: Layout, progress: Progress) -> Rows:
    """Read the columns of a file.

    Raises:
        StorageError, FileFormatError, ConfigError, MemoryBudgetError: as :func:`read_interactions`.
    """
    with _said():
        source = find(path)
        with _unpacked(source) as file:
            head = file.read(HEAD)
        if head.startswith(PARQUET):
            return _read_parquet(source, columns, progress)
        return _read_csv(source, _sample(head, source, layout), columns, layout, progress)


def _read_parquet(source: Source, columns: Columns, progress: Progress) -> Rows:
    import pyarrow
    from pyarrow import parquet

    with _parsing(source.name):
        plain = source.packing == "plain"
        file = parquet.ParquetFile(source.path if plain else pyarrow.BufferReader(source.contents(1)))
        with file:
            names = file.schema_arrow.names
            places = columns.places(source.name, names)
            wanted = [names[place] for place in places]
            batches = []
            with progress.phase(f"reading {source.stem}", file.metadata.num_rows) as task:
                for batch in file.iter_batches(CELLS, columns=wanted):
                    batches.append(batch.select(wanted))
                    task.advance(batch.num_rows)
            schema = pyarrow.schema([file.schema_arrow.field(place) for place in places])
            schema = batches[0].schema if batches else schema
            return rows_of_batches(batches, schema, source.name)


def _read_csv(
    source: Source, sample: list[str], columns: Columns, layout: Layout, progress: Progress
) -> Rows:
    import pyarrow
    import pyarrow.csv

    separator = layout.separator or _separator(source.name, sample)
    cells = [_cells(line, separator) for line in sample]
    named = any(isinstance(column, str) for _, column in columns.given())
    header = layout.header if layout.header is not None else named
    if named and not header:
        raise ConfigError(
            f"{WHERE}: a column is given by its name, but header is False",
            needed="Names of columns stand in the first line.",
            remedy="Give positions: user=0, item=1.",
        )
    if layout.header is None and not header:
        _check_no_header(source.name, cells)
    names = [name.strip() for name in cells[0]] if header else [str(at) for at in range(len(cells[0]))]
    places = columns.places(source.name, names)
    if header and len(sample) == 1:
        raise without_rows(source.name)
    wide = 2 if separator == "::" else 1  # it is read as columns between single colons
    wanted = [f"f{wide * place}" for place in places]
    text = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    kinds = dict(zip(wanted, (text, text, pyarrow.float64()), strict=False))
    with _unpacked(source) as file, _parsing(source.name), progress.phase(f"reading {source.stem}") as task:
        reader = pyarrow.csv.open_csv(
            pyarrow.PythonFile(file, mode="r"),
            pyarrow.csv.ReadOptions(
                autogenerate_column_names=True,
                skip_rows=int(header),
                block_size=BLOCK,
                encoding=layout.encoding,
            ),
            pyarrow.csv.ParseOptions(delimiter=separator[0], newlines_in_values=True),
            pyarrow.csv.ConvertOptions(
                include_columns=wanted,
                column_types=kinds,
                strings_can_be_null=True,
                null_values=["", "NaN", "nan"],
            ),
        )
        batches = _counted(reader, task)
        fields = [pyarrow.field(names[place], kinds[one]) for place, one in zip(places, wanted, strict=True)]
        schema = pyarrow.schema(fields)
        renamed = (pyarrow.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in batches)
        return rows_of_batches(renamed, schema, source.name)


def _counted(reader: Any, task: Any) -> Iterator[Any]:
    for batch in reader:
        task.advance(batch.num_rows)
        yield batch


def _place(source: str, argument: str, column: str | int, names: Sequence[str]) -> int:
    if isinstance(column, str) and column in names:
        return list(names).index(column)
    if isinstance(column, int) and column < len(names):
        return column
    raise ConfigError(
        f"{WHERE}: {source} has no column {column!r} for {argument}",
        needed=f"It has {len(names)} columns: {', '.join([*names[:12], *['…'] * (len(names) > 12)])}.",
        remedy=nearest_hint(str(column), names)
        if isinstance(column, str)
        else "Positions are counted from 0.",
    )


def _sample(head: bytes, source: Source, layout: Layout) -> list[str]:
    """The first lines."""
    try:
        text = head.decode(layout.encoding, "strict" if len(head) < HEAD else "ignore")
    except (LookupError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f"{WHERE}: {source.name} is not text in {layout.encoding}: {error}",
            needed="A table is a CSV file in this encoding, or Parquet.",
            remedy="Give encoding='latin-1' or another, or convert the file (iconv).",
        ) from error
    lines = text.removeprefix("\ufeff").splitlines()
    lines = lines[:-1] if len(head) == HEAD and len(lines) > 1 else lines
    lines = [line for line in lines if line.strip()][:LINES]
    if "\0" in text or not lines:
        raise FileFormatError(
            f"{WHERE}: {source.name} {'is neither text nor Parquet' if lines else 'is empty'}",
            needed="A table is a CSV file, packed or not, or Parquet, with a row for each interaction.",
            remedy="Check what it is (file PATH, head PATH).",
        )
    return lines


def _cells(line: str, separator: str) -> list[str]:
    if len(separator) > 1:
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator))


def _separator(name: str, lines: list[str]) -> str:
    """The separator that cuts every line into the same number of cells, two or more; else the first line."""
    for sample in (lines, lines[:1]):
        for separator in SEPARATORS:
            counts = {len(_cells(line, separator)) for line in sample}
            if len(counts) == 1 and counts != {1}:
                return separator
    raise FileFormatError(
        f"{WHERE}: the first line of {name} is one column: {lines[0][:60]!r}",
        needed="Lines have two or more columns, cut by a comma, tab, semicolon, |, :: or space.",
        remedy="Give separator=… if another sign separates them.",
    )


def _check_no_header(name: str, cells: list[list[str]]) -> None:
    """Refuse a first line that is unlike the others, as names of columns are."""
    for place in range(len(cells[0])):
        first, *others = [_is_number(line[place]) for line in cells if place < len(line)]
        if others and all(others) and not first:
            raise ConfigError(
                f"{WHERE}: the first line of {name} may be a header: {cells[0][place]!r} above numbers",
                needed="Columns were given by their positions, which does not tell it.",
                remedy="Give header=True or header=False.",
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@contextmanager
def _unpacked(source: Source) -> Iterator[IO[bytes]]:
    """Open the unpacked bytes; bzip2 and zstd are known by their first bytes."""
    import pyarrow

    with source.open() as file:
        magic = file.read(len(BZIP2)) if source.packing == "plain" else b""
        if magic:
            file.seek(0)
        packing = (
            "zstd" if magic == ZSTD else "bz2" if magic.startswith(BZIP2[:3]) and magic[3:].isdigit() else ""
        )
        if not packing:
            yield file
            return
        stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), packing)
        with _parsing(source.name):
            yield bounded(stream, file.tell, source.name)


@contextmanager
def _parsing(name: str) -> Iterator[None]:
    """Turn errors of Arrow into FileFormatError."""
    import pyarrow

    try:
        yield
    except GpuembError:
        raise
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # Arrow's own have no number
            raise
        raise FileFormatError(
            f"{WHERE}: {name} is damaged: {' '.join(str(error).split())}",
            needed="Every row has all columns, texts are in the encoding, and weights are numbers.",
            remedy="Look at that row; encoding, separator and header say how a CSV file is written.",
        ) from error


@contextmanager
def _said() -> Iterator[None]:
    """Name this function in the errors of opening a file, which are those of ``load``."""
    try:
        yield
    except GpuembError as error:
        if not error.given.startswith("load: "):
            raise
        given = f"{WHERE}: {error.given.removeprefix('load: ')}"
        needed = error.needed if "is empty" not in given else "A table has a row for each interaction."
        raise type(error)(given, needed=needed, remedy=error.remedy) from error
