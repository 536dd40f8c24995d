"""A corpus as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.errors import VocabularyError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.corpus.reader import expand, read_documents
from gpuemb.corpus.tokenizer import UNICODE_VERSION, find_tokens
from gpuemb.corpus.vocabulary import Vocabulary, build_vocabulary

REPORT_EVERY = 10_000  # documents between two reports of progress


@dataclass(frozen=True, eq=False)
class Tokens:
    """Word ids, document after document; words outside the vocabulary are left out.

    Attributes:
        ids: ``(T,)`` int32.
        starts: ``(D + 1,)`` int64; document ``m`` is ``ids[starts[m]:starts[m + 1]]``.
        vocabulary: what an id means.
        unicode_version: of the tables that decided what is a letter.
    """

    ids: Int32
    starts: Int64
    vocabulary: Vocabulary
    unicode_version: str = UNICODE_VERSION

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def documents(self) -> int:
        """Number of documents that hold a word of the vocabulary."""
        return len(self.starts) - 1


def read_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    min_count: int = 1,
    max_words: int | None = None,
    encoding_errors: str = "strict",
    progress: Progress = SILENT,
) -> Tokens:
    """Read text into token ids.

    Args:
        paths: files (``.gz`` too), folders, ``"-"`` for standard input, ``"dataset:conversations"``.
            A line is a document; in the conversation corpus a message is.
        min_count: words seen less often are left out before windows are laid.
        max_words: keep at most so many words, the most frequent.
        encoding_errors: ``strict``, ``replace`` or ``ignore`` for bytes that are not UTF-8.
        progress: told every ten thousand documents.

    Raises:
        StorageError: a path is missing or unreadable.
        FileFormatError: a binary file, or bytes that are not UTF-8 (position named).
        VocabularyError: no words, or fewer than two that are frequent enough.

    Cost: 4 bytes a token while it reads; one dictionary entry a distinct word.
    """
    sources = [str(paths)] if isinstance(paths, (str, Path)) else [str(path) for path in paths]
    raw, starts, spellings = _read(expand(sources), encoding_errors, progress)
    lowered = [word.lower() for word in spellings]
    counts: dict[str, int] = {}
    for word, count in zip(lowered, np.bincount(raw, minlength=len(lowered)).tolist(), strict=True):
        counts[word] = counts.get(word, 0) + count
    if not counts:
        raise VocabularyError(
            f"corpus: {', '.join(sources)} holds no words",
            needed="Words are runs of letters and digits.",
            remedy="Check that the files are not empty.",
        )
    vocabulary = build_vocabulary(counts, min_count=min_count, max_words=max_words)
    final = np.array([vocabulary.ids.get(word, -1) for word in lowered], np.int32)
    return _drop_unknown(final[raw], starts, vocabulary)


def _read(sources: Sequence[str], encoding_errors: str, progress: Progress) -> tuple[Int32, Int64, list[str]]:
    """Number the spellings in order of first sight; return the ids, document starts and spellings."""
    spellings: dict[str, int] = {}
    pieces: list[Int32] = []
    lengths: list[int] = []
    waiting: list[int] = []
    with progress.phase("reading text") as task:
        for source in sources:
            for document in read_documents(source, encoding_errors=encoding_errors):
                found = find_tokens(document)
                waiting += [spellings.setdefault(token, len(spellings)) for token in found]
                lengths.append(len(found))
                if len(lengths) % REPORT_EVERY == 0:
                    pieces.append(np.array(waiting, np.int32))
                    waiting.clear()
                    task.advance(REPORT_EVERY)
        task.advance(len(lengths) % REPORT_EVERY)
    pieces.append(np.array(waiting, np.int32))
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return np.concatenate(pieces), starts, list(spellings)


def _drop_unknown(ids: Int32, starts: Int64, vocabulary: Vocabulary) -> Tokens:
    """Leave out ids of −1 and documents that became empty."""
    known = ids >= 0
    before = np.concatenate([[0], np.cumsum(known, dtype=np.int64)])
    borders = before[starts]
    kept = np.concatenate([[True], np.diff(borders) > 0])
    return Tokens(ids[known], borders[kept], vocabulary)
