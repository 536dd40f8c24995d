"""Stanford GloVe's ``cooccurrence.bin``, which ``cooccur`` writes and ``shuffle`` and ``glove`` read."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from gpuemb.core.arrays import Float64, Int64
from gpuemb.core.errors import FileFormatError, StorageError, VocabularyError
from gpuemb.core.files import replacing
from gpuemb.core.memory import MemoryPlan, tiles
from gpuemb.core.results import shown
from gpuemb.corpus.sources import check_end, read_whole
from gpuemb.corpus.vocabulary import Vocabulary
from gpuemb.counts.table import CountTable
from gpuemb.kernels.window_counts import CountedRows, Weighting, check_window, weights_of

T = TypeVar("T", bound=CountTable)

COUNT = re.compile(r"\d{1,18}", re.ASCII)  # of a word: int64 holds it
RECORD = np.dtype([("word", "<i4"), ("context", "<i4"), ("count", "<f8")])  # ids from 1
RECORDS_AT_ONCE = 1 << 20
SORTED_TIMES = 4  # memory of pairs over their bytes: ids and counts apart, unsorted and sorted
UNKNOWN, LONGEST_WORD = "<unk>", 1000  # MAX_STRING_LENGTH of Stanford's programs
NEAR = 0.25  # of a unit: the error of a sum of fewer than 10⁷ rounded reciprocals is smaller


def write_glove_binary(counts: CountTable, path: str | Path) -> None:
    """Write counts as 16 bytes a pair: two ids from 1 as int32, the count as float64, row after row.

    Raises:
        VocabularyError: a word that Stanford's programs cannot read.
        StorageError: the file cannot be written; an older one stays.
    """
    check_stanford(counts.vocabulary)
    rows, unit = counts.rows, float(counts.unit)
    with replacing(Path(path)) as file:
        for first, last in tiles(counts.nonzeros, RECORDS_AT_ONCE):
            block = np.empty(last - first, RECORD)
            places = np.arange(first, last)
            block["word"] = np.searchsorted(rows.indptr, places, side="right")
            block["context"] = rows.indices[first:last] + 1
            block["count"] = rows.data[first:last] * unit
            file.write(block.tobytes())


def write_glove_vocabulary(vocabulary: Vocabulary, path: str | Path) -> None:
    """Write a word and its count a line, as ``vocab_count`` does.

    Raises:
        VocabularyError: a word that Stanford's programs cannot read.
        StorageError: the file cannot be written; an older one stays.
    """
    check_stanford(vocabulary)
    with replacing(Path(path), "w") as file:
        for word, count in zip(vocabulary.words, vocabulary.counts.tolist(), strict=True):
            file.write(f"{word} {count}\n")


def check_stanford(vocabulary: Vocabulary) -> None:
    """Check that Stanford's programs can read every word.

    They read words with C's ``%1000s``, and ``glove`` stops without a word where it meets ``<unk>``.

    Raises:
        VocabularyError: ``<unk>``, white space in a word, or a word of more than 1000 bytes; it is named.
    """
    for word in vocabulary.words:
        encoded = word.encode("utf-8", "surrogatepass")
        if word == UNKNOWN or len(encoded) > LONGEST_WORD or encoded.split() != [encoded]:
            raise VocabularyError(
                f"glove: the word {shown(word)} cannot be written for Stanford's programs",
                needed=f"They read words of at most {LONGEST_WORD} bytes, no white space and no {UNKNOWN}.",
                remedy="Write it otherwise in the text; the default tokenizer makes unk of <unk>.",
            )


def read_glove_binary(
    path: str | Path, vocabulary: str | Path | Vocabulary, window: int, weighting: Weighting, kind: type[T]
) -> T:
    """Read counts back into exact integers; pairs in any order, such as ``shuffle``'s.

    Args:
        path: the file.
        vocabulary: its words in order, or the file of ``vocab_count``: a word and its count a line.
        window: with ``weighting``, the options of counting: they determine the unit.
        weighting: ``harmonic`` (``-distance-weighting 1``) or ``flat`` (0).
        kind: class of the result.

    Raises:
        StorageError: a file cannot be read.
        FileFormatError: ids outside the vocabulary, or numbers that are not counts of such a window.
        ConfigError: an impossible window.
    """
    check_window(window, weighting)
    words = vocabulary if isinstance(vocabulary, Vocabulary) else _read_vocabulary(Path(vocabulary))
    unit = weights_of(window, weighting)[1]
    check_end("counts", str(path))
    try:
        size = Path(path).stat().st_size
        MemoryPlan(f"counts: {path}", {"its pairs, sorted": SORTED_TIMES * size}).require()
        records = np.fromfile(path, RECORD)
    except OSError as error:
        raise _unreadable(Path(path), error) from error
    if size % RECORD.itemsize:
        raise _no_counts(path, f"{size} bytes are not a whole number of pairs")
    for name in ("word", "context"):
        wrong = (records[name] < 1) | (records[name] > len(words))
        if wrong.any():
            at = int(np.argmax(wrong))
            raise _no_counts(path, f"pair {at + 1} has the id {records[name][at]} of {len(words)} words")
    return kind(
        _sorted_rows(
            records["word"] - 1, records["context"] - 1, _exact(path, records["count"], unit), words
        ),
        Fraction(1, unit),
        words,
    )


def _exact(path: str | Path, counts: Float64, unit: int) -> Int64:
    with np.errstate(over="ignore", invalid="ignore"):  # infinity, and what becomes it, is refused below
        scaled = counts * unit
        whole = np.rint(scaled)
        wrong = ~((np.abs(scaled - whole) < NEAR) & (whole >= 1) & (whole < 2.0**53))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise _no_counts(path, f"pair {at + 1} has the count {counts[at]}, no multiple of 1/{unit}")
    return whole.astype(np.int64)


def _sorted_rows(rows: Int64, columns: Int64, data: Int64, words: Vocabulary) -> CountedRows:
    from scipy.sparse import coo_matrix

    matrix = coo_matrix((data, (rows, columns)), shape=(len(words), len(words))).tocsr()
    matrix.sort_indices()
    return CountedRows(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data)


def _read_vocabulary(path: Path) -> Vocabulary:
    lines = read_whole("counts", path).replace("\r\n", "\n").removesuffix("\n").split("\n")
    pairs = [line.rsplit(" ", 1) for line in lines]
    wrong = [number for number, pair in enumerate(pairs, 1) if len(pair) != 2 or not pair[1].isdigit()]
    if wrong:
        raise FileFormatError(
            f"counts: {path}, line {wrong[0]}: {lines[wrong[0] - 1]!r}",
            needed="A line of vocab_count is a word, a space and a count.",
            remedy="Give the vocabulary that the pairs were counted with.",
        )
    return _vocabulary_of(path, pairs)


def _vocabulary_of(path: Path, pairs: list[list[str]]) -> Vocabulary:
    lines_of: dict[str, int] = {}
    for number, (word, count) in enumerate(pairs, 1):
        if not COUNT.fullmatch(count):
            raise _no_line(path, number, f"the count {count!r}", "A count is a whole number below 10¹⁸.")
        if lines_of.setdefault(word, number) != number:
            why = f"the word {word!r} is that of line {lines_of[word]}"
            raise _no_line(path, number, why, "Each word has one line: the ids of a pair are lines.")
    return Vocabulary(tuple(lines_of), np.array([int(n) for _, n in pairs], np.int64))


def _no_line(path: Path, number: int, why: str, needed: str) -> FileFormatError:
    return FileFormatError(
        f"counts: {path}, line {number}: {why}",
        needed=needed,
        remedy="Give the vocabulary that the pairs were counted with.",
    )


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"counts: {path} cannot be read: {error.strerror}",
        needed="The file must exist and be readable by you.",
        remedy="Check the path and its permissions (ls -l).",
    )


def _no_counts(path: str | Path, why: str) -> FileFormatError:
    return FileFormatError(
        f"counts: {path} does not fit: {why}",
        needed="GloVe's cooccurrence.bin with its own vocabulary, window and weighting is needed.",
        remedy="Give the vocabulary, window and -distance-weighting that cooccur was run with.",
    )
