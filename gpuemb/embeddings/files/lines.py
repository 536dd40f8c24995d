"""Blocks of bytes as pieces of whole lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gpuemb.core.memory import tiles
from gpuemb.kernels.parse_vectors import Bytes

PIECE = 1 << 20  # bytes: a worker reads them in about 1 ms, twenty times what handing them over costs
LONGEST_LINE = 1 << 24  # bytes that a line may have: a million numbers of 16 characters
WINDOW = 1 << 12  # bytes searched at first for a line's end
NEWLINE = 10


@dataclass(frozen=True)
class Piece:
    """Consecutive whole lines.

    Attributes:
        text: their bytes; the file's last line may lack its end.
        size: bytes of the file that they take.
        too_long: this is one line above ``LONGEST_LINE``; ``text`` is only how it begins.
    """

    text: Bytes
    size: int
    too_long: bool = False


def pieces_of(blocks: Iterable[Bytes]) -> Iterator[Piece]:
    """Cut blocks of any size behind line ends, about every ``PIECE`` bytes.

    Nothing is copied but what reaches from one block into the next. Holds ``PIECE`` and twice
    ``LONGEST_LINE`` bytes at most beside the block.
    """
    held: list[Bytes] = []
    size = 0  # bytes held
    head, passed = np.empty(0, np.uint8), 0  # of a line that is too long: its begin, and bytes seen of it
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
            ends = np.flatnonzero(text[:PIECE] == NEWLINE)  # behind PIECE there is none: it would have cut
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
    """Return where the line after the first one that ends at or behind ``begin`` begins; 0 if none ends."""
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
