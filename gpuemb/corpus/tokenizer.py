"""The default tokenizer, in plain Python."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from itertools import groupby

UNICODE_VERSION = unicodedata.unidata_version
APOSTROPHES = "'\N{RIGHT SINGLE QUOTATION MARK}"


def tokenize(text: str) -> list[str]:
    """Split text into default tokens.

    A token is a maximal run of Unicode letters, marks and digits, with inner ``'`` or ``’`` kept, in
    lower case: ``"Don't stop!"`` → ``["don't", "stop"]``.

    Cost: one regular expression over the text. Source: Definitions §1.
    """
    return [token.lower() for token in find_tokens(text)]


def find_tokens(text: str) -> list[str]:
    """As :func:`tokenize`, without lowercasing."""
    found: list[str] = _pattern().findall(text)
    return found


@cache
def _pattern() -> re.Pattern[str]:
    inside = f"[{_letters_marks_digits()}]+"
    return re.compile(f"{inside}(?:[{APOSTROPHES}]{inside})*")


def _letters_marks_digits() -> str:
    """The ranges of all code points whose category is L*, M* or Nd, for a regular expression."""
    points = (
        point
        for point in range(sys.maxunicode + 1)
        if (category := unicodedata.category(chr(point)))[0] in "LM" or category == "Nd"
    )
    ranges = []
    for _, run in groupby(enumerate(points), key=lambda pair: pair[1] - pair[0]):
        members = [point for _, point in run]
        ranges.append(f"{re.escape(chr(members[0]))}-{re.escape(chr(members[-1]))}")
    return "".join(ranges)
