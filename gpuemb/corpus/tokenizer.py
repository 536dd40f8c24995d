"""The default tokenizer, in plain Python."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import groupby

UNICODE_VERSION = unicodedata.unidata_version
INNER = (
    "'\N{RIGHT SINGLE QUOTATION MARK}\N{MIDDLE DOT}\N{GREEK ANO TELEIA}\N{HYPHENATION POINT}"
    "\N{HEBREW PUNCTUATION GERESH}\N{HEBREW PUNCTUATION GERSHAYIM}"
)
NON_JOINER = "\N{ZERO WIDTH NON-JOINER}"
JOINERS = f"{NON_JOINER}\N{ZERO WIDTH JOINER}\N{MONGOLIAN VOWEL SEPARATOR}"  # they shape letters
BREAKING = (  # of category Cf, but not Format in UAX 29: a space, and signs that stand before numbers
    "\N{ZERO WIDTH SPACE}\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
    "\N{KAITHI NUMBER SIGN}\N{KAITHI NUMBER SIGN ABOVE}"
)


def tokenize(text: str) -> list[str]:
    """Split text into default tokens.

    A token is a maximal run of Unicode letters, marks and digits that begins with a letter or a digit, in
    lower case: ``"Don't stop!"`` → ``["don't", "stop"]``. Kept inside are single ``'``, ``’`` and the points
    that stand in words (``·``, ``‧``, ``׳``, ``״``). Format characters never end a token (UAX 29): those that
    shape letters are kept (zero-width joiner and non-joiner, Mongolian vowel separator), the others are
    dropped (soft hyphen, marks of direction, word joiner), as is a non-joiner at the end. Tokens are composed
    (NFC).

    Cost: one regular expression over the text. Source: Definitions §1; Unicode Standard Annex 29, WB4 to WB7.
    """
    return [_word(token) for token in find_tokens(text)]


def find_tokens(text: str) -> list[str]:
    """As :func:`tokenize`, in the spelling of the text."""
    found: list[str] = _pattern().findall(text)
    return found


def _word(token: str) -> str:
    return unicodedata.normalize("NFC", _dropped().sub("", token.lower()).rstrip(NON_JOINER))


@cache
def _pattern() -> re.Pattern[str]:
    begin, behind = f"[{_ranges(_begins)}]", f"[{_ranges(_continues)}]*"
    inside = f"(?:{begin}{behind})+"
    return re.compile(f"{inside}(?:[{INNER}]{behind}{inside})*")


@cache
def _dropped() -> re.Pattern[str]:
    return re.compile(f"[{_ranges(lambda c: _is_format(c) and c not in JOINERS)}]")


def _begins(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "L" or category == "Nd"


def _continues(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or _is_format(character)


def _is_format(character: str) -> bool:
    return unicodedata.category(character) == "Cf" and character not in BREAKING


def _ranges(chosen: Callable[[str], bool]) -> str:
    """The ranges of all chosen code points, for a regular expression."""
    points = (point for point in range(sys.maxunicode + 1) if chosen(chr(point)))
    ranges = []
    for _, run in groupby(enumerate(points), key=lambda pair: pair[1] - pair[0]):
        members = [point for _, point in run]
        ranges.append(f"{re.escape(chr(members[0]))}-{re.escape(chr(members[-1]))}")
    return "".join(ranges)
