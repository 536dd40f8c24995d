"""Merge the token ids of all chunks into one array."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gpuemb.core import threads
from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.errors import ShortDocumentsWarning
from gpuemb.corpus.subsampling import Subsampling
from gpuemb.kernels.tokenize.string_table import StringTable, renumbered

SHORT_LINE = 20  # tokens: twice the usual window of ten
FEW_LINES = 1000  # fewer are too small a sample for the median line


@dataclass(frozen=True, eq=False)
class Piece:
    """Token ids of a chunk: ``ids`` index ``spellings``, documents end after ``ends`` tokens."""

    ids: Int32
    ends: Int64
    spellings: StringTable


@dataclass(frozen=True, eq=False)
class _Placed:
    """A piece, the number of tokens before it, and the last document end before it."""

    piece: Piece
    begin: int
    last_end: int

    def lengths(self) -> Int64:
        """Return the lengths of the documents that end in this piece."""
        ends: Int64 = self.piece.ends + self.begin
        return np.diff(ends, prepend=self.last_end)


def merge_pieces(
    pieces: list[Piece], ids_of: Mapping[StringTable, Int32], draws: Subsampling | None
) -> tuple[Int32, Int64]:
    """Return all ids in one array, and where documents begin; the pieces and their arrays are consumed.

    Args:
        pieces: in the order of the text.
        ids_of: for each table the vocabulary id of each spelling; −1 for dropped words.
        draws: random sub-sampling of frequent words.
    """
    every = draws is None and all(ids.min(initial=0) >= 0 for ids in ids_of.values())

    def renumber(piece: Piece) -> Piece:
        kept = renumbered(piece.ids, ids_of[piece.spellings], piece.ends, piece.ids, piece.ends)
        return Piece(piece.ids[:kept], piece.ends, piece.spellings)

    def place(placed: _Placed) -> Int64:
        piece, begin = placed.piece, placed.begin
        there = whole[begin : begin + len(piece.ids)]
        if every:  # one pass: without dropped tokens every offset is known
            renumbered(piece.ids, ids_of[piece.spellings], piece.ends, there, piece.ends)
        else:
            there[:] = piece.ids
        stops: Int64 = piece.ends[placed.lengths() > 0] + begin
        return stops

    if not every:
        pieces[:] = threads.run(renumber, pieces)
    if draws is not None:
        pieces[:] = [_drawn(piece, draws) for piece in pieces]
    whole = np.empty(sum(len(piece.ids) for piece in pieces), np.int32)
    return whole, np.concatenate([[0], *threads.stream(place, _placed(_taken(pieces)))])


def warn_of_short_lines(pieces: Sequence[Piece]) -> None:
    """Warn if lines are documents and most are short.

    Warns:
        ShortDocumentsWarning: half of at least a thousand lines have fewer than twenty tokens.
    """

    def tally(placed: _Placed) -> Int64:
        lengths = np.minimum(placed.lengths(), SHORT_LINE)
        return np.bincount(lengths, minlength=SHORT_LINE + 1)

    lines = np.zeros(SHORT_LINE + 1, np.int64)
    for some in threads.stream(tally, _placed(pieces)):
        lines += some
    lines[0] = 0  # empty lines are not documents
    median = int(np.searchsorted(np.cumsum(lines), lines.sum() // 2, side="right"))
    if lines.sum() >= FEW_LINES and median < SHORT_LINE:
        warnings.warn(
            f"corpus: lines are documents, and half of them have {median} tokens or fewer; "
            "windows do not cross them. If lines are not documents, give documents='file' or 'blank line'.",
            ShortDocumentsWarning,
            stacklevel=3,
        )


def _placed(pieces: Sequence[Piece] | Iterator[Piece]) -> Iterator[_Placed]:
    begin = last_end = 0
    for piece in pieces:
        yield _Placed(piece, begin, last_end)
        last_end = begin + int(piece.ends[-1]) if len(piece.ends) else last_end
        begin += len(piece.ids)


def _taken(pieces: list[Piece]) -> Iterator[Piece]:
    pieces.reverse()
    while pieces:
        yield pieces.pop()


def _drawn(piece: Piece, draws: Subsampling) -> Piece:
    """Sub-sample a piece: its kept ids and the document ends among them."""
    kept = draws.keep(piece.ids)
    before = np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
    return Piece(piece.ids[kept], before[piece.ends], piece.spellings)
