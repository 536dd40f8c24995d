"""Reference of reading, by the definitions: slow, in plain Python, line by line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from gpuemb.core.errors import VocabularyError
from gpuemb.corpus.tokens import Tokens

Split = Callable[[str], Sequence[str]]
BOM = "\ufeff"
WHITE = set(" \t\r\v\f")


def documents_of(content: bytes, documents: str, encoding_errors: str) -> list[str]:
    """The documents of one text file."""
    lines = content.decode("utf-8", encoding_errors).removeprefix(BOM).split("\n")
    if documents == "line":
        return lines
    if documents == "file":
        return ["\n".join(lines)]
    found: list[list[str]] = [[]]
    for line in lines:
        if set(line) <= WHITE:
            found.append([])
        found[-1].append(line)
    return ["\n".join(part) for part in found]


def words_of_documents(documents: Iterable[str], split: Split, min_count: int) -> list[list[str]]:
    """The frequent words of each document that has any.

    Raises:
        VocabularyError: there are fewer than two.
    """
    cut = [split(document) for document in documents]
    counts = Counter(word for words in cut for word in words)
    if sum(count >= min_count for count in counts.values()) < 2:
        raise VocabularyError("too few", needed="two", remedy="more")
    kept = [[word for word in words if counts[word] >= min_count] for words in cut]
    return [words for words in kept if words]


def spelled(tokens: Tokens) -> list[list[str]]:
    """The words of each document of a corpus."""
    words = tokens.vocabulary.words
    return [[words[i] for i in tokens.ids[a:b].tolist()] for a, b in pairwise(tokens.starts.tolist())]


def write(path: Path, content: str | bytes) -> Path:
    """Write a file in whatever folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
