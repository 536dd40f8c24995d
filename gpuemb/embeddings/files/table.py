"""What a reader of files gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gpuemb.core.arrays import FloatMatrix


@dataclass(frozen=True)
class Table:
    """What a file holds, or the part of it that was asked for.

    Attributes:
        words: the ``V`` words, each once.
        vectors: ``(V, d)``; float32, or as stored where a format keeps several kinds.
        duplicates: rows left out because their word had stood before.
        skipped: rows left out because they could not be read.
    """

    words: Sequence[str]
    vectors: FloatMatrix
    duplicates: int = 0
    skipped: int = 0
