"""Texts of records: JSON lines, Parquet tables and the conversation data set."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from gpuemb.core.errors import FileFormatError
from gpuemb.corpus.formats import check_head
from gpuemb.corpus.sources import DATASET, STANDARD_INPUT, Stream, check_document, kind_of

JSON_LINES = (".jsonl", ".ndjson", ".json")  # the last as data sets use it; a list is refused
PARQUET = ".parquet"
AS_LINES = "Repair the line. A list becomes such lines with jq -c '.[]' FILE > FILE.jsonl."
FIELD = "text"  # of a record, where none is named
LEAST_ROWS, MOST_ROWS = 64, 8192  # of a Parquet table read at once
BATCH_BYTES = 256 << 20  # of the texts of these rows, where a short dictionary is repeated in all


def holds_records(source: str, field: str | None) -> bool:
    """Whether a source holds records: by its ending; standard input where a field is named."""
    known = source.startswith(DATASET) or kind_of(source) in (*JSON_LINES, PARQUET)
    return known or (source == STANDARD_INPUT and field is not None)


def read_records(
    source: str, stream: Stream, size: int, field: str | None, errors: str
) -> Iterator[list[str]]:
    """Yield the texts of a source's records in order, some at a time; a null is an empty text.

    Args:
        source: its ending names the format.
        stream: the open source.
        size: bytes of JSON to read at a time.
        field: of a record with the text.
        errors: ``strict``, ``replace`` or ``ignore``.

    Raises:
        FileFormatError: not JSON or not a table; a missing field, with those present; a field without text.
    """
    if source.startswith(DATASET):
        pieces = _conversations(stream)
    elif kind_of(source) == PARQUET:
        pieces = _parquet(stream, field or FIELD)
    else:
        pieces = _json_lines(stream, size, field or FIELD, errors)
    number = 1
    for texts in pieces:
        yield valid_unicode(texts, f"{stream.name}, record", number, errors)
        number += len(texts)


def valid_unicode(texts: list[str], name: str, number: int, errors: str) -> list[str]:
    """Return the texts as valid Unicode: Python and JSON can spell half of a surrogate pair.

    Args:
        texts: of some records.
        name: of what they are, for people.
        number: of the first.
        errors: ``strict``, ``replace`` or ``ignore``.

    Raises:
        FileFormatError: half a surrogate pair, where ``errors`` is strict.
    """
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return [_spellable(text, f"{name} {number + i}", errors) for i, text in enumerate(texts)]
    return texts


def _spellable(text: str, where: str, errors: str) -> str:
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", errors)
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"corpus: {where}: half of a surrogate pair",
            needed="Text must be Unicode characters.",
            remedy="Repair it, or use --encoding-errors replace or ignore.",
        ) from error


def _json_lines(stream: Stream, size: int, field: str, errors: str) -> Iterator[list[str]]:
    """Yield the texts of lines; a blank line is an empty text, so that line numbers stay right."""
    number, pending = 1, list[bytes]()
    while chunk := stream.read(size):
        if number == 1 and not pending:
            check_head(stream.name, chunk, text=False)
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join([*pending, lines[0]])
            pending.clear()
            yield _texts(lines, stream.name, number, field, errors)
            number += len(lines)
        pending.append(rest)
        check_document(f"{stream.name}, line {number}", sum(map(len, pending)))
    if any(pending):
        yield _texts([b"".join(pending)], stream.name, number, field, errors)


def _texts(lines: list[bytes], name: str, number: int, field: str, errors: str) -> list[str]:
    if number == 1 and lines:
        lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
    return [_text(line, f"{name}, line {number + i}", field, errors) for i, line in enumerate(lines)]


def _text(line: bytes, where: str, field: str, errors: str) -> str:
    if not line.strip():
        return ""
    try:
        record = json.loads(line.decode("utf-8", errors))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(
            f"corpus: {where} is not JSON: {error}",
            needed="Each line must be one JSON object, in UTF-8.",
            remedy=AS_LINES,
        ) from error
    if not isinstance(record, dict):
        raise FileFormatError(
            f"corpus: {where} is not an object but {type(record).__name__}",
            needed="Each line must be one JSON object: {…}.",
            remedy=AS_LINES,
        )
    if field not in record:
        raise _no_field(where, field, list(record))
    value = record[field]
    if value is not None and not isinstance(value, str):
        raise _no_text(where, field, type(value).__name__)
    return value or ""


def _parquet(stream: Stream, field: str) -> Iterator[list[str]]:
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(stream.raw)
        if field not in table.schema_arrow.names:
            raise _no_field(stream.name, field, table.schema_arrow.names)
        if table.schema_arrow.names.count(field) > 1:
            raise _two_fields(stream.name, field)
        kind = table.schema_arrow.field(field).type
        kind = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
        if not any(is_kind(kind) for is_kind in _text_kinds()):
            raise _no_text(stream.name, field, str(kind))
        for batch in table.iter_batches(_rows_at_once(table.metadata, field), columns=[field]):
            texts = [text or "" for text in batch.column(0).to_pylist()]
            stream.unpack(sum(map(len, texts)))
            yield texts
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f"corpus: {stream.name} is not a Parquet table: {error}",
            needed="A name that ends in .parquet must hold a whole table.",
            remedy="Fetch it again, or rename it.",
        ) from error


def _rows_at_once(metadata: Any, field: str) -> int:
    """Return the rows whose texts fit: each may be the whole of a column's dictionary."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    parts = [group.column(place) for group in groups for place in range(group.num_columns)]
    largest = max((p.total_uncompressed_size for p in parts if p.path_in_schema == field), default=1)
    return int(min(MOST_ROWS, max(LEAST_ROWS, BATCH_BYTES // max(largest, 1))))


def _text_kinds() -> list[Any]:
    from pyarrow import types

    return [types.is_string, types.is_large_string, types.is_string_view]


def _no_field(where: str, field: str, present: list[str]) -> FileFormatError:
    return FileFormatError(
        f"corpus: {where} has no field {field!r}",
        needed=f"Its fields are {', '.join(present[:20]) or 'none'}.",
        remedy=f"Name the one that holds the text: field={present[0] if present else FIELD!r}.",
    )


def _two_fields(where: str, field: str) -> FileFormatError:
    return FileFormatError(
        f"corpus: {where} has several columns {field!r}",
        needed="The text must be in one column.",
        remedy="Rename the others, or name a column that is there once with field=….",
    )


def _no_text(where: str, field: str, found: str) -> FileFormatError:
    return FileFormatError(
        f"corpus: {where}: the field {field!r} holds no text but {found}",
        needed="The field must hold text in every record.",
        remedy="Name another with field=….",
    )


def _conversations(stream: Stream) -> Iterator[list[str]]:
    """The messages of all conversations, in the order of the file."""
    for dialogue in json.load(stream.raw).values():
        yield [message["text"] for turn in dialogue["messages"] for message in turn]
