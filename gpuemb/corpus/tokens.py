"""A corpus as word ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.checks import check_choice
from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.corpus.chunks import (
    DOCUMENTS,
    ENCODING_ERRORS,
    Documents,
    Reading,
    after_document,
    after_white_space,
    read_chunks,
)
from gpuemb.corpus.encode import Encoder
from gpuemb.corpus.merge import merge_pieces, warn_of_short_lines
from gpuemb.corpus.records import holds_records
from gpuemb.corpus.sources import expand, size_of
from gpuemb.corpus.subsampling import Subsampling, check_threshold
from gpuemb.corpus.token_patterns import DEFAULT, ByteRule, Tokenizer, name_of, token_pattern
from gpuemb.corpus.tokenizer import UNICODE_VERSION
from gpuemb.corpus.vocabulary import Vocabulary, build_vocabulary, words_of
from gpuemb.kernels.tokenize.spellings import Spellings, places_of


@dataclass(frozen=True, eq=False)
class Tokens:
    """Word ids, document after document; words outside the vocabulary are left out.

    Attributes:
        ids: ``(T,)`` int32.
        starts: ``(D + 1,)`` int64; document ``m`` is ``ids[starts[m]:starts[m + 1]]``.
        vocabulary: words by id; its counts are of the text, before sub-sampling.
        unicode_version: of the table of letters.
        tokenizer: name of the tokenizer.
    """

    ids: Int32
    starts: Int64
    vocabulary: Vocabulary
    unicode_version: str = UNICODE_VERSION
    tokenizer: str = DEFAULT

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def documents(self) -> int:
        """Number of documents with a word of the vocabulary."""
        return len(self.starts) - 1


def read_corpus(
    paths: str | Path | Sequence[str | Path],
    *,
    tokenizer: Tokenizer = DEFAULT,
    documents: Documents = "line",
    field: str | None = None,
    min_count: int = 1,
    max_words: int | None = None,
    vocabulary: Vocabulary | Sequence[str] | str | Path | None = None,
    subsample: float | None = None,
    seed: int = 0,
    encoding_errors: str = "strict",
    progress: Progress = SILENT,
) -> Tokens:
    """Read text into token ids.

    gzip, bzip2 and zstd files, known by their ending or first bytes, are unpacked. ``.jsonl``, ``.ndjson``
    and ``.parquet`` are records, each a document, as is each message of the conversations.

    Args:
        paths: files, folders, patterns (``"texts/**/*.txt"``), ``"-"`` for standard input (JSON lines if
            ``field`` is given), ``"dataset:conversations"``.
        tokenizer: ``default`` (Definitions §1), ``whitespace`` (exactly ``str.split``), a compiled regular
            expression or ``"regex:…"`` (its full matches), a path ending in ``.json`` (a file of Hugging
            Face's ``tokenizers``), or a function from a document to its tokens. Only the first lowercases.
        documents: unit of a document in a text file: a ``line``, the ``file``, or a paragraph between lines
            of ASCII white space only (``blank line``). Windows never cross documents.
        field: of a record with the text; ``text`` by default.
        min_count: rarer words are dropped before windows are placed.
        max_words: keep at most this many words, the most frequent.
        vocabulary: keep only these words: a list, a file with one word a line, or another corpus's
            vocabulary; ids are by count as always, and words below ``min_count`` are dropped.
        subsample: frequency above which tokens of a word are dropped at random, such as 1e-5.
        seed: of the sub-sampling.
        encoding_errors: ``strict``, ``replace`` or ``ignore`` for bytes that are not UTF-8.
        progress: reports the bytes read.

    Raises:
        StorageError: a path is missing or unreadable, or a file changes while it is read.
        FileFormatError: a binary file, bytes that are not UTF-8 (position named), an overlong token,
            a broken archive, table or record.
        VocabularyError: no words, or fewer than two that are frequent enough.
        ConfigError: an invalid option.

    Warns:
        ShortDocumentsWarning: half of at least a thousand lines have fewer than twenty tokens.

    Cost: 8 bytes a token; about 60 bytes and its length a distinct spelling and worker; a few chunks of
    4 MB a worker. The default tokenizer and ``whitespace`` use every core, the others one.
    Source: sub-sampling: Mikolov et al. (2013), NIPS, equation 5.
    """
    given = [str(paths)] if isinstance(paths, (str, Path)) else [str(path) for path in paths]
    _check_options(documents, encoding_errors, subsample)
    rule, reading = token_pattern(tokenizer), Reading(documents, field, encoding_errors)
    chosen = None if vocabulary is None else words_of(vocabulary)
    sources = expand(given)
    _check_field(sources, field)
    encoder = Encoder(reading)
    with progress.phase("reading text", size_of(sources)) as task:
        cut = after_white_space if isinstance(rule, ByteRule) else after_document(documents)
        encoder.encode(read_chunks(sources, reading, cut, task), rule)
    spelled, numbers = encoder.merged()
    if not len(spelled):
        raise VocabularyError(
            f"corpus: {', '.join(given)} holds no words",
            needed="By default a word is a run of letters and digits.",
            remedy="Check that the files are not empty.",
        )
    if documents == "line" and not any(holds_records(source, field) for source in sources):
        warn_of_short_lines(encoder.pieces)
    lower = isinstance(rule, ByteRule) and rule.lower
    words, counts, word_of = _words(spelled, lower=lower)
    kept, ids = build_vocabulary(words, counts, min_count=min_count, max_words=max_words, given=chosen)
    ids_of = {table: ids[word_of[numbers.pop(table)]] for table in [*numbers]}
    draws = None if subsample is None else Subsampling(kept.counts, subsample, seed)
    found, starts = merge_pieces(encoder.pieces, ids_of, draws)
    return Tokens(found, starts, kept, tokenizer=name_of(tokenizer))


def _check_options(documents: str, encoding_errors: str, subsample: float | None) -> None:
    check_choice("corpus", "documents", documents, DOCUMENTS)
    check_choice("corpus", "encoding_errors", encoding_errors, ENCODING_ERRORS)
    if subsample is not None:
        check_threshold(subsample)


def _check_field(sources: Sequence[str], field: str | None) -> None:
    if field is not None and not any(holds_records(source, field) for source in sources):
        raise ConfigError(
            f"corpus: field = {field!r}, but no source holds records",
            needed="Records are .jsonl, .ndjson and .parquet, packed or not, and '-'.",
            remedy="Leave field out, or give the files such an ending.",
        )


def _words(spelled: Spellings, *, lower: bool) -> tuple[Spellings, Int64, Int32]:
    """Return the distinct words, their counts, and the word of each spelling.

    All spellings are lowercased in one call: the line end between them is not a letter, so the result of
    each is that of ``str.lower`` on it alone, a final sigma included.
    """
    counts, joined = spelled.counts.copy(), spelled.joined().tobytes() if lower else b""
    lowered = joined.lower() if joined.isascii() else joined.decode().lower().encode()
    if lowered == joined:
        return spelled, counts, np.arange(len(counts), dtype=np.int32)
    words, text = Spellings(), np.frombuffer(lowered, np.uint8)
    word_of = words.number(text, places_of(text))
    of_words = np.zeros(len(words), np.int64)
    np.add.at(of_words, word_of, counts)
    return words, of_words, word_of
