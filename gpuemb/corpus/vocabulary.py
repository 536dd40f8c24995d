"""The vocabulary: words and their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.checks import check_at_least
from gpuemb.core.doors import enter_fields
from gpuemb.core.errors import ShapeError, VocabularyError
from gpuemb.core.results import one_line, shown
from gpuemb.corpus.sources import read_whole
from gpuemb.kernels.tokenize import Bytes
from gpuemb.kernels.tokenize.string_table import StringTable, places_of, selected

PREFIX = 8  # bytes of a word that are compared as one number
MASKS = np.array([(1 << 64) - (1 << 8 * (PREFIX - length)) for length in range(PREFIX + 1)], np.uint64)
MANY = 0xFFFF  # the first sort treats larger counts as equal to this one


@dataclass(frozen=True, eq=False, repr=False)
class Vocabulary:
    """Words by count, most frequent first; equal counts in the order of the words.

    Attributes:
        words: the ``V`` words; a word's id is its position.
        counts: ``(V,)`` occurrences in the corpus.
        dropped_tokens: occurrences of words outside the vocabulary.

    Example:
        >>> vocabulary = ge.read_corpus("pets.txt", min_count=6).vocabulary
        >>> vocabulary.words
        ('the', 'a', 'cat', 'dog', 'on', 'sat')
        >>> vocabulary.counts.tolist(), vocabulary.dropped_tokens
        ([12, 6, 6, 6, 6, 6], 12)
    """

    words: tuple[str, ...]
    counts: Int64
    dropped_tokens: int = 0
    __repr__ = one_line

    def __post_init__(self) -> None:
        enter_fields(self)
        object.__setattr__(self, "words", tuple(self.words))
        if self.counts.shape != (len(self.words),):
            raise ShapeError(
                f"Vocabulary: {len(self.words)} words, counts are {shown(self.counts)}",
                needed="Every word has a count.",
                remedy="Give as many counts as words.",
            )

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Id of every word."""
        return {word: i for i, word in enumerate(self.words)}


def build_vocabulary(
    spellings: StringTable,
    counts: Int64,
    *,
    min_count: int = 1,
    max_words: int | None = None,
    given: Iterable[str] | None = None,
) -> tuple[Vocabulary, Int32]:
    """Keep the words seen at least ``min_count`` times, the ``max_words`` most frequent of them.

    Args:
        spellings: ``U`` distinct words; ``given`` words may be added to the table.
        counts: ``(U,)`` of each.
        min_count: smallest count kept, at least 1.
        max_words: most words kept, at least 2; None for all.
        given: keep only words of this list, ordered by count as well.

    Returns:
        The vocabulary, and ``(U,)`` the id of each spelling, −1 for dropped ones.

    Raises:
        VocabularyError: fewer than two words are left; the largest count is named.
    """
    check_at_least("vocabulary", "min_count", min_count, 1)
    check_at_least("vocabulary", "max_words", 2 if max_words is None else max_words, 2)
    chosen = counts >= min_count
    if given is not None:
        chosen &= _among(spellings, given, len(counts))
    words, rows = _by_count_then_word(spellings, np.flatnonzero(chosen), counts)
    words, rows = words[:max_words], rows[:max_words]
    if len(rows) < 2:
        raise VocabularyError(
            f"vocabulary: {len(rows)} of {len(counts)} distinct words "
            f"{'are in the given list and ' if given is not None else ''}occur at least {min_count} times",
            needed="At least two words are needed: one word has no neighbor.",
            remedy=f"The most frequent word occurs {counts.max(initial=0)} times: lower min_count, "
            f"{'check how the given words are spelled, ' if given is not None else ''}or bring more text.",
        )
    ids = np.full(len(counts), -1, np.int32)
    ids[rows] = np.arange(len(rows), dtype=np.int32)
    kept = counts[rows]
    return Vocabulary(tuple(words), kept, int(counts.sum() - kept.sum())), ids


def words_of(vocabulary: Vocabulary | Sequence[str] | str | Path) -> Sequence[str]:
    """The words of a vocabulary, a list, or a file: the first of each line, as word counts are written.

    Raises:
        StorageError, FileFormatError, MemoryBudgetError: as :func:`gpuemb.corpus.sources.read_whole`.
    """
    if isinstance(vocabulary, Vocabulary):
        return vocabulary.words
    if not isinstance(vocabulary, (str, Path)):
        return vocabulary
    lines = read_whole("vocabulary", Path(vocabulary)).split("\n")
    return [line.split()[0] for line in lines if line.strip()]


def _among(spellings: StringTable, given: Iterable[str], known: int) -> NDArray[np.bool_]:
    """Return which of the known spellings are given."""
    text = "".join(f"{word}\n" for word in given if word and "\n" not in word and "\0" not in word)
    joined = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
    numbers = spellings.number(joined, places_of(joined))
    among = np.zeros(known, bool)
    among[numbers[numbers < known]] = True
    return among


def _by_count_then_word(spellings: StringTable, rows: Int64, counts: Int64) -> tuple[list[str], Int64]:
    """Return words and their rows, highest count first, equal counts by word."""
    joined, starts = spellings.joined(), spellings.starts
    rows = rows[_alphabetical(joined, starts[rows], starts[rows + 1] - starts[rows] - 1)]
    rarity = MANY - np.minimum(counts[rows], MANY).astype(np.uint16)
    rows = rows[np.argsort(rarity, kind="stable")]
    often = int(np.count_nonzero(rarity == 0))
    rows[:often] = rows[:often][np.argsort(-counts[rows[:often]], kind="stable")]
    words = selected(joined, starts, rows).tobytes().decode().split("\n")[:-1]
    return words, rows


def _alphabetical(joined: Bytes, starts: Int64, lengths: Int64) -> Int64:
    """The order of some spellings by their characters, which is that of their bytes in UTF-8.

    Eight bytes are compared as one number, zeros behind the last; those that agree, in the next eight.
    """
    prefixes = np.ndarray(len(joined), ">u8", np.append(joined, np.zeros(PREFIX, np.uint8)), strides=(1,))

    def keys_of(some: Int64, behind: int) -> NDArray[np.uint64]:
        left = np.clip(lengths[some] - behind, 0, PREFIX)
        keys = prefixes[np.where(left > 0, starts[some] + behind, 0)].astype(np.uint64)
        return keys & MASKS[left]

    keys = keys_of(np.arange(len(starts)), 0)
    order = np.argsort(keys)
    places, groups, keys = np.arange(len(order)), np.zeros(len(order), np.int32), keys[order]
    for behind in range(PREFIX, int(lengths.max(initial=0)) + PREFIX, PREFIX):
        new = np.ones(len(keys) + 1, bool)  # a group begins there
        new[1:-1] = (keys[1:] != keys[:-1]) | (groups[1:] != groups[:-1])
        tied = ~(new[1:] & new[:-1])
        places, groups = places[tied], np.cumsum(new[:-1], dtype=np.int32)[tied]
        if not len(places):
            break
        some = order[places]
        keys = keys_of(some, behind)
        inner = np.argsort(keys)
        for half in (groups & 0xFFFF, groups >> 16):  # stable and linear, in sixteen bits
            inner = inner[np.argsort(half.astype(np.uint16)[inner], kind="stable")]
        order[places], keys = some[inner], keys[inner]
    return order
