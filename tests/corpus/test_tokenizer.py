"""Where a word begins and ends: against the definition, one character at a time."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpuemb.corpus.tokenizer import UNICODE_VERSION, find_tokens, tokenize

APOSTROPHES = "'\u2019"
AWKWARD = st.text(st.sampled_from("aZßİΣσ中हि\u0301\u0903١9²Ⅷ_-.·'\u2019\u2018\u00a0 \n\t😀"), max_size=30)


def belongs(character: str) -> bool:
    """Whether a character is a letter, a mark or a digit (Definitions §1)."""
    category = unicodedata.category(character)
    return category.startswith(("L", "M")) or category == "Nd"


def by_definition(text: str) -> list[str]:
    """The default tokens, by looking at every character and its two neighbors."""
    tokens, current = [], ""
    for position, character in enumerate(text):
        before, after = text[:position][-1:], text[position + 1 : position + 2]
        inner = character in APOSTROPHES and all(side and belongs(side) for side in (before, after))
        if belongs(character) or inner:
            current += character
        else:
            tokens.append(current)
            current = ""
    return [token.lower() for token in [*tokens, current] if token]


@settings(deadline=None, max_examples=300)
@given(text=st.one_of(st.text(), AWKWARD))
@example(text="Don't stop! 'Tis the dogs' rock'n'roll, a''b, l\u2019eau don'\u2019t")
def test_tokens_are_the_maximal_runs_of_the_definition(text: str) -> None:
    assert tokenize(text) == by_definition(text)


@settings(deadline=None)
@given(first=AWKWARD, second=AWKWARD)
def test_a_line_break_always_ends_a_token(first: str, second: str) -> None:
    assert tokenize(f"{first}\n{second}") == tokenize(first) + tokenize(second)


@settings(deadline=None)
@given(text=AWKWARD)
def test_tokens_in_their_own_case_stand_in_the_text_one_after_another(text: str) -> None:
    reached = 0
    for token in find_tokens(text):
        reached = text.index(token, reached) + len(token)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("Don't stop!", ["don't", "stop"]),
        ("l\u2019eau", ["l\u2019eau"]),
        ("'tis the dogs'", ["tis", "the", "dogs"]),
        ("a''b", ["a", "b"]),
        ("x² Ⅷ a_b", ["x", "a", "b"]),
        ("हिन्दी 中文 ١٢", ["हिन्दी", "中文", "١٢"]),
        ("nai\u0308ve ΟΔΟΣ", ["nai\u0308ve", "οδος"]),
        ("İ", ["i\u0307"]),
        ("1,234.5", ["1", "234", "5"]),
    ],
)
def test_known_texts_have_known_tokens(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


def test_the_recorded_unicode_version_is_that_of_the_tables_in_use() -> None:
    assert unicodedata.unidata_version == UNICODE_VERSION
