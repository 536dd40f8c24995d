"""The footer of a Parquet file: what its columns say of their sizes."""

# Read here rather than by Arrow, whose metadata of columns aborts the process where a footer is damaged.
# It is one structure in Thrift's compact protocol: fields by number, of which four are used.

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

TAIL = 8  # bytes of a file behind its footer: the footer's length and PAR1
LARGEST_FOOTER = 1 << 24  # bytes: some 100,000 parts of columns
DEEPEST = 32  # structures within structures
ROW_GROUPS, COLUMNS, COLUMN = 4, 1, 3  # fields of the footer, a row group, a part of a column
PATH, VALUES, UNPACKED, PACKED = 3, 5, 6, 7  # fields of what is said of that part
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, _, STRUCT = range(1, 13)


@dataclass(frozen=True)
class Sizes:
    """What all parts of a column say of themselves.

    Attributes:
        values: numbers or texts, missing ones included.
        unpacked: bytes after decompression.
        packed: bytes in the file.
    """

    values: int
    unpacked: int
    packed: int


def sizes_of(path: Path, column: str) -> Sizes:
    """Return the sizes of a column, nested ones by the name of the outermost.

    Raises:
        ValueError: the footer is damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(-TAIL, 2)
        length = int.from_bytes(file.read(4), "little")
        if length > LARGEST_FOOTER:
            raise ValueError(f"its footer has {length} bytes")
        file.seek(-TAIL - length, 2)
        data = file.read(length)
    try:
        footer = _Reader(data).structure()
        parts = [part[COLUMN] for group in footer.get(ROW_GROUPS, ()) for part in group[COLUMNS]]
        own = [part for part in parts if part[PATH][0] == column.encode()]
        sums = [sum(part[field] for part in own) for field in (VALUES, UNPACKED, PACKED)]
        if any(part[field] < 0 for part in own for field in (VALUES, UNPACKED, PACKED)):
            raise ValueError("a size is negative")
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"its footer is damaged: {error}") from error
    return Sizes(*sums)


class _Reader:
    """Reads values of Thrift's compact protocol; IndexError at the end of the data."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._depth = data, 0, 0

    def structure(self) -> dict[int, Any]:
        """Read a structure as its fields by number."""
        fields: dict[int, Any] = {}
        number = 0
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError("structures are nested too deep")
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = self._value(head & 15)
        self._depth -= 1
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self._byte()
        if kind in (I16, I32, I64):
            return self._integer()
        if kind in (DOUBLE, BINARY):
            return self._bytes(8 if kind == DOUBLE else self._unsigned())
        if kind in (LIST, SET):
            return self._list()
        if kind == STRUCT:
            return self.structure()
        raise ValueError(f"a value of kind {kind}")  # maps do not occur in a footer

    def _list(self) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._unsigned()
        kind = BYTE if head & 15 in (TRUE, FALSE) else head & 15  # in lists, truth values are bytes
        return [self._value(kind) for _ in range(count)]

    def _integer(self) -> int:
        number = self._unsigned()
        return (number >> 1) ^ -(number & 1)

    def _unsigned(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise ValueError("an integer beyond 64 bits")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _bytes(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise IndexError("a text that is longer than the footer")
        return self._data[self._at - count : self._at]
