"""The words of a text as a vocabulary spells them."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gpuemb.core.errors import VocabularyError
from gpuemb.corpus.tokenizer import find_tokens
from gpuemb.embeddings.spelling import composed
from gpuemb.embeddings.word_list import LEAST_WORDS

WHITESPACE = "whitespace"


@dataclass(frozen=True)
class WordOfText:
    """A word of a text.

    Attributes:
        written: as it stands there first.
        times: how often it does, in any case.
        found: the word of the vocabulary; empty where there is none.
        closest: words that are spelled most alike, where it is missing.
    """

    written: str
    times: int
    found: str
    closest: tuple[str, ...] = ()


def words_of_text(text: str, vocabulary: Sequence[str], tokenizer: str = "default") -> list[WordOfText]:
    """Look up the words of a text: each once, as it is written, or else in another case.

    A word is looked up as it stands, then in lower case, then as the most frequent word that differs from it
    in case alone. What is the same word of the vocabulary is one word.

    Args:
        text: any text; its words are those of the default tokenizer, or stand between white space where
            ``tokenizer`` says so.
        vocabulary: words, most frequent first.
        tokenizer: of the vocabulary.

    Raises:
        VocabularyError: fewer than three words are in the vocabulary; those that are not are named.
    """
    tokens = text.split() if tokenizer == WHITESPACE else [composed(token) for token in find_tokens(text)]
    known, folded = set(vocabulary), _folded(vocabulary)
    spelled = {token: _spelled(token, known, folded) for token in tokens}
    times = Counter(spelled[token] or token.casefold() for token in tokens)
    found: dict[str, WordOfText] = {}
    for token in tokens:
        word = spelled[token]
        name = word or token.casefold()
        if name not in found:
            close = () if word else tuple(difflib.get_close_matches(token, _near(token, vocabulary), n=3))
            found[name] = WordOfText(token, times[name], word, close)
    there = [one for one in found.values() if one.found]
    if len(there) < LEAST_WORDS:
        missing = [one for one in found.values() if not one.found]
        hints = "; ".join(
            f"{one.written} ({', '.join(one.closest) or 'nothing like it'})" for one in missing[:5]
        )
        raise VocabularyError(
            f"sentence: {len(there)} of its {len(found)} words are in the vocabulary",
            needed=f"At least {LEAST_WORDS} different words are compared: two have one similarity.",
            remedy=f"Missing: {hints}." if missing else "Use a longer text.",
        )
    return list(found.values())


def _folded(vocabulary: Sequence[str]) -> dict[str, str]:
    """The most frequent word of each spelling in folded case."""
    found: dict[str, str] = {}
    for word in vocabulary:
        found.setdefault(word.casefold(), word)
    return found


def _spelled(token: str, known: set[str], folded: dict[str, str]) -> str:
    if token in known:
        return token
    return token.lower() if token.lower() in known else folded.get(token.casefold(), "")


def _near(token: str, vocabulary: Sequence[str]) -> list[str]:
    return [word for word in vocabulary if abs(len(word) - len(token)) <= 2 and word[:1] == token[:1].lower()]
