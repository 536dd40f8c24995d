"""Words that are missing or differ, and those that differ in their Unicode form alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from gpuemb.core.checks import nearest_hint
from gpuemb.core.errors import ConfigError, VocabularyError

FORMS: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")
NEEDED = "A letter and its accent are one character in NFC and two in NFD; words are compared by characters."
REMEDY = "Spell both alike: [unicodedata.normalize('NFC', word) for word in words]."


def composed(word: str) -> str:
    """Return the one spelling (NFC) of all that Unicode calls equal."""
    return word if word.isascii() else unicodedata.normalize("NFC", word)


def other_forms(word: str) -> list[str]:
    """Return a word in the other Unicode forms: é is one character (NFC), or e and an accent (NFD)."""
    if word.isascii():
        return []
    return [form for form in dict.fromkeys(unicodedata.normalize(f, word) for f in FORMS) if form != word]


def form_of(word: str) -> str:
    """Name the Unicode form of a word for messages."""
    return next((form for form in FORMS if unicodedata.is_normalized(form, word)), "neither NFC nor NFD")


def respelled(lost: Sequence[Sequence[str]]) -> list[str]:
    """Return the words of the first list that all others have in one Unicode form or another.

    Args:
        lost: for each table, its words that not all tables have.
    """
    first, *others = [[word for word in words if not word.isascii()] for words in lost]
    shared = set(map(composed, first)).intersection(*(map(composed, words) for words in others))
    return [word for word in first if composed(word) in shared] if others else []


class OtherForms:
    """Requested words that a file has in another Unicode form.

    Args:
        words: the requested ones, None for all.
    """

    def __init__(self, words: Collection[str] | None) -> None:
        self._asked = {form: word for word in words or () for form in other_forms(word)}
        self._seen: set[str] = set()

    def note(self, word: str | None) -> None:
        """Note a word of the file that was not requested as it stands."""
        if word in self._asked:
            self._seen.add(self._asked[word])

    def lost(self, found: Collection[str]) -> list[str]:
        """Return the requested words that were noted in another form only."""
        return sorted(self._seen.difference(found))


def missing_word(name: str, word: str, words: Sequence[str], rows: Mapping[str, int]) -> VocabularyError:
    """Return the error for a word that a table lacks; its other Unicode form or close spellings are named."""
    known = next((form for form in other_forms(word) if form in rows), None)
    if known is not None:
        return VocabularyError(
            f"{name}: the word {word!r} is spelled in Unicode form {form_of(word)}, in the table in "
            f"{form_of(known)}",
            needed=NEEDED,
            remedy=f"Copy the table's spelling: {known}, or unicodedata.normalize({form_of(known)!r}, word).",
        )
    return VocabularyError(
        f"{name}: the word {word!r} is not among its {len(words)} words",
        needed="Only words of the vocabulary have a vector.",
        remedy=nearest_hint(word, words),
    )


def no_word(name: str, given: object) -> ConfigError:
    """Return the error for a look-up by anything but a word."""
    return ConfigError(
        f"{name}: {given!r} is not a word",
        needed="A look-up takes a word, a list of words, a row number of the table, or a slice of them.",
        remedy="embedding['king'], embedding[['king', 'queen']], embedding[0], embedding[:1000]; "
        "embedding.index_to_key are all words.",
    )


def check_equal_words(where: str, known: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Check that named tables of equally many rows list the same words.

    Raises:
        VocabularyError: words differ; the first such row is named.
    """
    for name, words in known[1:]:
        first_name, first = known[0]
        if words is first or len(words) != len(first) or list(words) == list(first):
            continue
        row = next(row for row, (a, b) in enumerate(zip(first, words, strict=True)) if a != b)
        alike = composed(first[row]) == composed(words[row])
        forms = f" (Unicode forms {form_of(first[row])} and {form_of(words[row])})" if alike else ""
        raise VocabularyError(
            f"{where}: row {row} is {first[row]!r} in {first_name} but {words[row]!r} in {name}{forms}",
            needed=NEEDED if alike else "Row i must be the same word in all tables.",
            remedy=REMEDY if alike else "Use stack([a, b]), which keeps the shared words, in one order.",
        )
