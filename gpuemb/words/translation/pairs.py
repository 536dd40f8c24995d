"""Pairs of a word and its translation: as they are given, and as rows of two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpuemb.core.arrays import Int64
from gpuemb.core.errors import ConfigError, VocabularyError
from gpuemb.core.results import shown
from gpuemb.embeddings.datasets import read_translations
from gpuemb.embeddings.model import Embedding
from gpuemb.embeddings.spelling import missing_word
from gpuemb.embeddings.translations import Translations

BOTH = 2  # words of a pair


@dataclass(frozen=True, eq=False)
class PairRows:
    """Pairs as rows of two tables.

    Attributes:
        given: the pairs as they were given.
        known: those of which both tables have their word, in the same order.
        rows: ``(P, 2)`` their rows.
        unknown_source: words that the source has not, once each.
        unknown_target: words that the target has not, once each.
    """

    given: Translations
    known: tuple[tuple[str, str], ...]
    rows: Int64
    unknown_source: tuple[str, ...]
    unknown_target: tuple[str, ...]


def translations_of(where: str, pairs: Any) -> Translations:
    """Return pairs as they came, those of a file, of a mapping, or of a list of pairs and of single words.

    Raises:
        ConfigError: none of these, or no pairs; the first entry that is none is named.
        StorageError, FileFormatError: as :func:`gpuemb.datasets.read_translations`.
    """
    if isinstance(pairs, (str, Path)):
        return read_translations(pairs)
    if isinstance(pairs, Translations):
        found = pairs
    else:
        if isinstance(pairs, (bytes, type)) or not isinstance(pairs, (Mapping, Sequence)):
            raise _no_pair(where, pairs)
        listed = pairs.items() if isinstance(pairs, Mapping) else pairs
        found = Translations("the list", tuple(pair for entry in listed for pair in _pairs(where, entry)))
    if not len(found):
        raise ConfigError(
            f"{where}: {found.name} holds no pairs",
            needed="A pair is a word of the source and a word of the target.",
            remedy="pairs=[('gato', 'cat'), …], or the path of a file of such lines.",
        )
    return found


def _pairs(where: str, entry: Any) -> list[tuple[str, str]]:
    """Return the pairs of one entry: a word alone is its own translation, and a word may have several."""
    if isinstance(entry, str):
        return [(entry, entry)]
    if isinstance(entry, (list, tuple)) and len(entry) == BOTH and isinstance(entry[0], str):
        word, others = entry
        others = [others] if isinstance(others, str) else others
        if isinstance(others, (list, tuple)) and all(isinstance(other, str) for other in others):
            return [(word, other) for other in others]
    raise _no_pair(where, entry)


def _no_pair(where: str, entry: Any) -> ConfigError:
    return ConfigError(
        f"{where}: a pair is {shown(entry)}",
        needed="A pair is a word of the source and a word of the target, or a list of such.",
        remedy="pairs=[('gato', 'cat'), …], {'gato': ['cat', 'tomcat'], …}, or the path of a dictionary.",
    )


def identical_words(where: str, source: Embedding, target: Embedding) -> Translations:
    """Return the words that both tables have, each as its own translation.

    Raises:
        VocabularyError: there is none.
    """
    shared = [word for word in source.index_to_key if word in target.key_to_index]
    if not shared:
        raise VocabularyError(
            f"{where}: {source.name} ({len(source):,} words) and {target.name} ({len(target):,}) share no "
            "word",
            needed="Without pairs, words that both tables spell alike are the pairs.",
            remedy="Give pairs=[('gato', 'cat'), …], or the path of a dictionary.",
        )
    return Translations("identical words", tuple((word, word) for word in shared))


def rows_of_pairs(where: str, given: Translations, source: Embedding, target: Embedding) -> PairRows:
    """Look pairs up in two tables.

    Raises:
        VocabularyError: no pair has its words in both; one that is missing is named.
    """
    rows = [
        (source.key_to_index.get(word, -1), target.key_to_index.get(other, -1)) for word, other in given.pairs
    ]
    numbers = np.array(rows, np.int64).reshape(-1, BOTH)
    known = np.asarray((numbers >= 0).all(axis=1))
    lost = [
        tuple(dict.fromkeys(p[side] for p, row in zip(given.pairs, rows, strict=True) if row[side] < 0))
        for side in range(BOTH)
    ]
    if not known.any():
        side = 0 if lost[0] else 1
        table, word = (source, target)[side], lost[side][0]
        raise VocabularyError(
            f"{where}: of no pair of {given.name} ({len(given):,}) are both words in their tables; "
            f"{table.name} has no {word!r}, for example",
            needed="A pair counts when the source has its first word and the target its second.",
            remedy=missing_word(table.name, word, table.index_to_key, table.key_to_index).remedy,
        )
    pairs = tuple(pair for pair, there in zip(given.pairs, known, strict=True) if there)
    return PairRows(given, pairs, numbers[known], lost[0], lost[1])
