"""A corpus as word ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.doors import door, enter_fields
from gpuemb.core.errors import ConfigError, ShapeError, VocabularyError
from gpuemb.core.progress import SILENT, Progress
from gpuemb.core.results import one_line, shown
from gpuemb.corpus.chunks import (
    Documents,
    EncodingErrors,
    Reading,
    after_document,
    after_white_space,
    read_chunks,
)
from gpuemb.corpus.encode import Encoder
from gpuemb.corpus.in_memory import NAME, are_tokens, memory_chunks, paths_or_documents
from gpuemb.corpus.merge import merge_pieces, warn_of_short_lines
from gpuemb.corpus.records import holds_records
from gpuemb.corpus.sources import expand, size_of
from gpuemb.corpus.spelling import composed, warn_of_two_spellings, warn_of_unspaced, words_of_spellings
from gpuemb.corpus.subsampling import Subsampling, check_threshold
from gpuemb.corpus.token_patterns import DEFAULT, ByteRule, DocumentRule, Tokenizer, name_of, token_pattern
from gpuemb.corpus.tokenizer import UNICODE_VERSION
from gpuemb.corpus.vocabulary import Vocabulary, build_vocabulary, words_of

GIVEN = "given"  # what the tokenizer is called where documents are lists of tokens


@dataclass(frozen=True, eq=False, repr=False)
class Tokens:
    """Word ids, document after document; words outside the vocabulary are left out.

    Attributes:
        ids: ``(T,)`` int32.
        starts: ``(D + 1,)`` int64; document ``m`` is ``ids[starts[m]:starts[m + 1]]``.
        vocabulary: words by id; its counts are of the text, before sub-sampling.
        unicode_version: of the table of letters.
        tokenizer: name of the tokenizer.

    Example:
        >>> tokens = ge.read_corpus("pets.txt")
        >>> first = tokens.ids[tokens.starts[0] : tokens.starts[1]]
        >>> [tokens.vocabulary.words[i] for i in first]
        ['the', 'cat', 'sat', 'on', 'the', 'mat']
    """

    ids: Int32
    starts: Int64
    vocabulary: Vocabulary
    unicode_version: str = UNICODE_VERSION
    tokenizer: str = DEFAULT
    __repr__ = one_line

    def __post_init__(self) -> None:
        enter_fields(self)
        ids, starts = self.ids, self.starts
        sound = ids.ndim == starts.ndim == 1 and len(starts) and starts[0] == 0 and starts[-1] == len(ids)
        if not sound or (np.diff(starts) < 0).any():
            raise ShapeError(
                f"Tokens: ids are {shown(ids)}, starts {shown(starts)}",
                needed="starts are where documents begin in ids: 0 first, ascending, the number of ids last.",
                remedy="read_corpus([['a', 'token'], …]) makes Tokens of lists.",
            )
        if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < len(self.vocabulary):
            raise ShapeError(
                f"Tokens: ids run from {ids.min()} to {ids.max()}",
                needed=f"The vocabulary's ids run from 0 to {len(self.vocabulary) - 1}.",
                remedy="Leave out the tokens of other words.",
            )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def documents(self) -> int:
        """Number of documents with a word of the vocabulary."""
        return len(self.starts) - 1


@door
def read_corpus(
    source: Any,
    *,
    tokenizer: Tokenizer = DEFAULT,
    documents: Documents = "line",
    field: str | None = None,
    min_count: int = 1,
    max_words: int | None = None,
    vocabulary: Vocabulary | Sequence[str] | str | Path | None = None,
    subsample: float | None = None,
    seed: int = 0,
    encoding_errors: EncodingErrors = "strict",
    progress: Progress = SILENT,
) -> Tokens:
    """Read text, from files or from memory, into token ids.

    gzip, bzip2 and zstd files, known by their ending or first bytes, are unpacked. ``.jsonl``, ``.ndjson``
    and ``.json`` (a record a line) and ``.parquet`` are records, each a document, as is each message of the
    conversations. Tables in text (CSV), markup, and JSON in other files are refused.

    Args:
        source: files, folders, patterns (``"texts/**/*.txt"``), ``"-"`` for standard input (JSON lines if
            ``field`` is given), ``"dataset:conversations"``; or documents in memory: strings or lists of
            tokens, in a list or from a generator. One string is a path. Several are documents where none is
            a path that exists and one at least has white space but no file's ending.
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
        StorageError: a path is missing, unreadable, a device or a named pipe, or a file changes while it is
            read.
        FileFormatError: a binary file, bytes that are not UTF-8 (position named), what is no plain text, an
            overlong token, a broken archive, table or record, or one that unpacks to more than text does.
        MemoryBudgetError: a document, or all tokens, would not fit.
        VocabularyError: no words, or fewer than two that are frequent enough.
        ConfigError: an invalid option.

    Warns:
        ShortDocumentsWarning: half of at least a thousand lines have fewer than twenty tokens.
        CorpusWarning: text of a script without spaces is not cut into words; words that differ only by how
            their characters are composed.

    Cost: 8 bytes a token; about 60 bytes and its length a distinct spelling and worker; a few chunks of
    4 MB a worker. The default tokenizer and ``whitespace`` use every core, the others one.
    Source: sub-sampling: Mikolov et al. (2013), NIPS, equation 5.

    Example:
        >>> tokens = ge.read_corpus("pets.txt", min_count=6)
        >>> tokens.documents, len(tokens.ids), tokens.vocabulary.words[:3]
        (9, 42, ('the', 'a', 'cat'))
    """
    if subsample is not None:
        check_threshold(subsample)
    rule, reading = token_pattern(tokenizer), Reading(documents, field, encoding_errors)
    chosen = None if vocabulary is None else words_of(vocabulary)
    given, in_memory = paths_or_documents(source)
    sources = expand(given)
    _check_field(sources, field)
    encoder = Encoder(reading)
    with progress.phase("reading text", size_of(sources) if sources else None) as task:
        if in_memory is not None:
            tokens, in_memory = are_tokens(in_memory)
            if tokens:
                rule, tokenizer = _given_tokens(tokenizer), GIVEN
            encoder.encode(memory_chunks(in_memory, encoding_errors, tokens=tokens), rule)
        else:
            cut = after_white_space if isinstance(rule, ByteRule) else after_document(documents)
            encoder.encode(read_chunks(sources, reading, cut, task), rule)
    spelled, numbers = encoder.merged()
    if not len(spelled):
        raise VocabularyError(
            f"corpus: {', '.join(given) or NAME} holds no words",
            needed="By default a word is a run of letters and digits.",
            remedy="Check that the files are not empty.",
        )
    if documents == "line" and sources and not any(holds_records(one, field) for one in sources):
        warn_of_short_lines(encoder.pieces)
    dropped = rule.dropped if isinstance(rule, ByteRule) else None
    words, counts, word_of = words_of_spellings(spelled, dropped)
    if chosen is not None and dropped is not None:
        chosen = [composed(word) for word in chosen]
    warn_of_unspaced(words, counts)
    warn_of_two_spellings(words)
    kept, ids = build_vocabulary(words, counts, min_count=min_count, max_words=max_words, given=chosen)
    ids_of = {table: ids[word_of[numbers.pop(table)]] for table in [*numbers]}
    draws = None if subsample is None else Subsampling(kept.counts, subsample, seed)
    found, starts = merge_pieces(encoder.pieces, ids_of, draws)
    return Tokens(found, starts, kept, tokenizer=name_of(tokenizer))


def _given_tokens(tokenizer: Tokenizer) -> DocumentRule:
    """Return the rule for lists of tokens: they are taken as they are.

    Raises:
        ConfigError: a tokenizer was asked for.
    """
    if tokenizer != DEFAULT:
        raise ConfigError(
            f"corpus: tokenizer = {name_of(tokenizer)!r} for lists of tokens",
            needed="Lists of tokens are taken as they are.",
            remedy="Leave tokenizer out, or give the documents as strings.",
        )
    return DocumentRule(lambda lists: lists)


def _check_field(sources: Sequence[str], field: str | None) -> None:
    if field is not None and not any(holds_records(source, field) for source in sources):
        raise ConfigError(
            f"corpus: field = {field!r}, but no source holds records",
            needed="Records are .jsonl, .ndjson, .json and .parquet, packed or not, and '-'.",
            remedy="Leave field out, or give the files such an ending.",
        )
