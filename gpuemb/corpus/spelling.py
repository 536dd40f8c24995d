"""Words of spellings: which are the same word, and which look as if they were."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import Counter
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gpuemb.core.arrays import Int32, Int64
from gpuemb.core.errors import CorpusWarning
from gpuemb.corpus.tokenizer import NON_JOINER
from gpuemb.kernels.tokenize import CODE_POINTS
from gpuemb.kernels.tokenize.string_table import StringTable, places_of

CODES = "utf-32-le"
TRAILING = re.compile(f"{NON_JOINER}+$", re.MULTILINE)  # at the end of a word it shapes nothing
UNSPACED = (  # first and last character of scripts without spaces between words
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F)),  # Thai, Lao, Burmese
    *((0x1780, 0x17FF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF)),  # Khmer, Kana
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x3FFFF)),  # Han
)
LONG = 8  # letters: twice a usual word of these scripts and more, half a usual clause
MANY = 0.05  # share of all characters in these scripts from which it matters
SEGMENTERS = "jieba.lcut for Chinese, fugashi or MeCab for Japanese, pythainlp.word_tokenize for Thai"


def words_of_spellings(
    spelled: StringTable, dropped: NDArray[np.bool_] | None
) -> tuple[StringTable, Int64, Int32]:
    """Return the distinct words, their counts, and the word of each spelling.

    All spellings are made words in one call: the line end between them is not a letter, so the result of
    each is that of ``str.lower`` on it alone, a final sigma included.

    Args:
        spelled: as in the text.
        dropped: whether each code point is in no word; None where every spelling is its own word.
    """
    counts, joined = spelled.counts.copy(), b"" if dropped is None else spelled.joined().tobytes()
    if joined.isascii() or dropped is None:
        lowered = joined.lower()
    else:
        characters = _code_points(joined.decode().lower())
        kept = characters[~dropped[characters]].tobytes().decode(CODES)
        lowered = composed(TRAILING.sub("", kept)).encode()
    if lowered == joined:
        return spelled, counts, np.arange(len(counts), dtype=np.int32)
    words, text = StringTable(), np.frombuffer(lowered, np.uint8)
    word_of = words.number(text, places_of(text))
    of_words = np.zeros(len(words), np.int64)
    np.add.at(of_words, word_of, counts)
    return words, of_words, word_of


def composed(text: str) -> str:
    """Return the text in NFC: equal to the eye is equal."""
    return unicodedata.normalize("NFC", text)


def warn_of_two_spellings(words: StringTable) -> None:
    """Warn of words that differ only by how their characters are composed.

    Warns:
        CorpusWarning: two words are one in NFC; the first is named.
    """
    joined = words.joined().tobytes()
    if joined.isascii() or unicodedata.is_normalized("NFC", text := joined.decode()):
        return
    forms = Counter(composed(text).split("\n")[:-1])
    twice = [form for form, count in forms.items() if count > 1]
    if twice:
        warnings.warn(
            f"corpus: words spelled in two ways that look the same: {len(twice)}, {twice[0]!r} first. "
            "Characters are composed and decomposed (NFC and NFD), and count as different words. Normalize "
            "the text, unicodedata.normalize('NFC', text), or use the tokenizer 'default', which does.",
            CorpusWarning,
            stacklevel=3,
        )


def warn_of_unspaced(words: StringTable, counts: Int64) -> None:
    """Warn if much of the text is in scripts without spaces and not cut into words.

    Args:
        words: found between spaces or other characters that are no letters.
        counts: of each.

    Warns:
        CorpusWarning: most letters of these scripts are in words of eight letters and more.
    """
    joined = words.joined().tobytes()
    if joined.isascii():
        return
    characters = _code_points(joined.decode())
    if characters.max() < UNSPACED[0][0]:
        return
    ends, unspaced = np.flatnonzero(characters == ord("\n")), _unspaced_letters()[characters]
    letters = np.diff(np.cumsum(unspaced)[ends], prepend=0)
    whole = int(np.sum(counts * (np.diff(ends, prepend=-1) - 1)))
    those, long = (int(np.sum(counts[chosen] * letters[chosen])) for chosen in (letters > 0, letters >= LONG))
    if those >= MANY * whole and long >= those / 2:
        first = _word(joined, int(np.argmax(counts * (letters >= LONG))))
        warnings.warn(
            f"corpus: {long / those:.0%} of the letters of Chinese, Japanese, Thai and other scripts without "
            f"spaces are in runs of {LONG} and more, such as {first[:20]!r}: clauses count as words. Give a "
            f"tokenizer of the language ({SEGMENTERS}), or text with spaces between words.",
            CorpusWarning,
            stacklevel=3,
        )


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode(CODES), np.uint32)


@cache
def _unspaced_letters() -> NDArray[np.bool_]:
    """Whether each code point is a letter of a script without spaces."""
    found = np.zeros(CODE_POINTS, bool)
    for first, last in UNSPACED:
        points = range(first, last + 1)
        found[first : last + 1] = [unicodedata.category(chr(point))[0] == "L" for point in points]
    return found


def _word(joined: bytes, number: int) -> str:
    return joined.split(b"\n")[number].decode()
