"""Documents in memory: told apart from paths, and cut into chunks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any

from gpuemb.core.doors import enter
from gpuemb.core.errors import ConfigError
from gpuemb.core.results import shown
from gpuemb.corpus.chunks import CHUNK_BYTES, Chunk
from gpuemb.corpus.formats import HEAD, check_head
from gpuemb.corpus.records import valid_unicode
from gpuemb.corpus.sources import DATASET, STANDARD_INPUT

PEEKED = 1000  # entries in which paths and documents are told apart
NAME = "documents in memory"
FILE_ENDING = re.compile(r"\.[A-Za-z]\w{0,6}$")
TOKEN_BYTES = 8  # of a token on average, to cut chunks


def paths_or_documents(source: Any) -> tuple[list[str], Iterable[Any] | None]:
    """Tell paths from documents in memory: one of the two is returned.

    One string or path is a path. Entries that are lists are documents, of tokens. Strings are documents
    where none of them is a path that exists and one at least is text: it holds white space, and no file's
    ending behind its last dot.

    Raises:
        ConfigError: neither paths nor documents.
    """
    if isinstance(source, (str, PathLike)):
        return [os.fspath(enter("read_corpus", "source", source, str | Path))], None
    entries = iter(enter("read_corpus", "source", source, str | Path | Iterable[Any]))
    first = list(islice(entries, PEEKED))
    if not first:
        raise _unknown(source)
    for entry in first:
        if not isinstance(entry, (str, PathLike, list, tuple)):
            raise _unknown(entry)
    lists = [isinstance(entry, (list, tuple)) for entry in first]
    texts = all(isinstance(entry, str) for entry in first)
    if any(lists) or (texts and any(map(_is_text, first)) and not any(map(_is_there, first))):
        return [], chain(first, entries)
    paths = (enter("read_corpus", "a path", entry, str | Path) for entry in chain(first, entries))
    return [os.fspath(path) for path in paths], None


def _is_text(entry: str) -> bool:
    return len(entry.split()) > 1 and not FILE_ENDING.search(entry)


def _is_there(entry: str) -> bool:
    return entry == STANDARD_INPUT or entry.startswith(DATASET) or os.path.exists(entry)


def are_tokens(documents: Iterable[Any]) -> tuple[bool, Iterator[Any]]:
    """Whether the first document is a list of tokens, and all documents."""
    entries = iter(documents)
    first = next(entries)
    return not isinstance(first, str), chain([first], entries)


def memory_chunks(documents: Iterable[Any], encoding_errors: str, *, tokens: bool) -> Iterator[Chunk]:
    """Yield documents as chunks of records, each a document.

    Args:
        documents: strings, or lists of tokens.
        encoding_errors: ``strict``, ``replace`` or ``ignore``, for half surrogate pairs.
        tokens: whether documents are lists of tokens.

    Raises:
        ConfigError: a document of another kind; its number is named.
        FileFormatError: the first is JSON or markup; half a surrogate pair, where these are not replaced or
            ignored.
    """
    some: list[Any] = []
    size, before = 0, 0
    for document in documents:
        if isinstance(document, str) and not before and not some:
            check_head(NAME, document[:HEAD].encode("utf-8", "replace"))
        name = f"document {before + len(some) + 1}"
        if tokens:
            words = enter("read_corpus", name, document, Sequence[str])
            some.append(valid_unicode(list(words), f"{NAME}, {name}, token", 1, encoding_errors))
            size += TOKEN_BYTES * len(words)
        else:
            some.append(enter("read_corpus", name, document, str))
            size += len(document)
        if size >= CHUNK_BYTES:
            yield _chunk(some, before, encoding_errors, tokens=tokens)
            size, before, some = 0, before + len(some), []
    if some:
        yield _chunk(some, before, encoding_errors, tokens=tokens)


def _chunk(some: list[Any], before: int, encoding_errors: str, *, tokens: bool) -> Chunk:
    records = some if tokens else valid_unicode(some, f"{NAME}, document", before + 1, encoding_errors)
    return Chunk(0, NAME, b"", records=records)


def _unknown(given: Any) -> ConfigError:
    return ConfigError(
        f"read_corpus: {shown(given)} was given",
        needed="A corpus is paths; or documents in memory: strings, or lists of tokens.",
        remedy="read_corpus('my.txt'), read_corpus([text, text]) or read_corpus([['a', 'token'], …]).",
    )
