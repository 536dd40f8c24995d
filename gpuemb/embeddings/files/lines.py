"""Cut blocks of bytes into pieces of complete lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gpuemb.core.memory import tiles
from gpuemb.kernels.parse_vectors import Bytes

PIECE = 1 << 20  # bytes: about 1 ms of parsing, twenty times the cost of handing a task to a worker
LONGEST_LINE = 1 << 24  # bytes: a million numbers of 16 characters
WINDOW = 1 << 12  # bytes searched first for a line end
NEWLINE = 10


@dataclass(frozen=True, eq=False)
class Piece:
    """Consecutive complete lines.

    Attributes:
        text: their bytes; the file's last line may lack its end.
        size: their bytes in the file.
        too_long: this is one line above ``LONGEST_LINE``; ``text`` is only its beginning.
    """

    text: Bytes
    size: int
    too_long: bool = False


def pieces_of(blocks: Iterable[Bytes]) -> Iterator[Piece]:
    """Cut blocks of any size after line ends, about every ``PIECE`` bytes.

    Only pieces across blocks are copied. Holds at most ``PIECE`` and twice ``LONGEST_LINE`` bytes beside
    the block.
    """
    held: list[Bytes] = []
    size = 0  # bytes held
    head, passed = np.empty(0, np.uint8), 0  # of an overlong line: its beginning, and its bytes so far
    for block in _at_most(blocks, LONGEST_LINE):
        begin = 0
        if passed:
            begin = after_newline(block, 0)
            passed += begin or block.size
            if not begin:
                continue
            yield Piece(head, passed, too_long=True)
            passed = 0
        while cut := after_newline(block, begin + max(0, PIECE - size)):
            yield _joined([*held, block[begin:cut]])
            held, size, begin = [], 0, cut
        held.append(block[begin:])
        size += block.size - begin
        if size > PIECE + LONGEST_LINE:
            text = _joined(held).text
            ends = np.flatnonzero(
                text[:PIECE] == NEWLINE
            )  # after PIECE there is none: it would have been cut there
            last = int(ends[-1]) + 1 if ends.size else 0
            if last:
                yield Piece(text[:last], last)
            head, passed = text[last : last + WINDOW], size - last
            held, size = [], 0
    if passed:
        yield Piece(head, passed, too_long=True)
    elif size:
        yield _joined(held)


def after_newline(text: Bytes, begin: int) -> int:
    """Return the position after the first line end at or after ``begin``; 0 without one."""
    window = WINDOW
    while begin < text.size:
        ends = text[begin : begin + window] == NEWLINE
        place = int(ends.argmax())
        if ends[place]:
            return begin + place + 1
        begin, window = begin + window, min(2 * window, PIECE)
    return 0


def _at_most(blocks: Iterable[Bytes], size: int) -> Iterator[Bytes]:
    for block in blocks:
        for begin, stop in tiles(block.size, size):
            yield block[begin:stop]


def _joined(parts: list[Bytes]) -> Piece:
    text = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return Piece(text, text.size)
