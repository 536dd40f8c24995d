"""Tokens of bytes: equal to the definition, character by character, on any text."""

from __future__ import annotations

import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slow import many_examples

from gpuemb.core import threads
from gpuemb.core.arrays import Int32
from gpuemb.kernels.tokenize import (
    CODE_POINTS,
    LONGEST,
    NONE,
    NOT_UTF8,
    TOO_LONG,
    ZERO_BYTE,
    Bytes,
    FoundTokens,
    bits_of,
    tokenize,
)
from gpuemb.kernels.tokenize.cpu import BLOCK
from gpuemb.kernels.tokenize.cpu import tokenize as fast
from gpuemb.kernels.tokenize.string_table import FIRST_BITS, StringTable, places_of, renumbered, selected

CATEGORIES = np.array([unicodedata.category(chr(point)) for point in range(CODE_POINTS)])
LETTERS = bits_of(np.char.startswith(CATEGORIES, "L") | (CATEGORIES == "Nd"))
OTHERS_INSIDE = (CATEGORIES == "Cf") & (np.arange(CODE_POINTS) != 0x200B)
MARKS = bits_of(np.char.startswith(CATEGORIES, "M") | OTHERS_INSIDE)
BLACK = bits_of(np.array([not chr(point).isspace() for point in range(CODE_POINTS)]))
NO_MARKS = bits_of(np.zeros(CODE_POINTS, bool))
APOSTROPHES, NO_INNER = np.array([0x27, 0x2019, 0xB7], np.int32), np.zeros(0, np.int32)
RULES = {"default": (LETTERS, MARKS, APOSTROPHES), "whitespace": (BLACK, NO_MARKS, NO_INNER)}
AWKWARD = st.text(
    st.sampled_from(
        "aaabAZ09'''’’ \n\n\t\r_-.\x0b\x1c\x7f\x80éßİΣ中हि\u0301\u0903²\u00a0\u2003😀"
        "·\u00ad\u200b\u200c\ufe0f"
    ),
    max_size=300,
)
RULE = pytest.mark.parametrize("rule", RULES)


def bytes_of(text: str | bytes) -> Bytes:
    return np.frombuffer(text.encode() if isinstance(text, str) else text, np.uint8)


def words_of(spellings: StringTable) -> list[str]:
    return spellings.joined().tobytes().decode().split("\n")[:-1]


def assert_same(text: Bytes, members: Bytes, marks: Bytes, inner: Int32) -> FoundTokens:
    """Equal arrays of equal types where the text is sound; the same complaint where it is not."""
    ours, theirs = StringTable(), StringTable()
    found, expected = (
        one(text, members, marks, inner, table) for one, table in ((fast, ours), (tokenize.reference, theirs))
    )
    assert (found.problem, found.place) == (expected.problem, expected.place)
    if expected.problem == NONE:
        for name in ("ids", "ends", "blank"):
            one, other = getattr(found, name), getattr(expected, name)
            assert one.dtype == other.dtype, name
            assert one.tolist() == other.tolist(), name
        assert words_of(ours) == words_of(theirs)
        assert ours.counts.tolist() == theirs.counts.tolist() == np.bincount(found.ids).tolist()
    return found


@RULE
@many_examples(300)
@given(text=st.one_of(st.text(max_size=200), AWKWARD))
@example(text="Don't stop! 'Tis the dogs' rock'n'roll, a''b, l’eau don'’t\n\n . \n x")
@example(text=" " * 63 + "a'b")
@example(text="a" * 63 + "'b" + " " * 80)
@example(text="a" * 63 + "'é" + " " * 80)
@example(text="a" * 63 + "'\u00ad\u0301b" + " " * 80)
@example(text="a" * 63 + "\u00ad b" + " " * 80)
@example(text=" " * 62 + "\u00ad\u0301a'\u00ad")
@example(text=("x" * 62 + "''y " + "\n" * 70) * 2)
def test_tokens_are_those_of_the_definition(rule: str, text: str) -> None:
    assert_same(bytes_of(text), *RULES[rule])


