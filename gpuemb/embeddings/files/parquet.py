"""Parquet: a column ``word`` of texts, a column ``vector`` of equally long lists of floats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from gpuemb.core.arrays import Float64, FloatMatrix, Int64
from gpuemb.core.errors import FileFormatError, GpuembError
from gpuemb.core.memory import rows_per_tile, tiles
from gpuemb.core.progress import Progress
from gpuemb.embeddings.files.rows import TILE, within
from gpuemb.embeddings.files.source import Source, bomb, most_of
from gpuemb.embeddings.files.table import WORD_BYTES, Request, Table, check_words, plan, select
from gpuemb.embeddings.parquet_footer import sizes_of

WORD, VECTOR = "word", "vector"
BUFFER = 1 << 20  # bytes of a column read at once
LEAST_BYTES = 4  # of a number in memory


def read_parquet(source: Source, request: Request) -> Table:
    """Read columns ``word`` and ``vector``, a batch of rows at a time; float16 becomes float32.

    Raises:
        FileFormatError: no such columns, lists of unequal length, missing values, or damaged pages.
        MemoryBudgetError: the rows do not fit the memory.
    """
    with _opened(source, WORD) as file:
        dim, kind = _vectors_of(file, source)
        words = _texts(file, WORD, source)
        kept = select(words, request)
        count = kept.height
        plan(source.name, count, dim * kind.itemsize, TILE)
        vectors = np.empty((count, dim), kind)
        _gather(file, kept.rows, vectors, len(words), name=source.name, progress=request.progress)
    return kept.table(vectors)


def read_column(source: Source) -> list[str]:
    """Read the texts of the column ``word``, or of the only column.

    Raises:
        FileFormatError: there is no such column, or a text is missing.
    """
    with _opened(source) as file:
        names = file.schema_arrow.names
    column = names[0] if len(names) == 1 else WORD
    with _opened(source, column) as file:
        return _texts(file, column, source)


@contextmanager
def _opened(source: Source, words: str | None = None) -> Iterator[Any]:
    """Open a file for reading columns in small parts; repeated ``words`` are kept once."""
    import pyarrow
    import pyarrow.parquet

    if source.packing != "plain":
        raise FileFormatError(
            f"load: {source.name} is Parquet inside a {source.packing} file",
            needed="Parquet is read from its end, so it must not be compressed as a file.",
            remedy="Decompress it first; Parquet compresses its columns itself.",
        )
    try:
        schema = pyarrow.parquet.read_schema(source.path)
        once = [words] if words in schema.names and _is_text(schema.field(words).type) else []
        with pyarrow.parquet.ParquetFile(
            source.path,
            pre_buffer=False,
            buffer_size=BUFFER,
            page_checksum_verification=True,
            read_dictionary=once,
        ) as file:
            yield file
    except GpuembError:
        raise
    except KeyError as error:  # pyarrow finds no column by a name that several have
        names = pyarrow.parquet.read_schema(source.path).names
        if len(set(names)) == len(names):
            raise
        raise _not_a_table(source.name, f"two of its columns have one name: {', '.join(names)}") from error
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise FileFormatError(
            f"load: {source.name} is not a complete Parquet file: {str(error).splitlines()[0]}",
            needed="Its footer and pages must be intact.",
            remedy="Fetch or write it again.",
        ) from error


def _vectors_of(file: Any, source: Source) -> tuple[int, np.dtype[Any]]:
    """Return ``d`` and the dtype in memory."""
    from pyarrow import types

    name = source.name
    kind: Any = file.schema_arrow.field(VECTOR).type if VECTOR in file.schema_arrow.names else None
    fixed = kind is not None and types.is_fixed_size_list(kind)
    listed = kind is not None and (types.is_list(kind) or types.is_large_list(kind))
    if not (fixed or listed) or not types.is_floating(kind.value_type):
        raise _not_a_table(name, f"its columns are {_described(file)}")
    rows, numbers = file.metadata.num_rows, _count(source, VECTOR)
    dim = kind.list_size if fixed else numbers // max(1, rows)
    if rows * dim != numbers:
        raise _not_a_table(name, f"not every vector has {dim} numbers: {rows} have {numbers}")
    return dim, np.dtype(np.float64 if types.is_float64(kind.value_type) else np.float32)


def _count(source: Source, column: str) -> int:
    """Return the number of values of a column, missing ones included, before any is unpacked.

    Raises:
        FileFormatError: they would unpack to much more than their size.
    """
    sizes = sizes_of(source.path, column)
    unpacked = max(sizes.unpacked, sizes.values * LEAST_BYTES)
    if unpacked > most_of(sizes.packed):
        raise bomb(f"{source.name}, column {column}", sizes.packed, unpacked)
    return sizes.values


def _described(file: Any) -> str:
    fields = list(file.schema_arrow)[:6]
    return ", ".join(f"{field.name} ({field.type})" for field in fields) or "none"


def _texts(file: Any, column: str, source: Source) -> list[str]:
    from pyarrow import types

    name = source.name
    kind = file.schema_arrow.field(column).type if column in file.schema_arrow.names else None
    if kind is not None and types.is_dictionary(kind):
        kind = kind.value_type
    if kind is None or not _is_text(kind):
        raise _not_a_table(name, f"its columns are {_described(file)}")
    plan(name, _count(source, column), WORD_BYTES)
    words: list[str] = []
    for batch in file.iter_batches(columns=[column]):
        texts = batch.column(0)
        if texts.null_count:
            raise _not_a_table(name, f"a word is missing near row {len(words)}")
        if types.is_dictionary(texts.type):
            texts = _decoded(texts, column, name)
        words += texts.to_pylist()
    return words


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind)  # type: ignore[no-any-return]


def _decoded(texts: Any, column: str, name: str) -> Any:
    """Decode a dictionary of texts, if its repeated words are of usual length."""
    import pyarrow.compute as compute

    sizes = compute.binary_length(texts.dictionary).to_numpy(zero_copy_only=False)
    total = int(sizes[texts.indices.to_numpy(zero_copy_only=False)].sum())
    if total > most_of(int(sizes.sum())):
        raise bomb(f"{name}, column {column}", int(sizes.sum()), total)
    return texts.dictionary_decode()


def _gather(
    file: Any, rows: Int64 | None, out: FloatMatrix, count: int, *, name: str, progress: Progress
) -> None:
    """Copy the wanted rows, batch by batch."""
    begun = seen = 0
    step = rows_per_tile(out.shape[1] * out.itemsize, TILE)
    with progress.phase(f"reading {name}", count) as task:
        for batch in file.iter_batches(step, columns=[VECTOR]):
            numbers = _numbers(batch.column(0), out.shape[1], name)
            wanted = within(rows, seen, seen + len(batch))
            numbers = numbers if wanted is None else numbers[wanted]
            out[begun : begun + len(numbers)] = numbers
            begun, seen = begun + len(numbers), seen + len(batch)
            task.advance(len(batch))
            if begun == len(out):
                return
    if begun < len(out):
        raise _not_a_table(name, f"it has {count} words but {seen} vectors")


def _numbers(column: Any, dim: int, name: str) -> Float64:
    import pyarrow.compute as compute

    lengths = compute.list_value_length(column)
    if column.null_count or not compute.all(compute.equal(lengths, dim)).as_py():
        raise _not_a_table(name, f"not every vector has {dim} numbers")
    values = column.flatten()
    if values.null_count:
        raise _not_a_table(name, "a number is missing in a vector")
    table: Float64 = values.to_numpy(zero_copy_only=False).reshape(-1, dim)
    return table


def _not_a_table(name: str, why: str) -> FileFormatError:
    return FileFormatError(
        f"load: {name}: {why}",
        needed=f"A column {WORD!r} of texts and a column {VECTOR!r} of equally long lists of floats.",
        remedy="Rename or cast the columns, or give vectors as .npy with vocabulary=….",
    )


def write_parquet(words: Sequence[str], vectors: FloatMatrix, file: IO[bytes]) -> None:
    """Write columns ``word`` and ``vector``, a fixed-size list; float16 is widened.

    Floats hardly compress and are stored uncompressed; the words are compressed.
    """
    import pyarrow
    import pyarrow.parquet

    check_words(words, "", kind="Parquet")
    kind = pyarrow.float64() if vectors.dtype.name == "float64" else pyarrow.float32()
    dim = vectors.shape[1]
    schema = pyarrow.schema(
        [
            pyarrow.field(WORD, pyarrow.string(), nullable=False),
            pyarrow.field(VECTOR, pyarrow.list_(kind, dim), nullable=False),
        ]
    )
    packing = {WORD: "zstd", f"{VECTOR}.list.element": "none"}
    with pyarrow.parquet.ParquetWriter(file, schema, use_dictionary=False, compression=packing) as writer:
        for start, stop in tiles(len(words), rows_per_tile(dim * kind.bit_width // 8, TILE)):
            rows = np.ravel(vectors[start:stop]).astype(vectors.dtype.newbyteorder("="), copy=False)
            numbers = pyarrow.array(rows, kind, safe=False)
            lists = pyarrow.FixedSizeListArray.from_arrays(numbers, dim)
            batch = pyarrow.record_batch([pyarrow.array(words[start:stop], pyarrow.string()), lists], schema)
            writer.write_batch(batch)
