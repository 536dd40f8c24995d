"""Where a word begins and ends: against the definition, one character at a time."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slow import many_examples

from gpuemb.core.device import CPU
from gpuemb.corpus.spelling import words_of_spellings
from gpuemb.corpus.token_patterns import byte_rule
from gpuemb.corpus.tokenizer import UNICODE_VERSION, find_tokens, tokenize
from gpuemb.kernels.tokenize import tokenize as kernel
from gpuemb.kernels.tokenize.string_table import StringTable

INNER = "'\u2019\u00b7\u0387\u2027\u05f3\u05f4"
AWKWARD = st.text(
    st.sampled_from(
        "aZßİΣσ中हि\u0301\u0903١9²Ⅷ_-.·״'\u2019\u2018\u00a0 \n\t😀\u00ad\u200b\u200c\u200d\ufe0f\u0600"
    ),
    max_size=30,
)
NO_FORMAT = {0x200B, *range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}


def is_letter(character: str) -> bool:
    """Whether a character is a letter or a digit (Definitions §1)."""
    category = unicodedata.category(character)
    return category.startswith("L") or category == "Nd"


def is_format(character: str) -> bool:
    """Whether a character is invisible and never ends a word (UAX 29, Format)."""
    return unicodedata.category(character) == "Cf" and ord(character) not in NO_FORMAT


def by_definition(text: str) -> list[str]:
    """The default tokens, by looking at every character and those behind it."""
    tokens, current = [], ""
    for position, character in enumerate(text):
        rest = list(text[position + 1 :])
        while rest and (unicodedata.category(rest[0])[0] == "M" or is_format(rest[0])):
            rest.pop(0)
        mark = unicodedata.category(character)[0] == "M" or is_format(character)
        inner = character in INNER and bool(rest) and is_letter(rest[0])
        if is_letter(character) or (current and (mark or inner)):
            current += character
        else:
            tokens.append(current)
            current = ""
    kept = "\u200c\u200d\u180e"
    spelled = ["".join(c for c in one if not is_format(c) or c in kept) for one in [*tokens, current] if one]
    return [unicodedata.normalize("NFC", one.lower().rstrip("\u200c")) for one in spelled]


@many_examples(300)
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
        ("nai\u0308ve ΟΔΟΣ", ["naïve", "οδος"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("co\u00adoperate cooperate COOP\u00adERATE", ["cooperate"] * 3),
        ("co\u2011operate co-operate", ["co", "operate"] * 2),
        ("אבא\u200f, \u202bצה״ל\u202c ר׳", ["אבא", "צה״ל", "ר"]),
        ("col·lecció ·a· x·y·", ["col·lecció", "a", "x·y"]),
        ("don\u00ad'\u00adt", ["don't"]),
        ("☀\ufe0f ❤\ufe0fa 👩\u200d💻 \u0301", ["a"]),
        ("ക\u0d4d\u200d ภาษา\u200bไทย", ["ക\u0d4d\u200d", "ภาษา", "ไทย"]),
        ("می\u200c خواهم\u200c\u200f", ["می", "خواهم"]),
        ("\ufeffone two\ufeff", ["one", "two"]),
        ("İ", ["i\u0307"]),
        ("1,234.5", ["1", "234", "5"]),
    ],
)
def test_known_texts_have_known_tokens(text: str, tokens: list[str]) -> None:
    assert tokenize(text) == tokens


def test_the_recorded_unicode_version_is_that_of_the_tables_in_use() -> None:
    assert unicodedata.unidata_version == UNICODE_VERSION


def test_the_compiled_tokens_are_those_of_every_character() -> None:
    rule, spellings = byte_rule("default"), StringTable()
    plain = ("Lo", "Cn", "Co")  # a million characters, of which few are enough
    every = [chr(point) for point in range(1, sys.maxunicode) if not 0xD800 <= point < 0xE000]
    characters = [c for c in every if unicodedata.category(c) not in plain or ord(c) % 211 == 0]
    text = "".join(f"a{c}b {c}c a'{c}d\n" for c in characters if c != "\n")
    found = kernel.on(CPU)(
        np.frombuffer(text.encode(), np.uint8), rule.members, rule.marks, rule.inner, spellings
    )
    spelled = spellings.joined().tobytes().decode().split("\n")
    assert [spelled[one] for one in found.ids.tolist()] == find_tokens(text)
    words, _, word_of = words_of_spellings(spellings, rule.dropped)
    expected = words.joined().tobytes().decode().split("\n")
    assert [expected[word_of[one]] for one in found.ids.tolist()] == tokenize(text)