@RULE
@many_examples(200)
@given(text=st.binary(max_size=300), ascii_before=st.integers(0, 200))
def test_bytes_that_are_no_text_are_named_by_their_place(rule: str, text: bytes, ascii_before: int) -> None:
    assert_same(bytes_of(b"ab c" * (ascii_before // 4) + text), *RULES[rule])


@RULE
@pytest.mark.parametrize(
    "bad",
    [
        b"\x80",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xff",
        b"\xe4\xb8",
        b"\xc3(",
    ],
)
@pytest.mark.parametrize("before", [b"", b"a", b"a'", b"ok \n" * 40, b"\xc3\xa9"])
def test_what_is_no_utf8_is_refused_where_python_refuses_it(rule: str, bad: bytes, before: bytes) -> None:
    found = assert_same(bytes_of(before + bad), *RULES[rule])
    assert (found.problem, found.place) == (NOT_UTF8, len(before))


@RULE
@pytest.mark.parametrize("place", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5])
def test_a_zero_byte_is_refused(rule: str, place: int) -> None:
    text = bytearray(b"word " * 60)
    text[place] = 0
    found = assert_same(bytes_of(bytes(text)), *RULES[rule])
    assert (found.problem, found.place) == (ZERO_BYTE, place)


@RULE
@pytest.mark.parametrize("length", [LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_token_longer_than_a_page_is_refused(rule: str, length: int, letter: str) -> None:
    token = letter * (length // len(letter.encode())) + "x" * (length % len(letter.encode()))
    found = assert_same(bytes_of(f"a few words {token} and more\n"), *RULES[rule])
    assert (found.problem, found.place) == ((TOO_LONG, 12) if length > LONGEST else (NONE, found.place))


@RULE
def test_more_spellings_than_slots(rule: str) -> None:
    words = [f"w{number:x}" for number in range(3 << FIRST_BITS)] * 2
    spellings = StringTable()
    found = fast(bytes_of(" ".join(words)), *RULES[rule], spellings)
    assert found.ids.tolist() == [*range(3 << FIRST_BITS)] * 2
    assert words_of(spellings) == words[: 3 << FIRST_BITS]
    assert spellings.counts.tolist() == [2] * (3 << FIRST_BITS)


@RULE
def test_words_that_begin_alike_are_told_apart(rule: str) -> None:
    stems = ["a" * length for length in range(1, 70)] + ["a" * length + "b" for length in range(70)]
    stems += ["b" + "a" * length for length in range(70)]
    text = bytes_of(" ".join(stems + stems[::-1]))
    assert_same(text, *RULES[rule])
    assert_same(text[:-1], *RULES[rule])


@RULE
def test_many_borders_in_few_bytes(rule: str) -> None:
    assert_same(bytes_of("a b c d " * 700 + "\n" * 100 + "e " * 70 + "f" * 300), *RULES[rule])
    assert_same(bytes_of("a é " * 900), *RULES[rule])


@RULE
@pytest.mark.parametrize("text", ["", "\n", "a", "'", "\n\n\n", " \t\n . \n", "'a'", "é"])
def test_texts_of_almost_nothing(rule: str, text: str) -> None:
    assert_same(bytes_of(text), *RULES[rule])


def test_blank_lines_are_those_of_white_space_alone() -> None:
    found = fast(bytes_of("word\n\n \t\r\n...\n"), *RULES["default"], StringTable())
    assert found.blank.tolist() == [False, True, True, False]
    assert found.ends.tolist() == [1, 1, 1, 1]


@settings(deadline=None)
@given(texts=st.lists(st.text("abé ", max_size=60), max_size=8))
def test_spellings_of_many_texts_have_one_number_each(texts: list[str]) -> None:
    spellings, expected, counts = StringTable(), dict[str, int](), Counter[str]()
    for text in texts:
        found = fast(bytes_of(text), *RULES["default"], spellings)
        counts.update(text.split())
        assert found.ids.tolist() == [expected.setdefault(word, len(expected)) for word in text.split()]
    assert len(spellings) == len(expected)
    assert words_of(spellings) == list(expected)
    assert spellings.counts.tolist() == [counts[word] for word in expected]
    joined, places = spellings.joined(), places_of(spellings.joined())
    assert places[::2].tolist() == spellings.starts[:-1].tolist()
    assert (places[1::2] - places[::2]).tolist() == [len(word.encode()) for word in expected]
    assert spellings.number(joined.copy(), places).tolist() == [*range(len(expected))]
    assert spellings.counts.tolist() == [counts[word] for word in expected]


@settings(deadline=None)
@given(words=st.lists(st.text("abé", min_size=1, max_size=20), unique=True, max_size=20), data=st.data())
def test_spellings_are_arranged_in_any_order(words: list[str], data: st.DataObject) -> None:
    spellings, text = StringTable(), bytes_of("".join(f"{word}\n" for word in words))
    spellings.number(text, places_of(text))
    rows = data.draw(st.lists(st.integers(0, len(words) - 1))) if words else []
    with threads.limit(data.draw(st.integers(1, 3))):
        found = selected(spellings.joined(), spellings.starts, np.array(rows, np.int64))
    assert found.tobytes().decode() == "".join(f"{words[row]}\n" for row in rows)


@settings(deadline=None)
@given(documents=st.lists(st.lists(st.integers(0, 5))), last=st.lists(st.integers(0, 5)), data=st.data())
def test_tokens_get_other_numbers_or_are_left_out(
    documents: list[list[int]], last: list[int], data: st.DataObject
) -> None:
    numbers = data.draw(st.lists(st.integers(-1, 9), min_size=6, max_size=6))
    ids = np.array([one for document in [*documents, last] for one in document], np.int32)
    ends = np.cumsum([len(document) for document in documents], dtype=np.int64)
    left = [[numbers[one] for one in document if numbers[one] >= 0] for document in [*documents, last]]
    kept = renumbered(ids, np.array(numbers, np.int32), ends, ids, ends)
    assert ids[:kept].tolist() == [one for document in left for one in document]
    assert ends.tolist() == np.cumsum([len(document) for document in left[:-1]], dtype=np.int64).tolist()


def test_spellings_beyond_the_first_room_keep_their_numbers() -> None:
    spellings = StringTable()
    for turn in range(3):
        text = bytes_of("".join(f"{turn}-{number:012d}\n" for number in range(2 << FIRST_BITS)))
        before = len(spellings)
        assert spellings.number(text, places_of(text)).tolist() == [
            *range(before, before + (2 << FIRST_BITS))
        ]
        assert spellings.number(text, places_of(text)).tolist() == [
            *range(before, before + (2 << FIRST_BITS))
        ]
